"""Any cut of the bytes gives the same events, and they are the right ones."""

from echo_provider.dialect import decode

from llm_latency_lens.model.events import Delta, Done, Finish, Malformed, Usage

ANSWER = b'{"token": "Hel"}\n{"token": "lo"}\n{"end": true, "tokens": 2}\n'
EVENTS = [Delta("text", "Hel"), Delta("text", "lo"), Finish("stop"), Usage(output=2), Done()]


def read(*pieces: bytes) -> list[object]:
    """The events of a body in pieces."""
    return [event for _, event in decode(pieces, "application/x-ndjson", 1000)]


def test_every_cut_gives_the_same_events() -> None:
    """At each byte."""
    for at in range(len(ANSWER) + 1):
        assert read(ANSWER[:at], ANSWER[at:]) == EVENTS


def test_broken_bytes_are_named() -> None:
    """Never an exception."""
    assert isinstance(read(b"{nope\n")[0], Malformed)
