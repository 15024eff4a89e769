"""A benchmark's report: what was asked, what was offered, what came of it, and how far to trust it."""

from collections.abc import Callable

from llm_latency_lens.metrics.definitions import BY_NAME
from llm_latency_lens.model.result import (
    HEADLINE,
    Distribution,
    Failure,
    Precision,
    Result,
    Verdict,
)
from llm_latency_lens.report.cells import statistic_cell, time_cell
from llm_latency_lens.report.document import Block, Fact, Facts, Note, Report, Table, Tone
from llm_latency_lens.report.ending import cause_of
from llm_latency_lens.report.goodput import goodput_facts
from llm_latency_lens.report.offered import offered_section
from llm_latency_lens.report.spending import spending
from llm_latency_lens.units import (
    format_number,
    format_rate,
)

_TONES: dict[Verdict, Tone] = {
    "VALID": "good",
    "WARN": "warn",
    "INSUFFICIENT": "warn",
    "INVALID": "bad",
}
_ROWS: tuple[tuple[str, str], ...] = (
    ("ttft", "TTFT"),
    ("upload", "  upload of the request"),
    ("ttft_from_intended", "  from intended start"),
    ("ttfvt", "first visible token"),
    ("thinking", "thinking"),
    ("tpot", "TPOT"),
    ("itl", "ITL (per token)"),
    ("icl", "ICL (per read)"),
    ("e2e", "end to end"),
    ("e2e_from_intended", "  from intended start"),
    ("connect", "connect (new only)"),
)
_HEADLINES = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end to end"}
_MEANING: dict[Verdict, str] = {
    "WARN": "read {} with care",
    "INSUFFICIENT": "too few requests for {}",
    "INVALID": "do not use {}",
}
_COLUMNS = ("p50", "p90", "p95", "p99")
_SLOW_UPLOAD = 0.05
"""An upload is shown where it takes such a share of the time to the first token."""
_SAME = 0.0005
"""A second origin is shown where it moves the median or the p99 by more than this (s), or by 1 %."""


def load_report(result: Result) -> Report:
    """The report of a run under load."""
    blocks = [section(result) for section in SECTIONS]
    title = f"{result.run['spec']['target']} - benchmark {result.run['id']}"
    return Report(title, tuple(block for block in blocks if block is not None))


def _verdict(result: Result) -> Block:
    ok, planned = result.outcomes["ok"], result.offered.planned
    succeeded = f"{ok:,} of {planned:,} requests succeeded"
    if result.abort is not None:
        return Note(f"stopped: {cause_of(result)}; {succeeded}", "bad")
    if not ok:
        return Note(f"{result.verdict}: {succeeded}: {cause_of(result)}", _TONES[result.verdict])
    blamed = [
        check
        for check in result.quality.checks
        if check.verdict == result.verdict != "VALID" and {"*", *HEADLINE} & set(check.metrics)
    ]
    parts = [check.words for check in blamed]
    if blamed:
        touched = {metric for check in blamed for metric in check.metrics}
        advice = _MEANING[result.verdict].format(_headline(result, touched))
        parts[0] = f"{advice}: {parts[0]}"
    apart = [n for n, m in result.metrics.items() if m.verdict == "INVALID" and n not in HEADLINE]
    tone = _TONES[result.verdict]
    if apart and result.verdict != "INVALID":
        rest = "" if blamed else f"{_headline(result, {'*'})} may be used, but "
        parts.append(f"{rest}do not use {', '.join(_name(name) for name in apart)}")
        tone = "warn"
    if result.precision is not None and not result.precision.reached:
        parts.append(f"{result.precision.goal} was not reached")
        tone = "warn" if tone == "good" else tone
    return Note(f"{result.verdict}: {'; '.join([*parts, succeeded])}", tone)


def _name(metric: str) -> str:
    """What a metric is called that is no headline."""
    name, intended, _ = metric.partition("_from_intended")
    label = _HEADLINES.get(name) or dict(_ROWS).get(name, name).strip()
    return f"{label} from intended start" if intended else label


def _headline(result: Result, touched: set[str]) -> str:
    """The headline metrics among those touched (`*` is all), in words."""
    there = [name for name in HEADLINE if name in result.metrics and {name, "*"} & touched]
    names = [_HEADLINES[name] for name in there] or ["this run"]
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _latency(result: Result) -> Block | None:
    metrics = result.metrics
    if not metrics.keys() & set(HEADLINE):
        return None
    rows, names = [], []
    for name, label in _ROWS:
        found = metrics.get(name)
        if found is None or not found.n or _says_nothing(name, metrics):
            continue
        names.append(name)
        p95 = found.interval.get("p95")
        bounds = f"{time_cell(p95[0])} .. {time_cell(p95[1])}" if p95 else ""
        rows.append(
            (
                label,
                *(statistic_cell(found, column) for column in _COLUMNS),
                time_cell(found.max),
                bounds,
                _error(found),
                f"{found.n:,}",
                _mark(found),
            )
        )
    columns = ("", *_COLUMNS, "max", "95 % interval of p95", "error", "n", "")
    note = _unsupported(metrics)
    return Table("Latency", columns, tuple(rows), note, metrics=tuple(names))


def _error(found: Distribution) -> str:
    """What is known of the tool's own error: the instrument's, and the widths of this run's arrivals."""
    width = max((found.width[name] for name in _COLUMNS if name in found.width), default=0.0)
    if found.instrument is None:
        return f">= {time_cell(width)}" if width else ""
    return f"± {time_cell(found.instrument + width)}"


def _says_nothing(name: str, metrics: dict[str, Distribution]) -> bool:
    """Whether a row would only repeat another, or tell of an upload that hardly took any time."""
    if name == "upload":
        answer = metrics.get("ttft") or metrics["e2e"]
        return (metrics[name].p50 or 0.0) < _SLOW_UPLOAD * (answer.p50 or 0.0)
    return _is_repetition(name, metrics)


def _is_repetition(name: str, metrics: dict[str, Distribution]) -> bool:
    """Whether a row would only repeat the one it belongs to."""
    found = metrics[name]
    base = metrics.get({"ttfvt": "ttft"}.get(name, name.removesuffix("_from_intended")))
    if base is None or base is found:
        return name == "itl" and _same(found, metrics.get("icl"))
    return _same(found, base)


def _same(found: Distribution, base: Distribution | None) -> bool:
    if base is None or base.n != found.n:
        return False
    pairs = ((found.p50, base.p50), (found.p99 or found.max, base.p99 or base.max))
    return all(
        a is not None and b is not None and abs(a - b) <= max(_SAME, 0.01 * abs(b))
        for a, b in pairs
    )


def _unsupported(metrics: dict[str, Distribution]) -> str:
    first = next(metrics[name] for name in HEADLINE if name in metrics)
    missing = [f"{name} needs {first.needs[name]:,}" for name in _COLUMNS if name in first.needs]
    return f"- : not supported by {first.n} requests ({', '.join(missing)})" if missing else ""


def _mark(found: Distribution) -> str:
    return "" if found.verdict in {None, "VALID"} else str(found.verdict)


def _precision(result: Result) -> Block | None:
    found = result.precision
    if found is None:
        return None
    if found.interval is None or found.width is None:
        return Note(f"{found.goal} not reached: {_no_interval(found)}", "warn")
    unit = BY_NAME[found.goal.partition(".")[0]].unit
    value, low, high = (_in_unit(number, unit) for number in (found.value, *found.interval))
    known = f"{value} within {found.width:.1%} ({low} .. {high}) after {found.n:,} requests"
    if found.reached:
        return Note(f"{found.goal} reached: {known}", "good")
    return Note(f"{found.goal} not reached: {known}; measure longer", "warn")


def _no_interval(found: Precision) -> str:
    """Why a percentile is not known within anything."""
    metric = found.goal.partition(".")[0]
    if not found.n:
        return f"no answer has {metric}: set the goal on another metric, such as e2e.p50"
    if found.tau is None or found.tau > 1.0:
        return (
            f"neighbours among the {found.n:,} requests resemble each other so much that no"
            " interval can be given; measure longer, or at a lower load"
        )
    return f"{found.n:,} requests are too few for an interval; measure longer"


def _in_unit(value: float | None, unit: str) -> str:
    if unit == "s" or value is None:
        return time_cell(value)
    return f"{value:.4g}" if unit in {"count", "ratio"} else f"{value:.4g} {unit}"


def _throughput(result: Result) -> Block | None:
    through = result.throughput
    if not result.outcomes["ok"]:
        return None

    def rate(value: float | None, what: str) -> str:
        return "-" if value is None else format_rate(value, what)

    window = "no steady window: the run is ramp-up and drain"
    if through.window is not None:
        window = " .. ".join(f"{format_number(end)} s" for end in through.window)
        window = f"steady window {window}"
    tone = _TONES[through.verdict or "VALID"] if through.verdict != "VALID" else "plain"
    facts = [Fact("requests", rate(through.requests, "requests"), window, tone)]
    if through.wall_output_tokens is not None:
        facts.insert(0, Fact("output", rate(through.output_tokens, "tokens"), window, tone))
        whole = rate(through.wall_output_tokens, "tokens")
        facts.insert(1, Fact("", whole, "over the whole run, ramp-up and drain included"))
    facts.append(Fact("", rate(through.wall_requests, "requests"), "over the whole run"))
    speed = result.metrics.get("decode_speed")
    if speed is not None and speed.p50 is not None:
        facts.append(Fact("one request decodes", rate(speed.p50, "tokens"), "median of 1 / TPOT"))
    facts += goodput_facts(result.goodput)
    return Facts("Throughput", tuple(facts))


def _tokens(result: Result) -> Block | None:
    tokens = result.tokens
    if not tokens.events:
        return None

    def shown(count: int | None) -> str:
        return "unknown" if count is None else f"{count:,}"

    sources = ", ".join(f"{name} ({count:,} requests)" for name, count in tokens.sources.items())
    facts = [
        Fact(
            "input",
            shown(tokens.input),
            f"{shown(tokens.cached)} from cache" if tokens.cached else "",
        ),
        Fact("output", shown(tokens.output), f"counted by: {sources}"),
    ]
    if tokens.reasoning:
        facts.append(Fact("of it reasoning", shown(tokens.reasoning)))
    return Facts("Tokens", tuple(facts))


def _failures(result: Result) -> Block | None:
    rows = [_failure(failure) for failure in result.failures]
    not_sent = result.outcomes["not_sent"] - result.offered.withheld
    if not_sent:
        rows.append(
            Fact("not_sent", f"{not_sent:,}", "planned, but the run was stopped before", "warn")
        )
    return Facts("What failed", tuple(rows)) if rows else None


def _failure(failure: Failure) -> Fact:
    name = failure.outcome + (f"/{failure.cause}" if failure.cause else "")
    status = (
        f" (HTTP {failure.status})" if failure.status and failure.outcome == "error_http" else ""
    )
    said = f"{failure.example} - " if failure.example else ""
    return Fact(name + status, f"{failure.count:,}", said + failure.advice, "bad")


def _doubts(result: Result) -> Block | None:
    facts = [
        Fact(check.name, f"{check.verdict}: {check.words}", check.remedy, _TONES[check.verdict])
        for check in result.quality.checks
        if check.verdict != "VALID"
    ]
    return Facts("What to doubt", tuple(facts)) if facts else None


def _held(result: Result) -> Block:
    checks = [check for check in result.quality.checks if check.verdict == "VALID"]
    return Facts(
        "What was checked and held",
        tuple(
            Fact(check.name, "; ".join(filter(None, (check.words, check.remedy))))
            for check in checks
        ),
    )


SECTIONS: tuple[Callable[[Result], Block | None], ...] = (
    _verdict,
    offered_section,
    _latency,
    _precision,
    _throughput,
    _tokens,
    lambda result: spending(result.cost),
    _failures,
    _doubts,
    _held,
)
