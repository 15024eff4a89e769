"""The grammar of conditions: what is taken, what is refused and how, what each relation means."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.records import answered

from llm_latency_lens.criteria.allowance import parse_allowances
from llm_latency_lens.criteria.condition import RELATIONS, state_of
from llm_latency_lens.criteria.limit import parse_limits
from llm_latency_lens.criteria.objective import parse_objectives
from llm_latency_lens.criteria.precision import parse_precision
from llm_latency_lens.criteria.threshold import parse_thresholds
from llm_latency_lens.errors import UsageError
from llm_latency_lens.metrics.definitions import GAP_METRICS, METRICS

PARSERS: dict[str, Callable[[str], Any]] = {
    "limit": parse_limits,
    "objective": parse_objectives,
    "threshold": parse_thresholds,
    "allowance": parse_allowances,
    "precision": parse_precision,
}
REFUSED = [
    ("limit", "ttft", "needs a name, one of <, <=, > or >=, and a value"),
    ("limit", "tfft<1s", "did you mean 'ttft'"),
    ("limit", "TTFT<1s", "did you mean 'ttft'"),
    ("limit", "ttft<1", "has no unit"),
    ("limit", "decode_speed>fast", "'fast' is not a number of tokens/s"),
    ("limit", "decode_speed>nan", "is not a number"),
    ("limit", "ttft<-1s", "is not a duration"),
    ("limit", "ttft.p95<500ms", "one request has no p95; write ttft<..."),
    ("limit", "ttft.p0.95<500ms", "one request has no p0.95"),
    ("limit", "ttft=1s", "is not a limit"),
    ("limit", "ttft<<1s", "is not a limit"),
    ("limit", "ttft+-5%", "use <, <=, > or >= instead of +-"),
    ("objective", "", "no objective: write it like ttft.p95<500ms"),
    ("objective", "ttft<500ms", "is not an objective: 'ttft' names no percentile"),
    ("objective", "tft.p95<500ms", "did you mean 'ttft'"),
    ("objective", "tps_request.p95<5", "unknown metric 'tps_request'"),
    ("objective", "ttft.p95<500", "unit"),
    ("objective", "ttft.p95>500ms", "use < or <= instead of >"),
    ("objective", "ttft.p00<5ms", "no percentile above 0"),
    ("objective", "ttft.p100<5ms", "no percentile above 0"),
    ("objective", "ttft.p95<0ms", "every latency is above 0"),
    ("threshold", "", "no threshold"),
    ("threshold", "ttft.p95", "is not a threshold"),
    ("threshold", "ttft.p95<800", "unit"),
    ("threshold", "ttft.p42<1s", "ttft has mean, min, max, p50"),
    ("threshold", "ttft<1s", "ttft has mean, min, max, p50"),
    ("threshold", "tttft.p95<1s", "did you mean 'ttft.p95'"),
    ("threshold", "ttfft.max<1s", "did you mean 'ttft.max'"),
    ("threshold", "succes_rate>1%", "did you mean 'success_rate'"),
    ("threshold", "throughput.requests>fast", "is not a number of requests/s"),
    ("threshold", "cost.mean<1", "has no unit"),
    ("threshold", "success_rate>5 s", "is not a number of ratio"),
    ("allowance", "", "no allowance"),
    ("allowance", "ttft.p95<10%", "'10%' is not a change with its sign"),
    ("allowance", "ttft.p95<+10", "is not an allowance"),
    ("allowance", "ttft.p95<+1pp", "percentage points are for rates"),
    ("allowance", "tttft.p95<+10%", "did you mean 'ttft.p95'"),
    ("precision", "", "is not a precision"),
    ("precision", "ttft+-5%", "'ttft' names no percentile"),
    ("precision", "tft.p95+-5%", "did you mean 'ttft'"),
    ("precision", "ttft.p95+-5", "is not a percentage above 0, like 5%"),
    ("precision", "ttft.p95+-0%", "is not a percentage above 0"),
    ("precision", "ttft.p95<5%", "use +-, ± or +/- instead of <"),
]


@pytest.mark.parametrize(("kind", "text", "said"), REFUSED)
def test_f1_a_wrong_condition_is_refused_with_what_is_meant(
    kind: str, text: str, said: str
) -> None:
    """F1: what is wrong, the nearest name or what is missing; one line."""
    with pytest.raises(UsageError) as caught:
        PARSERS[kind](text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_with_digits_are_limits_too() -> None:
    """`e2e<1s` and every other metric by its name."""
    (limit,) = parse_limits("e2e<1s")
    assert (limit.metric.name, limit.relation, limit.value) == ("e2e", "<", 1.0)
    for metric in METRICS:
        value = "1s" if metric.unit == "s" else "1"
        assert parse_limits(f"{metric.name}>={value}")[0].metric is metric


def test_every_statistic_of_every_metric_is_a_threshold() -> None:
    """Gaps included; both ways to write p99.9 mean the same quantity."""
    for name in [metric.name for metric in METRICS if metric.unit == "s"] + list(GAP_METRICS):
        for statistic in ("mean", "min", "max", "p50", "p99", "p99.9"):
            (threshold,) = parse_thresholds(f"{name}.{statistic}<1s")
            assert threshold.quantity.name == f"{name}.{statistic}".replace("99.9", "99_9")
    first, second = parse_thresholds("ttft.p99.9<1s,ttft.p99_9<1s")
    assert first.quantity == second.quantity


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("success_rate>=99%", 0.99),
        ("success_rate>=0.99", 0.99),
        ("error_rate<=0%", 0.0),
        ("cost.total<$1.50", 1.5),
        ("cost.total<2USD", 2.0),
        ("throughput.output_tokens>1e3", 1000.0),
        ("throughput.output_tokens>20 tokens/s", 20.0),
        ("throughput.output_tokens>20/s", 20.0),
        ("ttft.p95<1m30s", 90.0),
    ],
)
def test_a_value_is_read_in_the_unit_of_its_quantity(text: str, limit: float) -> None:
    """With its unit, or without one where a number is enough."""
    assert parse_thresholds(text)[0].limit == limit


def test_blanks_do_not_matter() -> None:
    """Around names, relations, values and commas."""
    assert parse_thresholds(" ttft.p95 < 800 ms , success_rate >= 99 % ") == parse_thresholds(
        "ttft.p95<800ms,success_rate>=99%"
    )
    assert parse_precision("ttft.p95 ± 5 %").width == parse_precision("ttft.p95+-5%").width


def test_a_relation_means_what_it_says_of_one_request() -> None:
    """A request of exactly 100 ms: below 100 ms it is not, at most 100 ms it is."""
    record = answered(0, 0.0, 100.0)
    met = {sign: parse_limits(f"ttft{sign}100ms")[0].met_by(record) for sign in RELATIONS}
    assert met == {"<": False, "<=": True, ">": False, ">=": True}
    assert parse_limits("ttft<100.001ms")[0].met_by(record) is True


def test_a_relation_means_what_it_says_of_an_interval() -> None:
    """An equal value meets `<=` and `>=` alone; so does an interval that ends at the limit."""
    point = {sign: state_of(sign, 5.0, (5.0, 5.0)) for sign in RELATIONS}
    assert point == {"<": "FAIL", "<=": "PASS", ">": "FAIL", ">=": "PASS"}
    above = {sign: state_of(sign, 5.0, (5.0, 6.0)) for sign in RELATIONS}
    assert above == {"<": "FAIL", "<=": "NO VERDICT", ">": "NO VERDICT", ">=": "PASS"}


def test_a_relation_means_what_it_says_of_an_objective() -> None:
    """A latency of exactly the limit violates `<` and keeps `<=`; one above violates both."""
    record, above = answered(0, 0.0, 500.0), answered(0, 0.0, 500.001)
    below, at_most = parse_objectives("ttft.p95<500ms,ttft.p95<=500ms")
    pairs = [(below, record), (at_most, record), (below, above), (at_most, above)]
    reached = [(objective.metric.of(one) or 0.0) >= objective.limit for objective, one in pairs]
    assert reached == [True, False, True, True]


def test_a_request_without_the_metric_is_neither_within_nor_beyond() -> None:
    """A success of one token has no TPOT."""
    single = answered(0, 0.0, 100.0, tokens=1)
    assert parse_limits("tpot<1s")[0].met_by(single) is None


PIECES = st.one_of(
    st.sampled_from(
        [
            "ttft",
            "e2e",
            "p95",
            ".",
            "<",
            "<=",
            ">=",
            "+-",
            "±",
            "500ms",
            "5%",
            "+10%",
            "-0.5pp",
            ",",
            "success_rate",
            "$0.01",
        ]
    ),
    st.sampled_from(
        [" ", "cost.mean", "9" * 90, "1e99", "p99.9", "é", "\n", "\x00", "٣", "\u2028"]
    ),
)
_SLOW = 0.05
TEXTS = st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=12).map("".join))


def parse_timed(kind: str, text: str) -> tuple[Any, float]:
    """What the text means, None where it is refused, and the CPU seconds that took."""
    began = time.process_time()
    try:
        parsed = PARSERS[kind](text)
    except UsageError:
        parsed = None
    return parsed, time.process_time() - began


@pytest.mark.parametrize("kind", PARSERS)
@given(text=TEXTS)
@example(text="ttft<" + "9" * 5000 + "s")
@example(text="a" * 100_000 + "<1s")
@example(text="ttft.p95<1s," * 5000)
@example(text="x_" * 45 + "<1s")
@example(text="ttft<" + "9" * 90 + "d")
@example(text="ttft.p95+-1e99%")
def test_any_text_is_parsed_or_refused_at_once(kind: str, text: str) -> None:
    """Never another error, never slow; what is parsed means the same when it is written again."""
    parsed, seconds = parse_timed(kind, text)
    if seconds > _SLOW:
        # What is slow is slow again; a collection of garbage in between is not.
        seconds = min(parse_timed(kind, text)[1] for _ in range(3))
    assert seconds < _SLOW
    if parsed is None:
        return
    conditions = parsed if isinstance(parsed, tuple) else (parsed,)
    again = PARSERS[kind](",".join(condition.text for condition in conditions))
    assert again == parsed
