"""A benchmark's report: what was asked, what was offered, what came of it, and how far to trust it."""

from collections.abc import Callable, Iterator

from llm_latency_lens.model.result import HEADLINE, Distribution, Failure, Result, Verdict
from llm_latency_lens.report.document import Block, Fact, Facts, Note, Report, Table, Tone
from llm_latency_lens.report.goodput import goodput_facts
from llm_latency_lens.report.spending import spending
from llm_latency_lens.units import NS_PER_S, format_duration, format_rate, format_size

_TONES: dict[Verdict, Tone] = {
    "VALID": "good",
    "WARN": "warn",
    "INSUFFICIENT": "warn",
    "INVALID": "bad",
}
_ROWS: tuple[tuple[str, str], ...] = (
    ("ttft", "TTFT"),
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
_COLUMNS = ("p50", "p90", "p95", "p99")
_SAME = 0.0005
"""A second origin is shown where it moves the median or the p99 by more than this (s), or by 1 %."""


def load_report(result: Result) -> Report:
    """The report of a run under load."""
    blocks = [section(result) for section in SECTIONS]
    title = f"{result.run['spec']['target']} - benchmark {result.run['id']}"
    return Report(title, tuple(block for block in blocks if block is not None))


def _verdict(result: Result) -> Block:
    ok, planned = result.outcomes["ok"], result.offered.planned
    reasons = [
        check.words
        for check in result.quality.checks
        if check.verdict == result.verdict != "VALID" and {"*", *HEADLINE} & set(check.metrics)
    ]
    words = f"{result.verdict}: {ok:,} of {planned:,} requests succeeded"
    apart = [n for n, m in result.metrics.items() if m.verdict == "INVALID" and n not in HEADLINE]
    if apart and result.verdict != "INVALID":
        reasons.append(f"but not to be trusted: {', '.join(apart)}")
    tone = _TONES[result.verdict] if not apart or result.verdict == "INVALID" else "warn"
    return Note("; ".join([words, *reasons]), tone)


def _offered(result: Result) -> Block:
    facts = [fact for part in (_asked, _rate, _slip, _in_flight, _client) for fact in part(result)]
    return Facts("Load", tuple(facts))


def _asked(result: Result) -> Iterator[Fact]:
    offered = result.offered
    arrival = result.run["spec"]["plan"]["phases"][-1]["arrival"]
    slots = "1 slot" if offered.concurrency == 1 else f"{offered.concurrency} slots"
    asked = f"closed loop, {slots}"
    if offered.mode == "open":
        asked = f"open loop, {arrival['kind']} arrivals at {format_rate(arrival['rate'])}"
    yield Fact("asked for", f"{asked}, {_until(result)}", f"seed {result.run['seed']}")
    sent = f"{offered.sent:,} of {offered.planned:,} planned requests sent"
    yield Fact("offered", sent, _warmup(result))


def _rate(result: Result) -> Iterator[Fact]:
    offered = result.offered
    if offered.achieved is not None and offered.rate is not None:
        planned = f"{offered.rate:.4g}/s planned by the schedule"
        yield Fact("rate", f"{offered.achieved:.4g}/s started", planned)


def _slip(result: Result) -> Iterator[Fact]:
    slip = result.offered.slip
    if slip is not None and slip.n:
        label = "schedule slip" if result.offered.mode == "open" else "slot to start"
        shown = f"p50 {_cell(slip, 'p50')}, p99 {_cell(slip, 'p99')}, max {_time(slip.max)}"
        yield Fact(label, shown, "begun - intended")


def _in_flight(result: Result) -> Iterator[Fact]:
    through, quality = result.throughput, result.quality
    if through.mean_in_flight is not None:
        most = f"{through.mean_in_flight:.3g} on average, {through.max_in_flight} at most"
        yield Fact("in flight", most)
    if quality.new_connections or quality.reused_connections:
        new, kept = f"{quality.new_connections:,}", f"{quality.reused_connections:,}"
        yield Fact("connections", f"{new} requests on new ones, {kept} on kept ones")


def _client(result: Result) -> Iterator[Fact]:
    client = result.quality.client
    if client:
        workers = client["workers"]
        cpu = client["cpu_seconds"] / max(client["seconds"], 1e-9) / max(workers, 1)
        processes = "1 process" if workers == 1 else f"{workers} processes"
        shown = f"{processes}, {cpu:.0%} CPU each, {format_size(client['peak_memory'])}"
        yield Fact("measured by", shown, client["loop"])


def _until(result: Result) -> str:
    stop = result.run["spec"]["plan"]["phases"][-1]["stop"]
    parts = []
    if stop["requests"] is not None:
        parts.append(f"{stop['requests']:,} requests")
    if stop["duration"] is not None:
        parts.append(format_duration(stop["duration"]))
    return " or ".join(parts)


def _warmup(result: Result) -> str:
    return f"{result.offered.warmup} warm-up requests left out" if result.offered.warmup else ""


def _latency(result: Result) -> Block | None:
    metrics = result.metrics
    if "ttft" not in metrics:
        return None
    rows = []
    for name, label in _ROWS:
        found = metrics.get(name)
        if found is None or not found.n or _is_repetition(name, metrics):
            continue
        p95 = found.interval.get("p95")
        bounds = f"{_time(p95[0])} .. {_time(p95[1])}" if p95 else ""
        rows.append(
            (
                label,
                *(_cell(found, column) for column in _COLUMNS),
                _time(found.max),
                bounds,
                f"± {_time(found.instrument)}" if found.instrument is not None else "",
                f"{found.n:,}",
                _mark(found),
            )
        )
    columns = ("", *_COLUMNS, "max", "95 % interval of p95", "instrument", "n", "")
    return Table("Latency", columns, tuple(rows), _unsupported(metrics))


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
    ttft = metrics.get("ttft")
    if ttft is None:
        return ""
    missing = [f"{name} needs {ttft.needs[name]:,}" for name in _COLUMNS if name in ttft.needs]
    return f"- : not supported by {ttft.n} requests ({', '.join(missing)})" if missing else ""


def _mark(found: Distribution) -> str:
    return "" if found.verdict in {None, "VALID"} else str(found.verdict)


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds * NS_PER_S)


def _cell(found: Distribution, name: str) -> str:
    value: float | None = getattr(found, name)
    return _time(value)


def _precision(result: Result) -> Block | None:
    found = result.precision
    if found is None:
        return None
    if found.interval is None or found.width is None:
        return Note(f"{found.goal}: {found.n:,} requests support no interval yet", "warn")
    low, high = (_time(end) for end in found.interval)
    known = f"{_time(found.value)} within {found.width:.1%} ({low} .. {high}) after {found.n:,} requests"
    if found.reached:
        return Note(f"{found.goal} reached: {known}", "good")
    return Note(f"{found.goal} not reached: {known}; measure longer", "warn")


def _throughput(result: Result) -> Block | None:
    through = result.throughput
    if not result.outcomes["ok"]:
        return None

    def rate(value: float | None, what: str) -> str:
        return "-" if value is None else format_rate(value, what)

    window = ""
    if through.window is not None:
        window = f"steady window {through.window[0]:.3g} s .. {through.window[1]:.3g} s"
    facts = [
        Fact(
            "output",
            rate(through.output_tokens, "tokens"),
            window or "nothing of the run was steady",
        ),
        Fact(
            "",
            rate(through.wall_output_tokens, "tokens"),
            "over the whole run, ramp and drain included",
        ),
        Fact("requests", rate(through.wall_requests, "requests"), "succeeded, over the whole run"),
    ]
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
    not_sent = result.outcomes["not_sent"]
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
    _offered,
    _latency,
    _precision,
    _throughput,
    _tokens,
    lambda result: spending(result.cost),
    _failures,
    _doubts,
    _held,
)
