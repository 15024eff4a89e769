"""Workloads: pure, seeded, and read from files that may be wrong."""

import pathlib

import msgspec
import pytest

from llm_latency_lens.errors import UsageError
from llm_latency_lens.load import check_salt
from llm_latency_lens.model.request import Message, Request
from llm_latency_lens.workload.prompts import read_prompts
from llm_latency_lens.workload.workload import (
    TAG_CHARACTERS,
    Workload,
    describe_workload,
    of_prompts,
    request_for,
)

TWO = Workload(
    conversations=of_prompts(("one", "two"), "sys"), wish=Request(messages=(), max_tokens=3), seed=5
)


def test_requests_take_turns_and_differ_in_front() -> None:
    """Prompts in turn; with a nonce no two requests begin alike, without one they repeat."""
    begins = [request_for(TWO, "measure", n).messages[0].content for n in range(50)]
    assert len(set(begins)) == 50
    assert request_for(TWO, "measure", 3).messages[1] == Message("user", "two")
    plain = msgspec.structs.replace(TWO, nonce=False)
    assert request_for(plain, "measure", 2) == request_for(plain, "measure", 0)
    assert request_for(plain, "measure", 0).messages == (
        Message("system", "sys"),
        Message("user", "one"),
    )


def test_the_nonce_comes_from_the_seed() -> None:
    """The same request of the same run is the same; other seeds and phases differ."""
    assert request_for(TWO, "measure", 0) == request_for(TWO, "measure", 0)
    other = msgspec.structs.replace(TWO, seed=6)
    assert request_for(other, "measure", 0) != request_for(TWO, "measure", 0)
    assert request_for(TWO, "warmup", 0) != request_for(TWO, "measure", 0)


def test_a_run_has_prompts_of_its_own_even_with_the_seed_of_another() -> None:
    """Another salt makes other tags of the same length; the same salt makes the same again."""
    salted = [msgspec.structs.replace(TWO, salt=salt) for salt in ("a", "b", "a")]
    first, other, again = (request_for(w, "measure", 0).messages[0].content for w in salted)
    assert first == again != other
    assert len(first) == len(other) == len("sys") + TAG_CHARACTERS


@pytest.mark.parametrize("salt", ["", "a b", "x" * 65, "\x1b[31m", "ü"])
def test_a_salt_that_reports_could_not_show_is_refused(salt: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match="--nonce-salt"):
        check_salt(salt)


def test_a_workload_travels_to_workers() -> None:
    """What a worker decodes is what the parent encoded."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(TWO), type=Workload) == TWO


@pytest.mark.parametrize(
    ("name", "text", "prompts"),
    [
        ("a.txt", "one\r\n\n two \nthree\u2028four", ["one", "two", "three\u2028four"]),
        ("a.txt", "\ufeffone\ntwo\n", ["one", "two"]),
        ("a.jsonl", '\ufeff{"prompt": "a", "id": 7, "category": "x"}', ["a"]),
        ("a.csv", "\ufeffprompt\nx\n", ["x"]),
        ("a.jsonl", '{"prompt": "a\u2028b"}\n\n{"prompt": "c"}\n', ["a\u2028b", "c"]),
        ("a.jsonl", '{"messages": [{"role": "user", "content": "x"}]}', ["x"]),
        ("a.csv", 'id,prompt\n1,one\n2,"two, three"\n', ["one", "two, three"]),
    ],
)
def test_prompt_files(tmp_path: pathlib.Path, name: str, text: str, prompts: list[str]) -> None:
    """Text, JSON lines and CSV."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    found = read_prompts(path)
    assert [messages[-1].content for messages in found.conversations] == prompts
    assert found.changes == ()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.txt", b"  \n", "no prompt"),
        ("a.txt", b"\xff", "UTF-8"),
        ("a.md", b"x", r"\.txt, \.jsonl, \.csv"),
        ("a.jsonl", b'{"prompt": "a"}\n{', ":2:"),
        ("a.jsonl", b'{"prompt": 7}', ":1:"),
        ("a.jsonl", b"{}", "needs"),
        ("a.csv", b"text\nx\n", "column named prompt"),
        ("a.csv", b"id,prompt\n1,\n", ":2:"),
        ("a.csv", b"prompt\nx,y\n", ":2: has more cells"),
        ("a.csv", b"prompt,prompt\nx,y\n", "two columns"),
        ("a.csv", b'prompt\n"x', ":2:"),
        ("a.csv", b"prompt,max_tokens\nx,many\n", "max_tokens"),
        ("a.jsonl", b'{"prompt": "a", "output_length": 7}', "write 'max_tokens'"),
        ("a.jsonl", b'{"prompt": "a", "max_token": 7}', "did you mean 'max_tokens'"),
        ("a.jsonl", b'{"prompt": "a", "max_tokens": 0}', "max_tokens"),
        ("a.jsonl", b'{"prompt": "a", "messages": []}', "contradict"),
        ("a.jsonl", b'{"messages": [{"role": "user", "content": "a", "name": "b"}]}', "name"),
        ("a.jsonl", b'{"messages": [{"role": "user", "content": [{"type": "text"}]}]}', ":1:"),
        ("a.jsonl", b'{"prompt":' + b"[" * 100_000 + b"]" * 100_000 + b"}", ":1:"),
    ],
)
def test_wrong_prompt_files_are_refused_with_their_line(
    tmp_path: pathlib.Path, name: str, data: bytes, words: str
) -> None:
    """Each mistake in one line that says where."""
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UsageError, match=words):
        read_prompts(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"prompt":"a","max_tokens":7,"stop":"x","temperature":0}\n{"prompt":"b"}'),
        ("a.csv", "prompt,max_tokens,stop,temperature,id\na,7,x,0,1\nb,,,,2\n"),
    ],
)
def test_a_prompt_may_have_settings_of_its_own(
    tmp_path: pathlib.Path, name: str, text: str
) -> None:
    """They win over the command line's, which hold where a prompt has none."""
    path = tmp_path / name
    path.write_text(text)
    found = read_prompts(path)
    asked = Workload(
        conversations=found.conversations,
        changes=found.changes,
        wish=Request(messages=(), max_tokens=3, top_k=5),
        nonce=False,
    )
    first, second = (request_for(asked, "measure", number) for number in range(2))
    assert (first.max_tokens, first.stop, first.temperature, first.top_k) == (7, ("x",), 0.0, 5)
    assert (second.max_tokens, second.stop, second.temperature) == (3, None, None)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(asked), type=Workload) is not None
    other = msgspec.structs.replace(asked, changes=({"max_tokens": 8}, {}))
    hashes = {describe_workload(w)["conversations"]["sha256"] for w in (asked, other)}
    assert len(hashes) == 2


def test_a_system_prompt_goes_with_messages_that_have_none(tmp_path: pathlib.Path) -> None:
    """A line's own wins over the command line's, whether it is a field or a message."""
    path = tmp_path / "a.jsonl"
    turn = '{"role": "user", "content": "x"}'
    path.write_text(
        f'{{"messages": [{turn}]}}\n{{"prompt": "x", "system": "own"}}\n'
        f'{{"messages": [{{"role": "system", "content": "first"}}, {turn}]}}\n'
    )
    found = read_prompts(path, "given").conversations
    assert [messages[0].content for messages in found] == ["given", "own", "first"]
    assert {messages[-1].content for messages in found} == {"x"}


def test_a_missing_prompt_file_is_refused(tmp_path: pathlib.Path) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError, match="can't read"):
        read_prompts(tmp_path / "none.txt")
