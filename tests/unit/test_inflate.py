"""Compressed bodies: each read keeps its stamp over what it means; bombs and broken data are named."""

import array
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.interpret.inflate import InflateError, encodings_of, inflate
from llm_latency_lens.model.recording import Ending, EndKind, Head, Marks, Recording


def recorded(body: bytes, ends: list[int]) -> Recording:
    """A recording whose reads ended at these offsets, read i at instant i."""
    rows = [number for i, end in enumerate(ends) for number in (end, i, i, i)]
    return Recording(
        marks=Marks(ended=9),
        ending=Ending(EndKind.COMPLETE),
        body=body,
        reads=array.array("q", rows).tobytes(),
    )


@given(
    st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=6),
    st.sampled_from(["gzip", "deflate"]),
)
def test_w10_each_read_means_what_was_flushed_with_it(pieces: list[bytes], coding: str) -> None:
    """W10: pieces flushed one by one come out at their own reads."""
    packer = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    body, ends = b"", []
    for piece in pieces:
        body += packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
        ends.append(len(body))
    body += packer.flush()
    ends.append(len(body))
    found = inflate(recorded(body, ends), (coding,), 1 << 20)
    assert found.body == b"".join(pieces)
    sizes = [sum(map(len, pieces[: i + 1])) for i in range(len(pieces))]
    assert found.read_rows().tolist()[::4] == [*sizes, sizes[-1]]
    assert found.read_rows().tolist()[1::4] == list(range(len(ends)))


@given(st.binary(min_size=1, max_size=400), st.lists(st.integers(0, 400), max_size=8))
def test_w10_any_cuts_give_the_same_bytes(data: bytes, cuts: list[int]) -> None:
    """W10: however the network cut the compressed bytes."""
    body = gzip.compress(data, mtime=0)
    ends = sorted({*(cut % len(body) for cut in cuts), len(body)} - {0})
    assert inflate(recorded(body, ends), ("gzip",), 1 << 20).body == data


def test_x12_a_bomb_is_refused_in_bounded_memory() -> None:
    """X12: 64 MB of zeros in 62 KB: not above 200 times what came."""
    packer = zlib.compressobj(9, wbits=31)
    body = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    assert len(body) < 70_000
    with pytest.raises(InflateError, match="body_too_large: gzip unpacks"):
        inflate(recorded(body, [len(body)]), ("gzip",), 1 << 28)


@pytest.mark.parametrize(
    ("body", "coding", "words"),
    [
        (b"no gzip at all", "gzip", "content_encoding: broken gzip"),
        (b"x", "br", "content_encoding: 'br' was not asked for"),
        (b"x", "gzip, br", "content_encoding"),
    ],
)
def test_w10_what_can_not_be_read_is_named(body: bytes, coding: str, words: str) -> None:
    """W10: one line, never an exception of another kind."""
    with pytest.raises(InflateError, match=words):
        inflate(recorded(body, [len(body)]), tuple(coding.split(", ")), 1 << 20)


def test_w10_gzip_members_and_both_kinds_of_deflate_are_one_body() -> None:
    """W10: members one after another, padding behind the last, deflate with and without its two bytes."""
    members = gzip.compress(b"one ", mtime=0) + gzip.compress(b"two", mtime=0) + bytes(8)
    raw = zlib.compressobj(wbits=-15)
    plain = raw.compress(b"one two") + raw.flush()
    for body, coding in (
        (members, "gzip"),
        (plain, "deflate"),
        (zlib.compress(b"one two"), "deflate"),
    ):
        for size in (1, 7, len(body)):
            ends = [*range(size, len(body), size), len(body)]
            assert inflate(recorded(body, ends), (coding,), 1 << 20).body == b"one two"


@pytest.mark.parametrize(
    ("header", "body", "expected"),
    [
        ("none", b"data: {}", ((), False)),
        ("identity, None", b"data: {}", ((), False)),
        ("UTF-8", b"data: {}", ((), False)),
        ("gzip", b"data: {}", ((), True)),
        ("br", b'{"a":1}', ((), True)),
        ("gzip", gzip.compress(b"x", mtime=0), (("gzip",), False)),
        (None, gzip.compress(b"x", mtime=0), (("gzip",), True)),
        ("deflate", gzip.compress(b"x", mtime=0), (("gzip",), True)),
        ("gzip", zlib.compress(b"x"), (("deflate",), True)),
        ("x-gzip", gzip.compress(b"x", mtime=0), (("x-gzip",), False)),
        ("gzip, deflate", zlib.compress(b"x"), (("deflate", "gzip"), False)),
        ("br", bytes(range(128, 200)), (("br",), False)),
        (None, b"", ((), False)),
    ],
)
def test_w10_the_bytes_outrank_the_header(
    header: str | None, body: bytes, expected: tuple[tuple[str, ...], bool]
) -> None:
    """W10: names for no coding, plain text under a coding's name, gzip under none."""
    headers = () if header is None else (("content-encoding", header),)
    assert encodings_of(Head(200, headers), body) == expected
