"""Configuration files: every wrong key, unit, variable and surprise is refused with its file and line."""

import os
import pathlib
import time
from collections.abc import Callable

import click
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llm_latency_lens.cli.config import (
    COMMANDS_WITH_OPTIONS,
    TARGET_KEYS,
    Configuration,
    command_options,
    load_config,
)
from llm_latency_lens.cli.config_file import read_document
from llm_latency_lens.cli.main import group
from llm_latency_lens.errors import ConfigError, LensError, UsageError
from llm_latency_lens.load import Load, plan_of
from llm_latency_lens.providers.key import KeySource, parse_key_source, read_key
from llm_latency_lens.schedule.check import check_plan

CANARY = "sk-canary-0123456789abcdef"


def options_of(name: str) -> dict[str, click.Parameter]:
    """A command's options."""
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return command_options(command)


def loaded(folder: pathlib.Path, text: str, name: str = "c.toml") -> Configuration:
    """The configuration that a text makes."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return load_config(path, options_of)


def refused(folder: pathlib.Path, text: str, name: str = "c.toml") -> str:
    """The one line with which it is refused."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, name)
    words = str(caught.value)
    assert "\n" not in words
    return words


def edits(name: str) -> list[str]:
    """`name` with one letter dropped, doubled or swapped."""
    dropped = [name[:i] + name[i + 1 :] for i in range(len(name))]
    doubled = [name[:i] + name[i] + name[i:] for i in range(len(name))]
    swapped = [name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in range(len(name) - 1)]
    return [edit for edit in (*dropped, *doubled, *swapped) if edit]


@pytest.mark.parametrize("command", COMMANDS_WITH_OPTIONS)
def test_f1_every_misspelt_option_is_refused(tmp_path: pathlib.Path, command: str) -> None:
    """F1: each key of each command by each edit of one letter, with its line."""
    known = set(options_of(command))
    tried = 0
    for name in sorted(known):
        for edit in edits(name):
            if edit.replace("-", "_") in known:
                continue
            words = refused(tmp_path, f"\n[{command}]\n'{edit}' = 1\n")
            assert words.startswith(f"{tmp_path / 'c.toml'}:3: unknown key '{edit}'")
            assert "did you mean" in words or "known:" in words
            tried += 1
    assert tried > 300


def test_f1_every_misspelt_target_key_is_refused(tmp_path: pathlib.Path) -> None:
    """F1: in named targets, in both languages."""
    for name in TARGET_KEYS:
        for edit in edits(name):
            if edit in TARGET_KEYS:
                continue
            words = refused(tmp_path, f'[targets.a]\nmodel = "openai:m"\n{edit} = "x"\n')
            assert ":3: unknown key" in words
            words = refused(
                tmp_path, f"targets:\n  a:\n    model: openai:m\n    {edit}: x\n", "c.yaml"
            )
            assert ":4: unknown key" in words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[bench]\n", ":1: unknown key 'bench'; did you mean 'benchmark'"),
        ("[benchmrk]\n", ":1: unknown key 'benchmrk'; did you mean 'benchmark'"),
        ("targets = 3\n", "targets must be tables"),
        ("[targets]\na = 1\n", ":2: targets.a must be a table"),
        ("[targets.a]\n", ":1: targets.a needs model"),
        ('[targets.a]\nmodel = ""\n', ":2: model must be text"),
        ("benchmark = 1\n", "benchmark must be a table"),
        ("plugins = 'x'\n", ":1: plugins must be a list"),
        ("[benchmark\n", "not valid TOML"),
        ("[benchmark]\nrate = [1, 2]\n", ":2: rate takes one value"),
        ("[benchmark]\nrate = true\n", ":2: rate takes no true or false"),
        ("[benchmark]\nrate = {a = 1}\n", ":2: rate takes a value, not a table"),
        ("[benchmark]\nstream = 'perhaps'\n", ":2: stream:"),
        ("[benchmark]\narrival = 'uniform'\n", ":2: arrival:"),
        ("[benchmark]\nconcurrency = 0\n", ":2: concurrency:"),
        ("[benchmark]\nseed = nan\n", ":2: seed:"),
        ("[benchmark]\ntemperature = -1.0\n", ":2: temperature:"),
        ("[benchmark]\nrequests = 1.5\n", ":2: requests:"),
        ('[targets.a]\nmodel = "openai:m"\nkey = "sk-1"\n', ":3: a key does not belong"),
        ('[targets.a]\nmodel = "openai:m"\nkey = {}\n', ":3: key must have exactly one"),
        ('[targets.a]\nmodel = "openai:m"\nkey = {env = ""}\n', ":3: key.env must be text"),
        ('[targets.a]\nmodel = "openai:m"\nheaders = {X = 1}\n', ":3: headers must be a table"),
        (
            '[targets.a]\nmodel = "openai:m"\n[targets.a.headers]\nX = "a"\n"X Y" = "b"\n',
            ":5: header 'X Y' must be written",
        ),
        ('[targets.a]\nmodel = "openai:m"\nheaders = {X = "a\\nY: b"}\n', "no header has"),
        ('[targets.a]\nmodel = "openai:m"\nheaders = {X-A = "a", x-a = "b"}\n', "twice"),
        ('[targets.a]\nmodel = "openai:m"\nheaders = {Content-Length = "1"}\n', "framed"),
        ('[targets.a]\nmodel = "openai:m"\nheaders = {X-Auth-Token = "a"}\n', "env:VARIABLE"),
        ('[targets.a]\nmodel = "openai:m"\nproxy = "http://u:p@h:1"\n', ":3: a proxy's user"),
    ],
)
def test_f6_contradictions_and_wrong_kinds_are_refused(
    tmp_path: pathlib.Path, text: str, words: str
) -> None:
    """F6: at the line where they stand."""
    assert words in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('"500"', "has no unit"),
        ("500", "has no unit"),
        ('"1e3"', "has no unit"),
        ('"5 parsecs"', "no duration"),
        ('"-5s"', "no duration"),
        ('""', ""),
    ],
)
def test_f2_durations_need_their_unit(tmp_path: pathlib.Path, value: str, words: str) -> None:
    """F2: a bare number is refused with what it could be."""
    found = refused(tmp_path, f"[benchmark]\nduration = {value}\n")
    assert ":2: duration" in found
    assert words.rsplit(maxsplit=1)[-1] in found if words else True


@pytest.mark.parametrize("value", ["500ms", "0.5s", "5 m", "30s", "2h"])
def test_f2_durations_with_a_unit_are_taken(tmp_path: pathlib.Path, value: str) -> None:
    """F2: with or without a blank."""
    assert loaded(tmp_path, f'[benchmark]\nduration = "{value}"\n').defaults["benchmark"] == {
        "duration": value
    }


def test_f3_a_percentile_is_written_in_hundredths(tmp_path: pathlib.Path) -> None:
    """F3: p0.95 of a goodput limit is refused with a hint."""
    with pytest.raises(UsageError):
        check_goodput("ttft.p0.95<500ms")
    assert loaded(tmp_path, '[benchmark]\ngoodput = "ttft<500ms"\n').path is not None


def check_goodput(text: str) -> None:
    """Parse limits."""
    from llm_latency_lens.criteria.limit import parse_limits  # noqa: PLC0415 - this test's alone

    parse_limits(text)


@pytest.mark.parametrize(("value", "state"), [(None, "not set"), ("", "empty"), ("  ", "empty")])
def test_f4_missing_variables_are_named(
    tmp_path: pathlib.Path, value: str | None, state: str
) -> None:
    """F4: file, line and the variable; the value of others is never shown."""
    path = tmp_path / "c.toml"
    path.write_text('[targets.a]\nmodel = "openai:${CANARY}"\nbase_url = "${NOT_THERE}/v1"\n')
    environment = {"CANARY": CANARY} | ({} if value is None else {"NOT_THERE": value})
    with pytest.raises(ConfigError) as caught:
        read_document(path, environment)
    assert f"{path}:3: the environment variable NOT_THERE is {state}" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_variables_are_replaced_and_dollars_escaped(tmp_path: pathlib.Path) -> None:
    """`${NAME}` anywhere in a text; `$$` is a dollar sign, and so is one that stands alone."""
    path = tmp_path / "c.toml"
    path.write_text('[benchmark]\nprompt = "${A}-$${A}-$A"\nmax_cost = "$2"\n')
    values = read_document(path, {"A": "x"}).values
    assert values == {"benchmark": {"prompt": "x-${A}-$A", "max_cost": "$2"}}


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


def test_f5_a_billion_laughs_is_refused_at_once(tmp_path: pathlib.Path) -> None:
    """F5: before anything is expanded; the work is a line or two of parsing."""
    began = time.process_time()
    assert "anchors and aliases" in refused(tmp_path, BOMB, "c.yaml")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("benchmark:\n  rate: 1/s\n  rate: 2/s\n", ":3: 'rate' is there twice"),
        ("benchmark: {a: 1\n", "not valid YAML"),
        ("- a\n", "must hold sections"),
        ("benchmark:\n  ? [a]\n  : 1\n", ":2: a key must be a name"),
        ("benchmark: !!python/object/apply:os.system ['true']\n", "must be a table"),
        ("benchmark:\n  duration: 1_000\n", ":2: duration"),
        ("benchmark:\n  duration: 20:30\n", ":2: duration"),
        ("benchmark:\n  requests: 010\n", ":2: requests"),
        ("benchmark:\n  requests: 0x10\n", ":2: requests"),
        ("benchmark:\n  requests: 1e3\n", ":2: requests"),
        ("[" * 200, "not valid YAML"),
        ("a: " + "[" * 100 + "]" * 100, "nested too deeply"),
    ],
)
def test_f5_yaml_has_no_surprises(tmp_path: pathlib.Path, text: str, words: str) -> None:
    """F5: duplicates, odd numbers, tags and depth."""
    if words.startswith(":2: requests") and "010" in text:
        # Taken as written: the text 010, which the option reads as ten.
        assert loaded(tmp_path, text, "c.yaml").defaults["benchmark"]["requests"] == "010"
        return
    assert words in refused(tmp_path, text, "c.yaml")


def test_f5_text_stays_what_was_written(tmp_path: pathlib.Path) -> None:
    """F5: `no` is a word, a date is a word, a time is a word."""
    text = "benchmark:\n  prompt: no\n  system: 2026-01-01\n  header: ['X: 1']\n  stream: false\n"
    assert loaded(tmp_path, text, "c.yaml").defaults["benchmark"] == {
        "prompt": "no",
        "system": "2026-01-01",
        "header": ["X: 1"],
        "stream": False,
    }


def test_toml_and_yaml_mean_the_same(tmp_path: pathlib.Path) -> None:
    """The same schema, whichever the language."""
    toml = '[targets.a]\nmodel = "openai:m"\nkey = {env = "K"}\n[benchmark]\nrate = "20/s"\nrequests = 5\n'
    yaml = "targets:\n  a:\n    model: openai:m\n    key: {env: K}\nbenchmark:\n  rate: 20/s\n  requests: 5\n"
    one, other = loaded(tmp_path, toml), loaded(tmp_path, yaml, "c.yaml")
    assert (one.targets, one.defaults) == (other.targets, other.defaults)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "rate": st.sampled_from(["20/s", "0/s", "1/m", "-1/s", "x", "1e9/s"]) | st.floats(),
            "concurrency": st.integers(-1, 5),
            "requests": st.integers(-1, 1000),
            "duration": st.sampled_from(["1s", "0s", "5", "1h"]) | st.integers(-5, 10**10),
            "warmup": st.integers(-1, 5),
            "arrival": st.sampled_from(["poisson", "constant", "closed"]),
        },
    )
)
@example({"rate": 1e299, "duration": "1s"})
def test_f6_any_load_is_a_plan_or_a_typed_error(fields: dict[str, object]) -> None:
    """F6: Hypothesis over the load: nothing but a plan or one line."""
    said = ""
    try:
        plan = plan_of(Load(**fields), seed=1)  # type: ignore[arg-type] # any kind of value
        check_plan(plan)
    except LensError as error:
        said = str(error)
    assert "\n" not in said


@settings(
    suppress_health_check=[
        *settings().suppress_health_check,
        HealthCheck.function_scoped_fixture,
    ],
    max_examples=200,
)
@given(
    st.dictionaries(
        st.sampled_from([*COMMANDS_WITH_OPTIONS, "targets", "plugins", "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["rate", "model", "key", "stream", "json", "a"]), inner
                )
            ),
            max_leaves=6,
        ),
        max_size=3,
    )
)
def test_f6_any_document_is_read_or_refused(
    tmp_path: pathlib.Path, document: dict[str, object]
) -> None:
    """F6: any JSON (which is YAML) is a configuration or one line that says why not."""
    import json  # noqa: PLC0415 - this test's alone

    said = ""
    try:
        loaded(tmp_path, json.dumps(document), "c.yaml")
    except ConfigError as error:
        said = str(error)
    assert "\n" not in said


def test_keys_come_from_where_they_are_kept(tmp_path: pathlib.Path) -> None:
    """Environment, file (blanks cut off) and command (its first line)."""
    path = tmp_path / "key"
    path.write_text(f"  {CANARY}\n")
    assert read_key(KeySource(env="K"), {"K": CANARY}) == CANARY
    assert read_key(KeySource(file=str(path)), {}) == CANARY
    assert read_key(KeySource(command=f"cat {path}"), dict(os.environ)) == CANARY


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: KeySource(env="K"), "environment variable K is not set"),
        (lambda f: KeySource(file=str(f / "none")), "can't read key file"),
        (lambda f: KeySource(file=str(f / "empty")), "holds nothing"),
        (lambda _: KeySource(command=f"sh -c 'echo {CANARY}; exit 3'"), "ended with code 3"),
        (lambda _: KeySource(command="true"), "command 'true' holds nothing"),
        (lambda _: KeySource(command=f"no-such-command {CANARY}"), "can't be run"),
        (lambda _: KeySource(command=f"echo {CANARY} two words"), "holds blanks"),
    ],
)
def test_x1_a_key_that_is_not_there_is_never_shown(
    tmp_path: pathlib.Path, make: Callable[[pathlib.Path], KeySource], words: str
) -> None:
    """X1, F4: the place is named; neither a command's words nor its output."""
    (tmp_path / "empty").write_text(" \n")
    with pytest.raises(UsageError, match=words) as caught:
        read_key(make(tmp_path), {"PATH": os.environ["PATH"]})
    assert CANARY not in str(caught.value)


def test_x1_a_key_in_plain_text_is_refused_unread() -> None:
    """X1: and not repeated."""
    with pytest.raises(UsageError) as caught:
        parse_key_source(CANARY)
    assert CANARY not in str(caught.value)


def test_x1_what_a_variable_holds_is_no_credential_that_is_written_out(
    tmp_path: pathlib.Path,
) -> None:
    """X1: `${NAME}` and env:NAME are the ways for headers and proxies; the latter is looked up when used."""
    text = """
[targets.a]
model = "openai:m"
proxy = "http://u:${HOME}@h:1"
[targets.a.headers]
Authorization = "Bearer ${HOME}"
X-Api-Key = "env:NEVER_SET_ANYWHERE"
"""
    headers = loaded(tmp_path, text).targets["a"]["headers"]
    assert headers["Authorization"] == f"Bearer {os.environ['HOME']}"
    assert headers["X-Api-Key"] == "env:NEVER_SET_ANYWHERE"
