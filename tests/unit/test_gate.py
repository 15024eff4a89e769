"""Gates: what surely passes, what surely fails, what nobody knows; and the forms in which CI reads it."""

import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any, get_args

import msgspec
import pytest
from tests.support.records import answered, refused
from tests.support.repetition import repetitions

from llm_latency_lens.criteria.allowance import parse_allowances
from llm_latency_lens.criteria.gate import Gate, GateReport, hold
from llm_latency_lens.criteria.threshold import judge_threshold, parse_thresholds
from llm_latency_lens.errors import ExitCode
from llm_latency_lens.load import Load
from llm_latency_lens.metrics.summary import Summary
from llm_latency_lens.model.result import Check, Result, Verdict
from llm_latency_lens.profiler import Profiler, conclude
from llm_latency_lens.report.document import Fact, Facts, Note, Report, Table
from llm_latency_lens.report.gate import annotations, gate_report
from llm_latency_lens.report.junit import gate_junit, result_junit
from llm_latency_lens.report.markdown import to_markdown

PREPARED = Profiler("openai:m", base_url="http://127.0.0.1:9/v1", environment={}).prepare(
    Load(concurrency=1, requests=10, seed=1), "hello"
)


def result(
    n: int,
    factor: float = 1.0,
    seed: int = 1,
    failures: int = 0,
    **changes: Any,  # noqa: ANN401 - fields of a result
) -> Result:
    """A run of `n` requests whose TTFT is lognormal about 100 ms x `factor`."""
    rng, summary = random.Random(seed), Summary()
    for number in range(n):
        summary.add(answered(number, number * 400.0, 100.0 * factor * rng.lognormvariate(0, 0.3)))
    for number in range(failures):
        summary.add(refused(n + number, (n + number) * 400.0))
    found = conclude(PREPARED, summary, None)
    run = {**found.run, "id": f"run-{n}-{factor}-{seed}"}
    return msgspec.structs.replace(found, **{"run": run, **changes})


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("ttft.p95<800ms", "PASS"),
        ("ttft.p95<120ms", "FAIL"),
        ("ttft.p50<100ms", "NO VERDICT"),
        ("ttft.p99.9<1s", "NO VERDICT"),
        ("ttft.mean<200ms", "PASS"),
        ("ttft.max<5s", "NO VERDICT"),
        ("ttft.min>1ms", "NO VERDICT"),
        ("throughput.requests>0/s", "NO VERDICT"),
        ("success_rate>=97%", "PASS"),
        ("success_rate>=99.9%", "NO VERDICT"),
        ("error_rate<0.05", "PASS"),
        ("cost.mean<$0.01", "NO VERDICT"),
        ("decode_speed.p50>50", "PASS"),
        ("goodput.ratio>50%", "NO VERDICT"),
    ],
)
def test_a_threshold_is_judged_by_its_interval(text: str, state: str) -> None:
    """400 requests: clear ones pass or fail, close, unsupported and unknown ones have no verdict."""
    (threshold,) = parse_thresholds(text)
    found = judge_threshold(threshold, result(400))
    assert found.state == state, found


def test_what_is_missing_is_said() -> None:
    """How many more requests a percentile needs, or a close call."""
    few = judge_threshold(parse_thresholds("ttft.p99<1s")[0], result(100))
    assert few.words == "unknown: needs 268 more requests"
    close = judge_threshold(parse_thresholds("ttft.p50<100ms")[0], result(400))
    assert re.search(r"about [\d,]+ more requests", close.words)


def test_an_slo_that_passes_on_an_invalid_metric_is_no_pass() -> None:
    """The number is fine, the measurement is not: exit 4."""
    found = result(400)
    broken = msgspec.structs.replace(found.metrics["ttft"], verdict="INVALID")
    found = msgspec.structs.replace(found, metrics={**found.metrics, "ttft": broken})
    report = hold(Gate(thresholds=parse_thresholds("ttft.p95<800ms")), found)
    assert (report.state, report.exit_code) == ("NO VERDICT", ExitCode.INVALID_MEASUREMENT)


def held(
    now: Result, baselines: Sequence[Result] = (), *, require: str = "", allow: str = ""
) -> GateReport:
    """What a gate says of a run."""
    gate = Gate(
        thresholds=parse_thresholds(require) if require else (),
        allowances=parse_allowances(allow) if allow else (),
    )
    return hold(gate, now, baselines)


def states(now: Result, then: Result, text: str = "ttft.p50<+10%") -> tuple[list[str], int]:
    """The states of the allowances, and the exit code."""
    report = held(now, [then], allow=text)
    return [one.state for one in report.regressions], report.exit_code


def test_a_regression_is_found_and_an_equal_run_passes() -> None:
    """+30 % fails with exit 7, the same passes, +10 % itself has no verdict and exits 5."""
    base = result(1000, seed=1)
    assert states(result(1000, 1.3, seed=2), base) == (["FAIL"], ExitCode.REGRESSION)
    assert states(result(1000, 1.0, seed=2), base) == (["PASS"], ExitCode.OK)
    assert states(result(1000, 1.1, seed=2), base) == (["NO VERDICT"], ExitCode.TOO_FEW_SAMPLES)
    assert held(result(999), [base], allow="success_rate>-3pp").state == "PASS"


def test_noise_is_hardly_ever_a_regression_and_a_real_one_hardly_ever_missed() -> None:
    """Of 100 equal pairs 5 % at most are worse than +2 %; of 20 with +30 % at n = 500 90 % fail; at night of three times as many."""
    times = repetitions(1, nightly=3)
    alarms = sum(
        "FAIL" in states(result(150, seed=2 * i), result(150, seed=2 * i + 1), "ttft.p50<+2%")[0]
        for i in range(100 * times)
    )
    assert alarms <= 5 * times
    found = sum(
        "FAIL" in states(result(500, 1.3, seed=2 * i), result(500, seed=2 * i + 1))[0]
        for i in range(20 * times)
    )
    assert found >= 18 * times


def test_more_allowances_make_each_harder_to_fail() -> None:
    """Twelve gates share the level: intervals are wider than for one."""
    base, now = result(300, seed=1), result(300, 1.3, seed=2)
    one = held(now, [base], allow="ttft.p50<+10%").regressions[0]
    many = held(now, [base], allow=",".join(["ttft.p50<+10%"] * 12))
    assert one.interval is not None
    assert many.regressions[0].interval is not None
    assert many.regressions[0].interval[0] < one.interval[0]
    assert many.regressions[0].interval[1] > one.interval[1]


def test_junit_says_what_failed_and_what_nobody_knows() -> None:
    """Read back by an XML parser, hostile names included."""
    gate = Gate(thresholds=parse_thresholds("ttft.p95<800ms,ttft.p95<120ms,ttft.p99.9<1s"))
    found = hold(gate, result(400))
    found = msgspec.structs.replace(found, target='evil"><x>\x00\x1b[31m]]>&')
    suite = ET.fromstring(gate_junit(found)).find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    cases = suite.findall("testcase")
    assert [case.get("name") for case in cases] == ["ttft.p95<800ms", "ttft.p95<120ms", "ttft.p99.9<1s"]  # fmt: skip
    tags = [[child.tag for child in case] for case in cases]
    assert tags == [["system-out"], ["failure"], ["skipped"]]
    assert cases[0].get("classname") == 'evil"><x>??[31m]]>&'


def test_a_run_s_junit_has_a_case_a_check_and_one_for_the_requests() -> None:
    """What is invalid failed, what is not known was skipped, a mere doubt passed and is told."""
    checks = tuple(
        Check(id=f"Q{number}", name=f"check {number}", verdict=verdict, value=None, unit="", words="words", remedy="do it")
        for number, verdict in enumerate(get_args(Verdict), 1)
    )  # fmt: skip
    found = result(400)
    found = msgspec.structs.replace(found, quality=msgspec.structs.replace(found.quality, checks=checks))  # fmt: skip
    suite = ET.fromstring(result_junit(found)).find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    tags = {case.get("name"): [child.tag for child in case] for case in suite.findall("testcase")}
    assert tags == {
        "requests succeed": ["system-out"],
        "Q1 check 1": ["system-out"],
        "Q2 check 2": ["system-out"],
        "Q3 check 3": ["skipped"],
        "Q4 check 4": ["failure"],
    }
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "1", "1")


def test_annotations_are_single_workflow_commands() -> None:
    """An error for the failure, a warning for the doubt; no line can be added to them."""
    gate = Gate(thresholds=parse_thresholds("ttft.p95<120ms,ttft.p99.9<1s"))
    lines = list(annotations(hold(gate, result(400))))
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning"]
    assert all("\n" not in line for line in lines)


HOSTILE = (
    "a|b", "line\nbreak", "<script>alert(1)</script>", "[x](javascript:alert(1))", "![x](http://e/x.png)",
    "`code`", "# heading", "@everyone", "\x1b[31mred", "\u202eevil", "&lt;b&gt;", "**bold**", "$x$", "~~no~~",
)  # fmt: skip


@pytest.mark.parametrize("words", HOSTILE)
def test_x10_markdown_shows_text_as_text(words: str) -> None:
    """X10: in every place of a report: no table break, no markup, no control character."""
    report = Report(
        words,
        (
            Note(words),
            Facts(words, (Fact(words, words, words),)),
            Table(words, (words, "n"), ((words, "1"),), words),
        ),
    )
    found = to_markdown(report)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202a-\u202e]", found)
    rows = [line for line in found.splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [4, 4, 4, 3, 3, 3]
    body = "\n".join(line for line in found.splitlines() if not line.startswith("#"))
    assert not re.search(r"(?<!\\)[<`\[!@$~]", body)
    gate = hold(Gate(thresholds=parse_thresholds("ttft.p95<800ms")), result(60))
    assert to_markdown(gate_report(gate)).startswith("## gate on")
