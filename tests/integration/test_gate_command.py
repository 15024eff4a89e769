"""`gate` as a CI job runs it: result files, stored runs, comparisons, and the files it writes."""

import json
import pathlib
import xml.etree.ElementTree as ET

import pytest
from tests.support.command import in_turn, lll

from llm_latency_lens.simulator.latency import parse_latency
from llm_latency_lens.simulator.process import SimulatorProcess
from llm_latency_lens.simulator.spec import SimulatorSpec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A baseline in a file, a slower run that is stored, and a comparison of the two servers in a file."""
    path = tmp_path_factory.mktemp("gate")
    specs = [SimulatorSpec(ttft=parse_latency(t), itl=parse_latency("1ms"), tokens=6) for t in ("20ms", "30ms")]  # fmt: skip
    with SimulatorProcess(specs[0]) as fast, SimulatorProcess(specs[1]) as slow:
        ask = ["-p", "hi", "-n", "160", "-c", "4", "--json", "--allow-invalid"]
        base = lll("benchmark", "openai:sim", "--base-url", fast.base_url, *ask, cwd=path)
        now = lll("benchmark", "openai:sim", "--base-url", slow.base_url, *ask, cwd=path)
        urls = ["--base-url", fast.base_url, "--base-url", slow.base_url]
        both = lll("compare", "openai:sim", "openai:sim", *urls, "-p", "hi", "-n", "20", "--json", "--runs-dir", "other", "--allow-invalid", cwd=path)  # fmt: skip
    assert (base.code, now.code, both.code) == (0, 0, 0)
    (path / "base.json").write_text(base.out)
    (path / "both.json").write_text(both.out)
    return path


def test_a_run_passes_its_thresholds(folder: pathlib.Path) -> None:
    """The last run, by thresholds alone: exit 0, and the report says PASS."""
    found = lll("gate", "--require", "ttft.p50<500ms,success_rate>=90%", cwd=folder)
    assert found.code == 0, found.err
    assert "PASS: 2 of 2 kept" in found.out
    document = json.loads(lll("gate", "last", "--require", "ttft.p50<500ms", "--json", cwd=folder).out)  # fmt: skip
    assert (document["schema"], document["state"]) == ("llm-latency-lens/gate/1", "PASS")


def test_a_missed_threshold_and_a_regression_have_their_own_codes(folder: pathlib.Path) -> None:
    """3 and 7; JUnit, Markdown and the job summary are written."""
    missed = lll("gate", "--require", "ttft.p50<25ms", "--junit", "a/b.xml", cwd=folder)
    assert (missed.code, "can't write" in missed.err) == (2, True)
    missed = lll("gate", "--require", "ttft.p50<25ms", "--junit", "j.xml", "--markdown", "m.md", cwd=folder)  # fmt: skip
    assert missed.code == 3, missed.err
    junit = ET.parse(folder / "j.xml")  # noqa: S314 - our own
    assert junit.getroot().find("testsuite/testcase/failure") is not None
    assert "FAIL" in (folder / "m.md").read_text()
    summary = folder / "summary.md"
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    worse = lll("gate", "--baseline", "base.json", "--allow", "ttft.p50<+10%", cwd=folder, env=env)
    assert worse.code == 7, worse.err
    assert "## gate on" in summary.read_text()
    assert "::error title=latency gate::ttft.p50<+10%25" in worse.err


@pytest.fixture(scope="module")
def repeats(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Six runs of one workload in files 0.json .. 5.json, and one that asked for fewer tokens."""
    path = tmp_path_factory.mktemp("repeats")
    spec = SimulatorSpec(
        ttft=parse_latency("lognormal:10ms,0.2"), itl=parse_latency("1ms"), tokens=4
    )
    asked = {str(n): ["--max-tokens", "128"] for n in range(6)} | {
        "other": ["--max-tokens", "256", "--temperature", "0.5"]
    }
    with SimulatorProcess(spec) as server:
        words = ["benchmark", "openai:sim", "--base-url", server.base_url, "-p", "hi", "-n", "60", "-c", "4"]  # fmt: skip
        runs = ([*words, *more, "--json", "--allow-invalid"] for more in asked.values())
        for name, found in zip(asked, in_turn(*runs, cwd=path), strict=True):
            assert found.code == 0, found.err
            (path / f"{name}.json").write_text(found.out)
    return path


def test_repeated_baselines_show_how_much_a_rate_varies(repeats: pathlib.Path) -> None:
    """No verdict from one baseline, PASS from five, FAIL where more than is possible is asked."""
    five = [word for n in range(1, 6) for word in ("--baseline", f"{n}.json")]
    allow = ["--allow", "throughput.requests>-90%"]
    one = lll("gate", "0.json", *five[:2], *allow, cwd=repeats)
    assert one.code in {4, 5}, one.err
    assert "at least 5 runs of the same workload" in " ".join(one.out.split())
    found = lll("gate", "0.json", *five, *allow, "--json", cwd=repeats)
    document = json.loads(found.out)
    assert len(document["baselines"]) == 5
    assert document["regressions"][0]["state"] == "PASS", document
    more = lll("gate", "0.json", *five, "--allow", "throughput.requests>+900%", cwd=repeats)
    assert more.code == 7, more.out
    assert "against 5 baselines" in more.out
    alone = lll("gate", "0.json", "--require", "throughput.requests>1/s", cwd=repeats)
    assert alone.code in {4, 5}
    held = lll("gate", "0.json", *five, "--require", "throughput.requests>1/s", cwd=repeats)
    assert held.code == 0, held.out


def test_a_baseline_that_asked_for_something_else_is_refused(repeats: pathlib.Path) -> None:
    """Both parameters, in words; so is the same file twice."""
    allow = ["--allow", "ttft.p50<+10%"]
    found = lll("gate", "0.json", "--baseline", "other.json", *allow, cwd=repeats)
    assert (found.code, found.out) == (2, "")
    for words in (
        "the baseline asked for 256 output tokens, this run asked for 128 output tokens",
        "the baseline asked for temperature 0.5, this run set no temperature",
    ):
        assert words in found.err
    twice = lll("gate", "0.json", *["--baseline", "1.json"] * 2, *allow, cwd=repeats)
    assert (twice.code, "given twice" in twice.err) == (2, True)


def test_a_comparison_is_held_to_allowances(folder: pathlib.Path) -> None:
    """Its second target against its first: 50 % slower is no 10 %, but less than twice as slow."""
    worse = lll("gate", "both.json", "--allow", "ttft<+10%", cwd=folder)
    assert worse.code == 7, worse.err
    assert lll("gate", "both.json", "--allow", "ttft<+100%", cwd=folder).code == 0


def test_what_can_not_be_held_to_a_gate_is_refused(folder: pathlib.Path) -> None:
    """Nothing asked, no baseline, no such file or run, a file that is no document."""
    (folder / "broken.json").write_text("{")
    (folder / "other.json").write_text('{"schema": "x"}')
    cases = [
        ([], "nothing to hold it to"),
        (["--allow", "ttft.p50<+10%"], "needs a --baseline"),
        (["nowhere.json", "--require", "ttft.p50<1s"], "can't read"),
        (["broken.json", "--require", "ttft.p50<1s"], "not JSON"),
        (["other.json", "--require", "ttft.p50<1s"], "neither a result nor a comparison"),
        (["both.json", "--require", "ttft.p50<1s"], "--require is for a run"),
        (["both.json", "--allow", "ttft.p99<+1%"], "the comparison has"),
        (["--baseline", "both.json", "--allow", "ttft.p50<+1%"], "a comparison is no baseline"),
    ]
    outcomes = in_turn(*(["gate", *words] for words, _ in cases), cwd=folder)
    for (words, said), found in zip(cases, outcomes, strict=True):
        assert (found.code, found.out) == (2, ""), words
        assert said in found.err, found.err
