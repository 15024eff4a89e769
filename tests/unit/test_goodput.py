"""Goodput: which requests a limit is about, who meets it, and what is left out and shown."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.records import answered, refused

from llm_latency_lens.criteria.limit import parse_limits
from llm_latency_lens.criteria.quantity import estimate, find_quantity
from llm_latency_lens.load import Load
from llm_latency_lens.metrics.spending import Spending
from llm_latency_lens.metrics.summary import Counts, Summary
from llm_latency_lens.model.record import Charge, Record
from llm_latency_lens.model.result import Goodput, Result
from llm_latency_lens.profiler import Profiler, conclude
from llm_latency_lens.report.load import load_report
from llm_latency_lens.report.markdown import to_markdown

PREPARED = Profiler("openai:m", base_url="http://127.0.0.1:9/v1", environment={}).prepare(
    Load(concurrency=1, requests=10, seed=1), "hello"
)


def goodput(limits: str, records: list[Record], not_sent: int = 0) -> Goodput:
    """The goodput of records under limits, where some more requests were planned and not sent."""
    summary = Summary(parse_limits(limits))
    for record in records:
        summary.add(record)
    found = summary.goodput(Counts(planned=len(records) + not_sent, not_sent=not_sent))
    assert found is not None
    return found


def counts(found: Goodput) -> dict[str, tuple[int, int, int]]:
    """Of each limit: met, missed, without."""
    return {count.text: (count.met, count.missed, count.without) for count in found.by_limit}


def test_failed_and_unsent_requests_miss_every_limit() -> None:
    """One good, one slow, one failed, one not sent: a quarter."""
    records = [answered(0, 0.0, 100.0), answered(1, 400.0, 300.0), refused(2, 800.0)]
    found = goodput("ttft<200ms, tpot<=50ms", records, not_sent=1)
    assert (found.good, found.ratio, found.without) == (1, 0.25, 0)
    assert counts(found) == {"ttft<200ms": (1, 3, 0), "tpot<=50ms": (2, 2, 0)}


def test_a_limit_on_a_metric_that_a_request_lacks_is_neither_met_nor_missed() -> None:
    """Answers of one token have no TPOT: out of that limit, judged by the other, and counted."""
    records = [answered(n, n * 400.0, 100.0, tokens=8 if n < 6 else 1) for n in range(10)]
    found = goodput("ttft<200ms,tpot<50ms", records)
    assert (found.good, found.ratio, found.without) == (10, 1.0, 0)
    assert counts(found) == {"ttft<200ms": (10, 0, 0), "tpot<50ms": (6, 0, 4)}


def test_a_request_without_any_limited_metric_is_out_of_the_ratio() -> None:
    """Four of ten have no TPOT, three of the others miss the limit, one failed: 3 of 7."""
    kept = [answered(n, n * 400.0, 100.0, gap_ms=10.0) for n in range(3)]
    missed = [answered(n, n * 400.0, 100.0, gap_ms=90.0) for n in range(3, 6)]
    single = [answered(n, n * 400.0, 100.0, tokens=1) for n in range(6, 10)]
    found = goodput("tpot<50ms", [*kept, *missed, *single, refused(10, 5000.0)])
    assert (found.good, found.without) == (3, 4)
    assert found.ratio == pytest.approx(3 / 7)
    assert counts(found) == {"tpot<50ms": (3, 4, 4)}


def test_where_no_request_has_the_metric_there_is_no_ratio() -> None:
    """Unknown is null, not 0 and not 1."""
    found = goodput("tpot<50ms", [answered(n, n * 400.0, 100.0, tokens=1) for n in range(5)])
    assert (found.good, found.ratio, found.without) == (0, None, 5)


@given(
    st.lists(st.sampled_from(["quick", "slow", "single", "failed"]), min_size=1), st.integers(0, 9)
)
def test_every_planned_request_is_in_one_place_of_every_limit(kinds: list[str], more: int) -> None:
    """Met, missed and without add up to what was planned; what is good meets every limit it has."""
    make = {
        "quick": lambda n: answered(n, n * 400.0, 50.0),
        "slow": lambda n: answered(n, n * 400.0, 900.0),
        "single": lambda n: answered(n, n * 400.0, 50.0, tokens=1),
        "failed": lambda n: refused(n, n * 400.0),
    }
    records = [make[kind](number) for number, kind in enumerate(kinds)]
    found = goodput("ttft<100ms,tpot<50ms", records, not_sent=more)
    for count in found.by_limit:
        assert count.met + count.missed + count.without == len(records) + more
    assert found.good == kinds.count("quick") + kinds.count("single")


def test_what_was_withheld_because_the_run_ended_was_not_offered() -> None:
    """Ten of a thousand planned were sent before the goal was reached: all ten are good, 100 %."""
    summary = Summary(parse_limits("ttft<200ms"))
    for number in range(10):
        summary.add(answered(number, number * 400.0, 100.0))
    found = summary.goodput(Counts(planned=1000, not_sent=990, withheld=990))
    assert found is not None
    assert (found.ratio, counts(found)) == (1.0, {"ttft<200ms": (10, 0, 0)})


def result(limits: str, records: list[Record]) -> Result:
    """The result document of records."""
    summary = Summary(parse_limits(limits))
    for record in records:
        summary.add(record)
    return conclude(PREPARED, summary, None)


def test_the_gate_takes_the_ratio_over_the_requests_that_have_the_metric() -> None:
    """Its interval rests on the six requests that were judged, not on all ten."""
    records = [answered(n, n * 400.0, 100.0, tokens=8 if n < 6 else 1) for n in range(10)]
    found = estimate(find_quantity("goodput.ratio"), result("tpot<50ms", records))
    assert (found.value, found.n) == (1.0, 6)


def test_the_report_shows_each_limit_and_what_is_left_out() -> None:
    """One line a limit, and how many requests do not have the metric."""
    records = [answered(n, n * 400.0, 100.0, tokens=8 if n < 6 else 1) for n in range(10)]
    shown = to_markdown(load_report(result("ttft<200ms,tpot<50ms", records)))
    assert "6 met, 0 missed" in shown
    assert "4 requests do not have the metric" in shown
    shown = to_markdown(load_report(result("tpot<50ms", records)))
    assert "without 4 requests that have no limited metric" in shown


def test_goodput_is_as_doubtful_as_the_metrics_of_its_limits() -> None:
    """Answers that came whole have no TTFT, so nothing meets a limit on it; one on e2e holds."""
    whole = {"arrivals": (500_000_000,), "arrival_events": (30,)}
    records = [answered(n, n * 600.0, 500.0, tokens=30, gap_ms=0.0, **whole) for n in range(30)]
    doubted, sound = (result(f"{name}<900ms", records).goodput for name in ("ttft", "e2e"))
    assert doubted is not None
    assert sound is not None
    assert (doubted.verdict, sound.verdict) == ("INVALID", "VALID")
    assert "delivered whole" in doubted.reasons[0]


def test_the_share_is_of_those_that_were_judged() -> None:
    """Where four of ten do not have the metric, it is no share of all that was offered."""
    records = [answered(n, n * 400.0, 100.0, tokens=8 if n < 6 else 1) for n in range(10)]
    assert "100.0% of the requests that have one" in to_markdown(
        load_report(result("tpot<50ms", records))
    )
    assert "of what was offered" in to_markdown(load_report(result("e2e<1s", records)))


def test_a_document_without_the_counts_is_still_read() -> None:
    """A result stored before limits were counted one by one."""
    found = msgspec.to_builtins(goodput("ttft<200ms", [answered(0, 0.0, 100.0)]))
    del found["by_limit"], found["without"]
    assert msgspec.convert(found, Goodput).ratio == 1.0


def charged(number: int, dollars: str) -> Record:
    """A request that cost so much."""
    nothing = Decimal(0)
    cost = Charge(
        total=Decimal(dollars), input=Decimal(dollars), cached=nothing, cache_write=nothing,
        output=nothing, reasoning=nothing,
    )  # fmt: skip
    return answered(number, number * 400.0, 100.0, cost=cost)


def test_the_mean_cost_of_a_request_has_an_interval() -> None:
    """Student's: of 1, 2, 3 and 4 dollars 2.5 +- 3.182 x 1.291 / 2; of one request none."""
    spending = Spending()
    spending.add(charged(0, "1"))
    assert spending.cost(1, None, "").mean_interval is None
    for number, dollars in enumerate(("2", "3", "4"), 1):
        spending.add(charged(number, dollars))
    ends = spending.cost(4, None, "").mean_interval
    assert ends is not None
    assert [float(end) for end in ends] == pytest.approx([0.4457, 4.5543], abs=1e-4)
