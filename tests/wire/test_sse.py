"""The SSE parser: any cut of the bytes gives the same events, and they are those of the standard."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.corpus import CORPUS
from tests.wire.reference_sse import parse

from llm_latency_lens.wire import sse

CAP = 1 << 20
SSE_BYTES = st.lists(
    st.sampled_from(
        [
            b"data",
            b"event",
            b"id",
            b":",
            b" ",
            b"\n",
            b"\r",
            b"\r\n",
            b"x",
            b"\xc3",
            "\u2028".encode(),
            b"\xef\xbb\xbf",
        ]
    ),
    max_size=40,
).map(b"".join)


def parsed(pieces: list[bytes], cap: int = CAP) -> list[sse.Item]:
    """What our parser makes of the pieces."""
    return list(sse.events(pieces, cap))


def terminated(items: list[sse.Item]) -> list[tuple[str, bytes]]:
    """Events without comments, offsets and what the end of the stream completes."""
    kinds = [kind for _, kind, _ in items]
    if sse.UNTERMINATED in kinds:
        items = items[: kinds.index(sse.UNTERMINATED)]
    return [(kind, data) for _, kind, data in items if kind not in {sse.COMMENT, sse.UNFRAMED}]


@pytest.mark.parametrize("name", CORPUS)
def test_w1_every_single_cut_gives_the_same_events(name: str) -> None:
    """W1: a stream cut once, anywhere, reads as the uncut one, offsets included."""
    stream = CORPUS[name]
    whole = parsed([stream])
    assert whole
    for at in range(len(stream) + 1):
        assert parsed([stream[:at], stream[at:]]) == whole


@pytest.mark.parametrize("name", ["fields", "multi_line", "bom"])
def test_w1_every_pair_of_cuts_gives_the_same_events(name: str) -> None:
    """W1: two cuts, all pairs, on the short streams with the odd syntax."""
    stream = (
        CORPUS[name].replace(b'"chatcmpl-1"', b'"1"').replace(b'"chat.completion.chunk"', b'"c"')
    )
    whole = parsed([stream])
    for one, two in itertools.combinations(range(len(stream) + 1), 2):
        assert parsed([stream[:one], stream[one:two], stream[two:]]) == whole


@pytest.mark.parametrize("name", CORPUS)
def test_w1_byte_by_byte_and_random_cuts_give_the_same_events(name: str) -> None:
    """W1: single bytes, and a hundred random cuttings."""
    stream = CORPUS[name]
    whole = parsed([stream])
    assert parsed([stream[i : i + 1] for i in range(len(stream))]) == whole
    rng = random.Random(name)
    for _ in range(100):
        cuts = sorted(rng.choices(range(len(stream) + 1), k=rng.randint(1, 12)))
        edges = [0, *cuts, len(stream)]
        assert parsed([stream[a:b] for a, b in itertools.pairwise(edges)]) == whole


@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
@pytest.mark.parametrize("name", CORPUS)
def test_w2_other_line_ends_give_the_same_events(name: str, end: bytes) -> None:
    """W2: CRLF and bare CR mean what LF means, cut after every CR as well."""
    stream = CORPUS[name]
    expected = [(kind, data) for _, kind, data in parsed([stream])]
    other = stream.replace(b"\n", end)
    assert [(kind, data) for _, kind, data in parsed([other])] == expected
    whole = parsed([other])
    for at in [i + 1 for i, byte in enumerate(other) if byte == 13]:
        assert parsed([other[:at], other[at:]]) == whole


@pytest.mark.parametrize("ends", list(itertools.product([b"\n", b"\r\n", b"\r"], repeat=4)))
def test_w2_mixed_line_ends(ends: tuple[bytes, ...]) -> None:
    """W2: every mixture of terminators over two events."""
    a, b, c, d = ends
    stream = b"data: 1" + a + b + b"data: 2" + c + d
    if (a, b) == (b"\r", b"\n") or (c, d) == (b"\r", b"\n"):
        return  # those two bytes are one line end
    assert terminated(parsed([stream])) == [("", b"1"), ("", b"2")]


def test_w2_the_offset_is_behind_the_first_byte_that_ends_the_event() -> None:
    """W2: the stamp is that of the read with the terminator, however CR and LF were cut."""
    assert [offset for offset, _, _ in parsed([b"data: 1\n\ndata: 2\n\n"])] == [9, 18]
    assert [offset for offset, _, _ in parsed([b"data: 1\r\n\r\ndata: 2\r\n\r", b"\n"])] == [10, 21]


@given(SSE_BYTES, st.integers(0, 30))
def test_w4_agrees_with_the_standard(stream: bytes, at: int) -> None:
    """W4: fields, blanks, comments and ends as an independent parser reads them."""
    at = min(at, len(stream))
    assert terminated(parsed([stream[:at], stream[at:]])) == parse(stream)


@given(st.text().filter(lambda text: "\r" not in text and "\n" not in text))
def test_w3_any_character_survives(text: str) -> None:
    """W3: U+2028, U+0085, VT, FF, FS and all others are content, not line ends."""
    assert terminated(parsed([b"data: " + text.encode() + b"\n\n"])) == [("", text.encode())]


def test_w5_comments_are_seen_and_are_no_events() -> None:
    """W5: a comment is yielded as such, at once."""
    assert parsed([b": ping\n"]) == [(7, sse.COMMENT, b"ping")]


def test_w6_a_bom_counts_at_the_very_start_only() -> None:
    """W6: stripped first, literal later; offsets count its bytes."""
    bom = b"\xef\xbb\xbf"
    assert parsed([bom[:1], bom[1:] + b"data: 1\n\n"]) == [(12, "", b"1")]
    assert terminated(parsed([b"data: " + bom + b"\n\n"])) == [("", bom)]


def test_w9_an_event_without_its_blank_line_is_read_and_flagged() -> None:
    """W9: the end of the stream ends the last event, and says so."""
    kinds = [(kind, data) for _, kind, data in parsed([b"data: 1\n\ndata: 2"])]
    assert kinds == [("", b"1"), (sse.UNTERMINATED, b""), ("", b"2")]


@pytest.mark.parametrize("size", [1, 7, 64, 5000])
def test_w8_an_event_beyond_the_cap_ends_the_stream(size: int) -> None:
    """W8: the same end at the same offset, in pieces of any size; what came before is kept."""
    stream = b"data: ok\n\ndata: " + b"x" * 5000 + b"\n\ndata: never\n\n"
    items = parsed([stream[i : i + size] for i in range(0, len(stream), size)], cap=1000)
    assert items == [(10, "", b"ok"), (10 + 1001, sse.TOO_LARGE, b"")]


def test_w8_comments_do_not_add_up_to_an_event() -> None:
    """W8: an endless flood of pings is no endless event."""
    assert len(parsed([b": ping\n"] * 500, cap=100)) == 500
