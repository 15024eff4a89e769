"""Sequence numbers to stream offsets: order, repetition, gaps and the 32-bit wrap. No sockets."""

import random

from hypothesis import given
from hypothesis import strategies as st

from llm_latency_lens.transport.packet_flow import PacketFlow

SPACE = 1 << 32
LATE = 10**12


def flow_from(start: int) -> PacketFlow:
    """A flow whose stream begins at sequence number `start`."""
    flow = PacketFlow(b"", lambda: None)
    flow.begin(start)
    return flow


def add_all(flow: PacketFlow, start: int, segments: list[tuple[int, int, int]]) -> None:
    """Segments as (offset, length, stamp)."""
    for offset, length, stamp in segments:
        flow.add((start + offset) % SPACE, length, stamp)


def stamp_of_byte(segments: list[tuple[int, int, int]], size: int) -> list[int]:
    """The plain definition: a byte is there once it and all before it came."""
    stamps = [0] * size
    seen: set[int] = set()
    for offset, length, stamp in segments:
        seen.update(range(offset, offset + length))
        for byte in range(size):
            if byte not in seen:
                break
            stamps[byte] = stamps[byte] or stamp
    return stamps


@given(
    start=st.sampled_from([0, 1, SPACE - 1, SPACE - 7, SPACE // 2, 12345]),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    seed=st.integers(0, 10**6),
    ends=st.lists(st.integers(1, 108), max_size=6),
)
def test_every_byte_has_the_stamp_at_which_all_before_it_had_come(
    start: int, sizes: list[int], seed: int, ends: list[int]
) -> None:
    """Segments out of order, repeated and cut anew, across the wrap: as by definition."""
    chance = random.Random(seed)
    size = sum(sizes)
    offsets = [sum(sizes[:i]) for i in range(len(sizes))]
    pairs = list(zip(offsets, sizes, strict=True))
    pairs += [chance.choice(pairs) for _ in range(3)]
    first = chance.randrange(size)
    pairs.append((first, chance.randint(1, size - first)))
    chance.shuffle(pairs)
    segments = [(*pair, 1000 + turn) for turn, pair in enumerate(pairs)]
    flow = flow_from(start)
    add_all(flow, start, segments)
    stamps: list[int] = []
    for end in [*sorted({end for end in ends if end < size}), size]:
        for at, stamp in flow.cut(end, LATE // 1000):
            stamps += [stamp] * (at - len(stamps))
        assert len(stamps) == end
    assert stamps == stamp_of_byte(segments, size)


def test_a_stream_longer_than_the_sequence_space_is_followed() -> None:
    """Offsets go on counting where sequence numbers begin anew, three times over."""
    flow = flow_from(4_000_000_000)
    end, step = 0, 1_000_000_000
    for turn in range(15):
        add_all(flow, 4_000_000_000, [(end, step, 100 + turn)])
        end += step
        assert flow.cut(end, 1000) == [(end, 100 + turn)]


def test_a_missing_packet_is_said_and_the_next_read_is_exact_again() -> None:
    """What came before the gap keeps its stamp, what was read across it has none."""
    flow = flow_from(7)
    add_all(flow, 7, [(0, 10, 100), (20, 10, 120), (30, 10, 130)])
    assert flow.cut(25, 1000) == [(10, 100), (25, 0)]
    assert flow.cut(40, 1000) == [(40, 0)]
    add_all(flow, 7, [(40, 5, 150), (45, 5, 160)])
    assert flow.cut(50, 1000) == [(45, 150), (50, 160)]


def test_what_was_not_seen_to_be_released_takes_no_stamp_of_what_follows() -> None:
    """Bytes behind the gap stay unknown, also where the next packet came before they were read."""
    flow = flow_from(0)
    add_all(flow, 0, [(0, 10, 100), (20, 10, 120)])
    assert flow.cut(22, 1000) == [(10, 100), (22, 0)]
    add_all(flow, 0, [(30, 5, 150)])
    assert flow.cut(35, 1000) == [(30, 0), (35, 150)]


def test_what_waited_behind_a_gap_has_no_stamp_until_the_gap_is_seen_to_close() -> None:
    """A retransmission that closes the gap gives its own stamp to all that it releases."""
    flow = flow_from(0)
    add_all(flow, 0, [(0, 10, 100), (20, 10, 120), (10, 10, 140)])
    assert flow.cut(30, 1000) == [(10, 100), (30, 140)]


def test_a_read_inside_a_segment_has_the_segments_stamp() -> None:
    """A segment that needs two reads gives both the same stamp."""
    flow = flow_from(0)
    add_all(flow, 0, [(0, 100, 50)])
    assert flow.cut(60, 1000) == [(60, 50)]
    assert flow.cut(100, 1000) == [(100, 50)]


def test_keepalive_probes_and_empty_acknowledgements_are_no_data() -> None:
    """A probe repeats the last byte; it neither moves the stream nor its stamps."""
    flow = flow_from(0)
    add_all(flow, 0, [(0, 10, 100), (9, 1, 200), (10, 0, 300), (10, 5, 400)])
    assert flow.cut(15, 1000) == [(10, 100), (15, 400)]


def test_a_stamp_later_than_the_read_is_not_believed() -> None:
    """A wall clock that was set back or forth gives no stamp, and spoils none of the next ones."""
    second = 1_000_000_000
    flow = flow_from(0)
    add_all(flow, 0, [(0, 10, 3000 * second), (10, 10, 11 * second), (20, 10, second)])
    assert flow.cut(30, 12 * second) == [(10, 0), (20, 11 * second), (30, 0)]


def test_a_connection_without_its_handshake_is_never_guessed_at() -> None:
    """Without the first sequence number there are no stamps at all."""
    flow = PacketFlow(b"", lambda: None)
    flow.add(100, 10, 50)
    assert flow.cut(10, 1000) == [(10, 0)]


def test_a_repeated_handshake_keeps_the_stream_and_a_new_one_begins_it() -> None:
    """A SYN-ACK sent twice changes nothing; the same ports used again start from 0."""
    flow = flow_from(500)
    flow.add(500, 10, 50)
    flow.begin(500)
    assert flow.cut(10, 1000) == [(10, 50)]
    flow.begin(9000)
    flow.add(9000, 4, 60)
    assert flow.cut(4, 1000) == [(4, 60)]
