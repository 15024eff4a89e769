"""Throughput against an oracle that is written anew here: no window may show more than was delivered."""

import heapq
import random
from collections.abc import Callable, Iterable
from functools import partial

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct
from tests.support.records import MS, answered, refused
from tests.unit.test_checks import judged

from llm_latency_lens.metrics.timeline import Timeline, Window
from llm_latency_lens.model.record import Record, TokenCounts
from llm_latency_lens.model.recording import Marks

US = 1000
TICK = MS // US
"""Microseconds in which the property test counts: bins are small against a millisecond."""


class Service(Struct, frozen=True):
    """A request as the oracle knows it: sent, ended, and its tokens by the read that brought them (us)."""

    sent: int
    ended: int
    reads: tuple[tuple[int, int], ...]

    @property
    def tokens(self) -> int:
        """All of them."""
        return sum(count for _, count in self.reads)


def record_of(number: int, service: Service, worker: int = 0) -> Record:
    """The record of such a request; without reads it was not streamed."""
    streamed = service.reads[-1][0] < service.ended
    reads = service.reads if streamed else ()
    sent, first, last = (at * US for at in (service.sent, service.reads[0][0], service.reads[-1][0]))  # fmt: skip
    base = answered(number, 0.0, 1.0)
    return msgspec.structs.replace(
        base,
        worker=worker,
        intended=sent,
        dequeued=sent,
        marks=Marks(sent=sent, written=sent, ended=service.ended * US),
        first_event=first,
        first_token=first,
        first_visible=first,
        last_token=last,
        arrivals=tuple(at * US - sent for at, _ in reads),
        arrival_events=tuple(1 for _ in reads),
        tokens=TokenCounts(output=service.tokens, source="usage", events=len(reads)),
    )


def folded(services: Iterable[Service]) -> Timeline:
    """The fold over their records."""
    timeline = Timeline()
    for number, service in enumerate(services):
        timeline.add(record_of(number, service), ok=True)
    return timeline


def overlap(begin: float, end: float, window: tuple[float, float]) -> float:
    """The share of an interval that lies in a window."""
    return max(0.0, min(end, window[1]) - max(begin, window[0])) / (end - begin)


def closed_loop(count: int, slots: int, services: Callable[[int, int], Service]) -> list[Service]:
    """Slots that take the next request as soon as they are free."""
    free = [(0, slot) for slot in range(slots)]
    heapq.heapify(free)
    found = []
    for number in range(count):
        at, slot = heapq.heappop(free)
        found.append(services(number, at))
        heapq.heappush(free, (found[-1].ended, slot))
    return found


@st.composite
def services(draw: st.DrawFn) -> list[Service]:
    """Requests of any kind, at any time."""
    found = []
    for _ in range(draw(st.integers(1, 12))):
        sent = TICK * draw(st.integers(0, 500))
        gaps = draw(st.lists(st.integers(1, 200), min_size=1, max_size=6))
        at, reads = sent, []
        for gap in gaps:
            at += TICK * gap
            reads.append((at, 1))
        found.append(Service(sent, at + TICK * draw(st.integers(1, 10)), tuple(reads)))
    return found


@settings(max_examples=200)
@given(services(), st.integers(0, 900_000), st.integers(100, 900_000))
def test_a_window_has_what_was_delivered_in_it(
    requests: list[Service], begin: int, length: int
) -> None:
    """For any window: by shares or by ends, whichever is less, and no more tokens than of the requests in it."""
    timeline, window = folded(requests), (begin, begin + length)
    ours = Window(begin * US, (begin + length) * US)
    shares = sum(overlap(r.sent, r.ended, window) for r in requests)
    ends = sum(window[0] < r.ended <= window[1] for r in requests)
    assert timeline.served(ours, ok_only=True) == pytest.approx(min(shares, ends))
    delivered = sum(
        overlap(before, at, window) * count
        for r in requests
        for before, (at, count) in zip((r.sent, *(at for at, _ in r.reads)), r.reads, strict=False)
    )
    most = sum(r.tokens for r in requests if r.sent < window[1] and r.ended > window[0])
    arrived = sum(count for r in requests for at, count in r.reads if window[0] < at <= window[1])
    tokens = timeline.tokens_between(ours)
    assert tokens <= arrived + 0.05 * len(requests)
    assert tokens == pytest.approx(min(delivered, arrived), rel=0.001, abs=0.05 * len(requests))
    assert tokens <= most + 1e-9


@settings(max_examples=200)
@given(
    count=st.integers(2, 60),
    slots=st.integers(1, 12),
    service=st.integers(2000, 200_000),
    tokens=st.integers(1, 40),
    streamed=st.booleans(),
)
def test_a_constant_server_never_shows_more_than_is_possible(
    *, count: int, slots: int, service: int, tokens: int, streamed: bool
) -> None:
    """Closed loops of any size: at most `slots` answers in each service time."""

    def answer(_: int, at: int) -> Service:
        step = service // (tokens + 1)
        reads = tuple((at + step * (i + 1), 1) for i in range(tokens))
        reads = reads if streamed else ((at + service, tokens),)
        return Service(at, at + service, reads)

    found = folded(closed_loop(count, slots, answer)).throughput()
    possible = slots / (service / 1e6)
    if found.requests is not None and found.output_tokens is not None:
        assert found.requests <= possible * (1 + 1e-9)
        # A stream of equal steps has at most one step fewer in its service time.
        assert found.output_tokens <= possible * (tokens + streamed) * (1 + 1e-3)
    assert (found.wall_requests or 0.0) <= possible * (1 + 1e-9)
    assert found.window is not None or count <= 2 * slots


_TOKENS = 10


def drawn(seed: int, kind: str, *, streamed: bool) -> tuple[list[Service], float]:
    """Service times (us) whose mean is known because they are dealt, not drawn, and that mean."""
    rng = random.Random(seed)
    spread = {"constant": 0.0, "lognormal": 0.4, "two kinds": 0.0}[kind]
    times = [round(80_000 * rng.lognormvariate(0.0, spread)) for _ in range(4000)]
    if kind == "two kinds":
        times = [20_000 if i % 4 else 200_000 for i in range(4000)]
        rng.shuffle(times)
    services = []
    for time in times:
        first, step = time // 2, time // 2 // (_TOKENS + 1)
        reads = tuple((first + step * (i + 1), 1) for i in range(_TOKENS))
        reads = reads if streamed else ((time, _TOKENS),)
        services.append(Service(0, time, reads))
    return services, sum(times) / len(times)


def moved(service: Service, at: int) -> Service:
    """The same, sent at another instant."""
    return Service(at, at + service.ended, tuple((at + t, n) for t, n in service.reads))


def repeated(service: Service, _: int, at: int) -> Service:
    """The same for every request."""
    return moved(service, at)


@pytest.mark.parametrize("kind", ["constant", "lognormal", "two kinds"])
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("slots", [1, 8, 32])
def test_long_runs_show_the_rate_they_were_built_with(
    *, kind: str, streamed: bool, slots: int
) -> None:
    """4,000 requests in a closed loop: within 1 % of slots / mean service time, tokens alike."""
    dealt, mean = drawn(7, kind, streamed=streamed)
    requests = closed_loop(len(dealt), slots, lambda number, at: moved(dealt[number], at))
    found = folded(requests).throughput()
    rate = slots / (mean / 1e6)
    assert found.requests == pytest.approx(rate, rel=0.01)
    assert found.output_tokens == pytest.approx(10 * rate, rel=0.01)


@pytest.mark.parametrize("streamed", [False, True])
def test_an_open_loop_shows_the_rate_it_was_offered(*, streamed: bool) -> None:
    """4,000 requests every 5 ms: 200 a second, whatever their service times."""
    dealt, _ = drawn(8, "lognormal", streamed=streamed)
    found = folded(moved(service, 5000 * i) for i, service in enumerate(dealt)).throughput()
    assert found.requests == pytest.approx(200.0, rel=0.01)
    assert found.output_tokens == pytest.approx(2000.0, rel=0.01)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_queue_that_grows_adds_no_throughput(*, streamed: bool) -> None:
    """Twice what a server of four slots can serve: its capacity, 80 requests/s, is what is shown."""
    free, found = [0] * 4, []
    for number in range(1000):
        sent = number * 6250
        begun = max(sent, heapq.heappop(free))
        heapq.heappush(free, begun + 50_000)
        reads = tuple((begun + 4000 * (i + 1), 1) for i in range(10))
        reads = reads if streamed else ((begun + 50_000, 10),)
        found.append(Service(sent, begun + 50_000, reads))
    rates = folded(found).throughput()
    assert rates.requests is not None
    assert rates.output_tokens is not None
    assert 0.95 * 80 < rates.requests <= 80 * 1.01
    assert 0.95 * 800 < rates.output_tokens <= 800 * 1.01


def test_a_worker_that_drains_early_ends_the_steady_window() -> None:
    """One of two workers has done its share after two fifths of the time: only then were all slots full."""
    timeline = Timeline()
    for worker, service in ((0, 60_000), (1, 150_000)):
        answer = Service(0, service, ((service, 10),))
        for number, one in enumerate(closed_loop(60, 3, partial(repeated, answer))):
            timeline.add(record_of(60 * worker + number, one, worker), ok=True)
    found = timeline.throughput()
    assert found.requests == pytest.approx(3 / 0.06 + 3 / 0.15, rel=0.02)
    assert found.window is not None
    assert found.window[1] <= 1.2 + 1e-9


def test_a_run_of_one_wave_has_no_steady_rate() -> None:
    """As many requests as slots: ramp-up and drain, no rate, and the reason in words."""
    wave = [answered(n, 0.1 * n, 100.0) for n in range(8)]
    found = judged(wave)
    assert found.throughput.requests is None
    assert found.throughput.output_tokens is None
    assert found.throughput.verdict == "INSUFFICIENT"
    assert "ramp-up and drain" in found.throughput.reasons[0]
    assert found.verdict == "VALID"


def test_what_was_achieved_is_the_rate_of_requests() -> None:
    """Closed loop: both count requests in the same window; failed ones are in `achieved` alone."""
    slots = closed_loop(200, 4, lambda _, at: Service(at, at + 100_000, ((at + 100_000, 5),)))
    records = [record_of(n, one) for n, one in enumerate(slots)]
    found = judged(records)
    assert found.throughput.requests == pytest.approx(40.0, rel=0.01)
    assert found.offered.achieved == pytest.approx(found.throughput.requests)
    failing = [
        msgspec.structs.replace(refused(n, 0.0), marks=one.marks) if n % 4 == 0 else one
        for n, one in enumerate(records)
    ]
    found = judged(failing)
    assert found.offered.achieved == pytest.approx(40.0, rel=0.01)
    assert found.throughput.requests == pytest.approx(30.0, rel=0.01)


def test_tokens_go_by_each_records_own_ratio() -> None:
    """Half of the requests have four tokens an event: their sum is right, and not by the mean ratio."""
    one = [answered(n, n * 100.0, 50.0, tokens=8) for n in range(100)]
    coarse = TokenCounts(output=32, source="usage", events=8)
    records = [msgspec.structs.replace(r, tokens=coarse) if r.number % 2 else r for r in one]
    found = judged(records).throughput
    wall = found.wall
    assert found.wall_output_tokens == pytest.approx((50 * 8 + 50 * 32) / wall)
    assert found.output_tokens == pytest.approx(200.0, rel=0.03)
    assert wall == pytest.approx(99 * 0.1 + 0.12, rel=0.01)
