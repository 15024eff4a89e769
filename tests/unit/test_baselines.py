"""Baselines: which runs may be compared, what several of them say, what one does not show."""

import math
import random
from typing import Any

import msgspec
import pytest
from tests.support.records import answered, refused

from llm_latency_lens.criteria.allowance import RegressionVerdict, parse_allowances
from llm_latency_lens.criteria.gate import Gate, GateReport, hold
from llm_latency_lens.criteria.threshold import ThresholdVerdict, parse_thresholds
from llm_latency_lens.errors import ExitCode, UsageError
from llm_latency_lens.load import Load
from llm_latency_lens.metrics.summary import Summary
from llm_latency_lens.model.request import Request, Tool
from llm_latency_lens.model.result import Check, Result
from llm_latency_lens.profiler import Profiler, conclude
from llm_latency_lens.workload.workload import Workload, of_prompts

PROFILER = Profiler("openai:m", base_url="http://127.0.0.1:9/v1", environment={})
LOAD = Load(concurrency=1, requests=10, seed=1)


def asked(
    load: Load = LOAD,
    prompt: str = "hello",
    *,
    nonce: bool = True,
    **wish: Any,  # noqa: ANN401 - fields of a request
) -> Result:
    """The result of a run that asked for this and got nothing."""
    request = Request(messages=(), **wish)
    workload = Workload(conversations=of_prompts((prompt,)), wish=request, nonce=nonce)
    return conclude(PROFILER.prepare(load, workload), Summary(), None)


def measured(seed: int, n: int = 200, factor: float = 1.0, level: float = 0.0) -> Result:
    """A run whose median TTFT is 100 ms x `factor`; runs vary by the share `level`."""
    rng, summary = random.Random(seed), Summary()
    middle = 100.0 * factor * math.exp(rng.gauss(0.0, level))
    for number in range(n):
        ttft = middle * rng.lognormvariate(0, 0.2)
        summary.add(answered(number, number * 400.0 * factor, ttft))
    found = conclude(PROFILER.prepare(LOAD, "hello"), summary, None)
    return msgspec.structs.replace(found, run={**found.run, "id": f"{seed}-{n}-{factor}"})


def allowed(now: Result, baselines: list[Result], text: str) -> RegressionVerdict:
    """What becomes of one allowance."""
    return hold(Gate(allowances=parse_allowances(text)), now, baselines).regressions[0]


def required(now: Result, text: str, baselines: list[Result] | None = None) -> ThresholdVerdict:
    """What becomes of one threshold."""
    return hold(Gate(thresholds=parse_thresholds(text)), now, baselines or []).thresholds[0]


DIFFERENT: list[tuple[Result, str]] = [
    (asked(prompt="goodbye"), "asked the prompts"),
    (asked(max_tokens=256), "asked for 256 output tokens"),
    (asked(min_tokens=16), "asked for at least 16 output tokens"),
    (asked(ignore_eos=True), "ignored the end of the answer"),
    (asked(temperature=0.5), "asked for temperature 0.5"),
    (asked(top_p=0.5), "asked for top_p 0.5"),
    (asked(top_k=5), "asked for top_k 5"),
    (asked(sampling_seed=5), "asked for sampling seed 5"),
    (asked(stop=("x",)), "asked for stop texts"),
    (asked(reasoning="high"), "asked for reasoning effort high"),
    (asked(extra={"priority": 1}), "'priority': 1"),
    (asked(tools=(Tool("look_up"),)), "offered 1 tools (look_up)"),
    (asked(stream=False), "did not stream its answers"),
    (asked(nonce=False), "repeated its prompts as they are"),
    (asked(Load(concurrency=1, requests=10, retries=2)), "tried failed requests again 2 times"),
    (asked(Load(concurrency=4, requests=10)), "kept 4 requests in flight"),
    (asked(Load(rate=5, requests=10)), "had poisson arrivals"),
]


@pytest.mark.parametrize(("baseline", "said"), DIFFERENT, ids=[said for _, said in DIFFERENT])
def test_a_baseline_of_another_workload_is_refused_in_words(baseline: Result, said: str) -> None:
    """Every parameter of a request and of the load; both sides are named, in both directions."""
    gate = Gate(allowances=parse_allowances("ttft.p50<+10%"))
    run = asked()
    with pytest.raises(UsageError) as caught:
        hold(gate, run, [baseline])
    assert "is another experiment: the baseline " in str(caught.value)
    assert said in str(caught.value)
    with pytest.raises(UsageError) as caught:
        hold(gate, baseline, [run])
    assert said in str(caught.value)


def test_tokens_that_differ_are_told_as_a_sentence() -> None:
    """Both numbers, and nothing else where nothing else differs."""
    with pytest.raises(UsageError) as caught:
        allowed(asked(max_tokens=256), [asked(max_tokens=128)], "ttft.p50<+10%")
    said = "the baseline asked for 128 output tokens, this run asked for 256 output tokens"
    assert str(caught.value).endswith(f"is another experiment: {said}")


def test_a_parameter_that_an_older_document_lacks_has_its_default() -> None:
    """A baseline stored before retries were written down may be compared."""
    then, now = measured(1), measured(2)
    spec = {key: value for key, value in then.run["spec"].items() if key != "retries"}
    older = msgspec.structs.replace(then, run={**then.run, "spec": spec})
    assert allowed(now, [older], "ttft.p50<+20%").state == "PASS"


def test_the_same_run_twice_is_no_repetition() -> None:
    """Neither twice the same baseline nor the run against itself: there is no spread in them."""
    first, now = measured(1), measured(2)
    with pytest.raises(UsageError, match="given twice"):
        allowed(now, [first, first], "ttft.p50<+10%")
    with pytest.raises(UsageError, match="is the run itself"):
        allowed(now, [now], "ttft.p50<+10%")


def test_what_is_not_asked_is_refused() -> None:
    """Allowances without a baseline, a metric without a statistic, nothing at all."""
    with pytest.raises(UsageError, match="needs a --baseline"):
        hold(Gate(allowances=parse_allowances("ttft.p50<+10%")), measured(1))
    with pytest.raises(UsageError, match="nothing to hold it to"):
        hold(Gate(), measured(1))
    with pytest.raises(UsageError, match="ttft alone is of a comparison"):
        allowed(measured(1), [measured(2)], "ttft<+10%")


@pytest.mark.parametrize(
    "quantity", ["ttft.max", "ttft.min", "throughput.requests", "throughput.output_tokens"]
)
def test_one_run_does_not_show_how_much_its_extremes_vary(quantity: str) -> None:
    """Three times slower, and still no verdict against one or four baselines; five decide."""
    now, baselines = measured(99, factor=3.0), [measured(seed) for seed in range(5)]
    text = f"{quantity}>-20%" if quantity.startswith("throughput") else f"{quantity}<+20%"
    for few in (1, 4):
        found = allowed(now, baselines[:few], text)
        assert (found.state, found.interval) == ("NO VERDICT", None)
        assert f"at least 5 runs of the same workload with --baseline ({few} given)" in found.words
    found = allowed(now, baselines, text)
    assert found.state == "FAIL", found
    assert "by the spread of 5 runs" in found.words
    assert allowed(measured(98), baselines, text.replace("20", "90")).state == "PASS"


def test_what_grows_with_the_requests_is_compared_among_runs_of_one_size() -> None:
    """The slowest of 400 is slower than the slowest of 200: no verdict, and why."""
    baselines = [measured(seed) for seed in range(5)]
    found = allowed(measured(99, n=400), baselines, "ttft.max<+20%")
    assert found.state == "NO VERDICT"
    assert "depends on the number of requests: 400 here, 200, 200" in found.words
    assert allowed(measured(99, n=400), baselines, "ttft.p95<+30%").state == "PASS"


def test_a_threshold_on_an_extreme_takes_the_spread_of_repeated_runs() -> None:
    """Alone it has no verdict; with five runs of the workload it passes, fails, or is too close."""
    now, repeats = measured(99), [measured(seed) for seed in range(5)]
    alone = required(now, "ttft.max<10s")
    assert (alone.state, alone.interval) == ("NO VERDICT", None)
    assert "(0 given)" in alone.words
    states = {
        limit: required(now, f"ttft.max<{limit}", repeats).state
        for limit in ("10s", "1ms", f"{now.metrics['ttft'].max or 0:.6f}s")
    }
    assert list(states.values()) == ["PASS", "FAIL", "NO VERDICT"]


def test_a_spread_that_is_wider_than_the_interval_wins() -> None:
    """Runs that differ by 10 %: a change that fails against equal runs has no verdict."""
    now = measured(99, n=1000, factor=1.15)
    baselines = [measured(seed, n=1000, level=0.1) for seed in range(6)]
    alike = [measured(seed, n=1000) for seed in range(6)]
    assert allowed(now, alike, "ttft.p50<+8%").state == "FAIL"
    found = allowed(now, baselines, "ttft.p50<+8%")
    assert found.state == "NO VERDICT"
    assert found.interval is not None
    assert found.interval[1] - found.interval[0] > 0.3


def test_few_baselines_that_differ_do_not_decide_between_them() -> None:
    """Two baselines 30 % apart: a run between them passes against one, fails against the other."""
    now = measured(9, n=1000, factor=1.15)
    low, high = measured(1, n=1000), measured(2, n=1000, factor=1.3)
    assert allowed(now, [low], "ttft.p50<+8%").state == "FAIL"
    assert allowed(now, [high], "ttft.p50<+8%").state == "PASS"
    assert allowed(now, [low, high], "ttft.p50<+8%").state == "NO VERDICT"


def test_nothing_is_delivered_where_every_request_failed() -> None:
    """`throughput.output_tokens>0` is missed by a run without a success, `>=0` is kept."""
    summary = Summary()
    for number in range(50):
        summary.add(refused(number, number * 100.0))
    dead = conclude(PROFILER.prepare(LOAD, "hello"), summary, None)
    dead = msgspec.structs.replace(dead, offered=msgspec.structs.replace(dead.offered, sent=50))
    report = hold(Gate(thresholds=parse_thresholds("throughput.output_tokens>0")), dead)
    assert (report.state, report.exit_code) == ("FAIL", ExitCode.THRESHOLD_FAILED)
    assert required(dead, "throughput.output_tokens>=0").state == "PASS"
    assert required(dead, "throughput.requests>0").state == "FAIL"


def test_a_run_whose_books_are_wrong_passes_nothing() -> None:
    """A check that makes every number INVALID makes rates and totals so, too: exit 4."""
    broken = Check(
        id="Q10", name="books", verdict="INVALID", value=1.0, unit="", words="", metrics=("*",)
    )
    found = measured(1)
    quality = msgspec.structs.replace(found.quality, checks=(broken,))
    report: GateReport = hold(
        Gate(thresholds=parse_thresholds("success_rate>=50%")),
        msgspec.structs.replace(found, quality=quality),
    )
    assert (report.state, report.exit_code) == ("NO VERDICT", ExitCode.INVALID_MEASUREMENT)


def test_a_run_that_was_ended_on_purpose_is_judged_by_what_it_offered() -> None:
    """200 sent of 1,000 planned, and all succeeded: 800 withheld are no failures, 800 lost are."""
    found = measured(1)
    outcomes = {**found.outcomes, "not_sent": 800}
    found = msgspec.structs.replace(found, outcomes=outcomes)
    assert required(found, "success_rate>=90%").state == "FAIL"
    offered = msgspec.structs.replace(found.offered, withheld=800)
    found = msgspec.structs.replace(found, offered=offered)
    assert required(found, "success_rate>=90%").state == "PASS"


def test_an_invalid_baseline_decides_nothing() -> None:
    """One of five whose TTFT is INVALID: no change, no spread, and the reason."""
    repeats = [measured(seed) for seed in range(5)]
    ttft = msgspec.structs.replace(repeats[2].metrics["ttft"], verdict="INVALID")
    metrics = {**repeats[2].metrics, "ttft": ttft}
    repeats[2] = msgspec.structs.replace(repeats[2], metrics=metrics)
    report = hold(Gate(allowances=parse_allowances("ttft.p50<+50%")), measured(9), repeats)
    assert (report.state, report.exit_code) == ("NO VERDICT", ExitCode.INVALID_MEASUREMENT)
    assert "an invalid measurement is not compared" in report.regressions[0].words
    found = required(measured(9), "ttft.max<10s", repeats)
    assert (found.state, found.words) == (
        "NO VERDICT",
        "a baseline's measurement is invalid: see its report",
    )


def test_arrivals_known_within_a_width_widen_the_interval_downwards() -> None:
    """A limit between the p95 less its width and the p95 is not surely missed."""
    found = measured(1)
    ttft = found.metrics["ttft"]
    low, high = ttft.interval["p95"]
    limit = f"ttft.p95<{low - 0.001:.6f}s"
    assert required(found, limit).state == "FAIL"
    wide = msgspec.structs.replace(ttft, width={"p95": 0.05})
    found = msgspec.structs.replace(found, metrics={**found.metrics, "ttft": wide})
    judged = required(found, limit)
    assert judged.state == "NO VERDICT"
    assert judged.interval == pytest.approx((low - 0.05, high))


def uncounted(found: Result) -> Result:
    """The same run, had the server not counted its tokens."""
    tokens = msgspec.structs.replace(found.tokens, sources={"chunks": 200})
    return msgspec.structs.replace(found, tokens=tokens)


@pytest.mark.parametrize("name", ["tpot.p50", "throughput.output_tokens"])
def test_counts_of_tokens_by_events_decide_no_regression(name: str) -> None:
    """What counted the tokens differs, not the server: nothing is said of what rests on counts."""
    first, second = measured(1), measured(2)
    for now, before, which in (
        (uncounted(second), first, "in this run stream events"),
        (second, uncounted(first), "in a baseline stream events"),
    ):
        judged = allowed(now, [before], f"{name}<+10%")
        assert judged.state == "NO VERDICT"
        assert judged.words.startswith(which)
        assert allowed(now, [before], "ttft.p50<+50%").state == "PASS"


def test_a_metric_that_no_request_has_needs_no_more_requests() -> None:
    """More of the same would not help: the words say what is the case."""
    assert required(measured(1), "server_prompt.p50<1s").words == "unknown: no request has it"
