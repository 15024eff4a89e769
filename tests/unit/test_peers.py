"""The benchmark of the peers: their environments, and the page of their numbers."""

import pathlib
import sys

import pytest
from benchmarks.peers.environment import Environment, SetupError, make
from benchmarks.peers.page import MARKER, Row, merged, table
from benchmarks.peers.table import CLIENT, PEERS
from benchmarks.peers.tree import Taken
from benchmarks.peers.words import last_words

PYTHON = pathlib.Path(sys.executable)
START = Taken(wall=1.0, cpu=0.5, peak=80_000_000, code=0, words="")


def test_a_complete_environment_is_made_once_and_anew_for_other_versions(
    tmp_path: pathlib.Path,
) -> None:
    """The second call has nothing to do; another requirement is another environment."""
    first = Environment(name="tool")
    assert make(first, tmp_path, PYTHON)
    assert not make(first, tmp_path, PYTHON)
    assert make(Environment(name="tool", unpacked="*.so"), tmp_path, PYTHON)


def test_a_half_made_environment_is_made_anew(tmp_path: pathlib.Path) -> None:
    """What an interrupted set-up left is removed, whatever it is."""
    left = tmp_path / "tool" / "venv" / "bin"
    left.mkdir(parents=True)
    (left / "python").symlink_to("/nowhere")
    assert make(Environment(name="tool"), tmp_path, PYTHON)
    assert not left.exists()


def test_a_set_up_that_fails_says_which_step_and_is_tried_again(tmp_path: pathlib.Path) -> None:
    """No stamp is left, so the next call does not take the ruins for an environment."""
    broken = Environment(name="tool", wheel="tool==1.0", unpacked="*")
    for _ in range(2):
        with pytest.raises(SetupError, match=r"pip download tool==1\.0: .*No such file"):
            make(broken, tmp_path, pathlib.Path("/nowhere/python"))
    assert list((tmp_path / "tool").iterdir()) == []


def test_too_old_a_python_is_a_reason(tmp_path: pathlib.Path) -> None:
    """A tool that wants a Python that is nowhere says so."""
    future = Environment(name="tool", packages=("tool",), oldest=(3, 90))
    with pytest.raises(SetupError, match=r"needs Python 3\.90"):
        make(future, tmp_path, PYTHON)


def test_every_peer_that_uses_the_tokenizer_or_a_wheel_needs_the_shared_environment() -> None:
    """Clients run in it, its pip downloads their wheels, its script makes the tokenizer."""
    assert "pip" in CLIENT.packages
    for peer in PEERS:
        assert peer.shared is CLIENT if peer.environment.wheel else peer.environment.packages
        assert peer.tokenizer or peer.name == "llmeter"


def test_a_row_without_numbers_says_why() -> None:
    """In the table itself, on one line, whatever the message holds."""
    row = Row(name="vllm", version="1", failed=["set-up: pip:\n no | wheel"])
    last = table([row]).splitlines()[-1]
    assert last.endswith("| set-up: pip: no / wheel |")
    assert last.count("|") == table([row]).splitlines()[0].count("|")


def test_rows_of_other_tools_stay_on_the_page() -> None:
    """One tool measured alone replaces its own row and no other; the order is the table's."""
    order = ("vllm", "sglang", "ours")
    whole = [Row(name=name, version="1", start=START, ready=1000.0) for name in order]
    page = merged(f"# Peers\n{MARKER}", reversed(whole), order, {"llmperf": "no longer kept up"})
    again = merged(page, [Row(name="sglang", version="2", failed=["x"])], order, {})
    rows = [line for line in again.splitlines() if line.startswith("| ")][1:]
    assert [row.split("|")[1].strip() for row in rows] == list(order)
    assert [row.split("|")[2].strip() for row in rows] == ["1", "2", "1"]
    assert page.startswith("# Peers\n")
    assert "- llmperf: no longer kept up." in page


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", ""),
        ("one\n\n  two\nthree\n4\n", "two / three / 4"),
        ("10%\r20%\r\x1b[31mfailed\x1b[0m", "10% / 20% / failed"),
        (
            'x\nTraceback (most recent call last):\n  File "a.py", line 1\n    f()\nKeyError: 1',
            "KeyError: 1",
        ),
        ("Usage: t\n╭─ Error ─╮\n│ No such option: -x │\n╰─────────╯", "Usage: t / Error / No such option: -x"),
        ("  × No solution\n  ╰─▶ Because x is gone\n[notice] new pip", "× No solution / ▶ Because x is gone"),
        ("WARNING: retrying\nERROR: no x\nERROR: no match", "ERROR: no x / ERROR: no match"),
        ("error: no index\n  cause: a\n  cause: b\n  cause: refused", "error: no index / cause: b / cause: refused"),
        ("error: Failed to fetch: `https://u:p@index.example/x/`", "error: Failed to fetch: `(address)`"),
        ("HTTPSConnectionPool(host='index.example', port=443)", "HTTPSConnectionPool(host=(address), port=443)"),
        ("No such file: '/home/me/.cache/tool/bin/python'", "No such file: '…/python'"),
        ("x" * 500, "x" * 159 + "…"),
    ],
)  # fmt: skip
def test_last_words_are_short_and_say_nothing_of_the_machine(said: str, kept: str) -> None:
    """The last lines, of a traceback what was raised; no address, no folder, no colours."""
    assert last_words(said) == kept
