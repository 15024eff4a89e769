"""`init` writes what `validate` takes; `validate` finds what a measurement would stumble over."""

import json
import pathlib
import re

import pytest
from tests.support.command import lll
from tests.support.hostile import hostile, silence

from llm_latency_lens.simulator.fault import parse_fault
from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec

CANARY = "sk-canary-0123456789abcdef"
QUICK = SimulatorSpec(ttft=parse_latency("5ms"), itl=parse_latency("1ms"), tokens=4)


@pytest.mark.parametrize("form", ["toml", "yaml"])
def test_init_writes_what_validate_takes(tmp_path: pathlib.Path, form: str) -> None:
    """As it is, and with every line that is commented out put in."""
    assert lll("init", "--format", form, cwd=tmp_path).code == 0
    path = tmp_path / f"llm-latency-lens.{form}"
    text = path.read_text()
    listed = json.loads(lll("validate", "--json", cwd=tmp_path).out)
    assert listed[0]["check"] == "configuration"
    assert listed[0]["ok"]
    full = re.sub(
        r"^# ?( *[a-z_]+(?: =|:) ?[\[\"0-9tf{])",
        r"\1" if form == "toml" else r" \1",
        text,
        flags=re.MULTILINE,
    )
    if form == "yaml":
        full = re.sub(
            r"^ (plugins|  headers)",
            lambda m: m[1].replace("  headers", "    headers"),
            full,
            flags=re.MULTILINE,
        )
        full = re.sub(r"^ {3}(\w)", r"  \1", full, flags=re.MULTILINE)
    assert full.count("# ") < text.count("# ") - 60
    path.write_text(full)
    again = lll("validate", "--json", cwd=tmp_path)
    assert json.loads(again.out)[0]["ok"], again.err


def test_init_never_overwrites_unasked(tmp_path: pathlib.Path) -> None:
    """Twice is refused; --force, another name and stdout are not."""
    assert lll("init", cwd=tmp_path).code == 0
    again = lll("init", cwd=tmp_path)
    assert (again.code, again.out) == (2, "")
    assert "--force" in again.err
    assert lll("init", "--force", cwd=tmp_path).code == 0
    assert lll("init", "-o", "other.toml", cwd=tmp_path).code == 0
    printed = lll("init", "-o", "-", cwd=tmp_path)
    assert printed.out == (tmp_path / "other.toml").read_text()


def test_two_configurations_in_one_place_are_refused(tmp_path: pathlib.Path) -> None:
    """Nobody could say which one counts."""
    for form in ("toml", "yaml"):
        assert lll("init", "--format", form, cwd=tmp_path).code == 0
    found = lll("validate", cwd=tmp_path)
    assert found.code == 2
    assert "keep one" in found.err


def written(folder: pathlib.Path, base_url: str, more: str = "") -> pathlib.Path:
    """A configuration with one target whose key comes from a variable."""
    path = folder / "llm-latency-lens.toml"
    path.write_text(
        f'[targets.a]\nmodel = "openai:sim"\nbase_url = "{base_url}"\nkey = {{env = "A_KEY"}}\n{more}'
    )
    return path


def test_validate_finds_all_well(tmp_path: pathlib.Path) -> None:
    """Configuration, key, connection and, asked for, one request; nothing shows the key."""
    with SimulatorProcess(QUICK) as server:
        written(tmp_path, server.base_url)
        found = lll("validate", "--live", cwd=tmp_path, env={"A_KEY": CANARY})
        ledger = server.stop()
    assert found.code == 0, found.err
    for word in (
        "everything is fine",
        "configuration",
        "the key of the environment variable A_KEY",
        "connected in",
        "live request",
    ):
        assert word in found.out
    assert CANARY not in found.out + found.err
    assert len(ledger.entries) == 1


def test_validate_sends_nothing_unless_asked(tmp_path: pathlib.Path) -> None:
    """It connects, and that is all."""
    with SimulatorProcess(QUICK) as server:
        written(tmp_path, server.base_url)
        assert lll("validate", "a", cwd=tmp_path, env={"A_KEY": CANARY}).code == 0
        assert server.stop().entries == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [("status:401", "auth 401"), ("html", "content_type"), ("cut:0", "truncated")],
)
def test_validate_live_says_what_is_wrong(tmp_path: pathlib.Path, fault: str, words: str) -> None:
    """3, with the outcome and what to do."""
    spec = SimulatorSpec(ttft=QUICK.ttft, itl=QUICK.itl, faults=(parse_fault(fault),))
    with SimulatorProcess(spec) as server:
        written(tmp_path, server.base_url)
        found = lll("validate", "--live", cwd=tmp_path, env={"A_KEY": CANARY})
    assert found.code == 3
    assert words in found.out


def test_validate_says_what_can_not_be_reached(tmp_path: pathlib.Path) -> None:
    """A refused connection is 3, a missing key 2; a wrong configuration says file and line."""
    written(tmp_path, "http://127.0.0.1:9/v1")
    found = lll("validate", cwd=tmp_path, env={"A_KEY": CANARY})
    assert found.code == 3
    assert "refused" in found.out
    missing = lll("validate", cwd=tmp_path)
    assert missing.code == 2
    assert "A_KEY is not set" in missing.out
    written(tmp_path, "http://127.0.0.1:9/v1", "[benchmark]\nrequets = 1\n")
    wrong = lll("validate", cwd=tmp_path)
    assert (wrong.code, wrong.out) == (2, "")
    assert "llm-latency-lens.toml:6" in wrong.err


def test_validate_gives_up_on_a_server_without_tls(tmp_path: pathlib.Path) -> None:
    """Https where nobody speaks it ends by the connect timeout."""
    with hostile(silence()) as server:
        written(tmp_path, f"https://127.0.0.1:{server.port}/v1")
        found = lll("validate", "--connect-timeout", "300ms", cwd=tmp_path, env={"A_KEY": CANARY})
    assert found.code == 3
    assert "connect_timeout" in found.out


def test_validate_without_anything_says_how_to_begin(tmp_path: pathlib.Path) -> None:
    """No target, no configuration."""
    found = lll("validate", cwd=tmp_path)
    assert found.code == 2
    assert "llm-latency-lens init" in found.err


def test_f7_the_resolved_configuration_and_its_hash_are_stored(tmp_path: pathlib.Path) -> None:
    """F7: what a run was asked, defaults included: a changed default would show in both."""
    with SimulatorProcess(QUICK) as server:
        words = [
            "benchmark",
            "openai:sim",
            "--base-url",
            server.base_url,
            "-p",
            "x",
            "--seed",
            "1",
            "--json",
        ]
        first = json.loads(lll(*words, "-n", "3", cwd=tmp_path).out)["run"]
        again = json.loads(lll(*words, "-n", "3", cwd=tmp_path).out)["run"]
        other = json.loads(lll(*words, "-n", "3", "--idle-timeout", "61s", cwd=tmp_path).out)["run"]
    assert first["spec_sha256"] == again["spec_sha256"] != other["spec_sha256"]
    spec = first["spec"]
    assert sorted(spec) == [
        *(
            "abort_on",
            "arms",
            "base_url",
            "credential",
            "dialect",
            "goodput",
            "limits",
            "max_cost",
            "plan",
            "plugins",
        ),
        *("price", "price_as", "priced_as", "proxy", "question", "retries"),
        *("spread_addresses", "stamps", "target", "workers", "workload"),
    ]
    assert first["spec"]["workload"]["salt"] != again["spec"]["workload"]["salt"]
    assert spec["limits"] == {
        "connect_timeout": 10_000_000_000,
        "idle_timeout": 60_000_000_000,
        "total_timeout": 600_000_000_000,
        "max_head": 102_400,
        "max_body": 268_435_456,
        "max_event": 8_388_608,
        "max_bodies": 536_870_912,
    }
    assert spec["retries"] == 0
    assert spec["workload"]["wish"]["stream"]
