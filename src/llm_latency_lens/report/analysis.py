"""An analysis, to be read."""

from collections.abc import Iterator

from llm_latency_lens.model.analysis import Analysis, Bucket, Change, History
from llm_latency_lens.model.result import Distribution
from llm_latency_lens.report.document import Block, Fact, Facts, Note, Report, Table
from llm_latency_lens.units import NS_PER_S, format_duration

_METRICS = ("ttft", "tpot", "e2e")
_NAMES = {"ttft": "TTFT", "tpot": "TPOT", "e2e": "end to end"}
_BARS = "▁▂▃▄▅▆▇█"


def analysis_report(analysis: Analysis) -> Report:
    """What was looked at, each group's percentiles, the time series, the history."""
    return Report(f"analysis of {len(analysis.runs)} runs", tuple(_blocks(analysis)))


def _blocks(analysis: Analysis) -> Iterator[Block]:
    facts = [
        Fact("requests", f"{analysis.requests:,}", analysis.where and f"where {analysis.where}")
    ]
    if analysis.trend is not None and analysis.trend_interval is not None:
        low, high = analysis.trend_interval
        facts.append(Fact("trend of TTFT", f"{analysis.trend:+.1%} over the runs", f"{low:+.1%} .. {high:+.1%}"))  # fmt: skip
    if analysis.steady_from:
        facts.append(
            Fact("warm-up", f"the first {analysis.steady_from:.0%}", "MSER-5 would cut them")
        )
    yield Facts("Looked at", tuple(facts))
    if not analysis.requests:
        yield Note("no request matches", "warn")
        return
    rows = tuple(
        (group.key, _NAMES[name], f"{found.n:,}", _time(found.p50), _ends(found, "p50"), _time(found.p95), _ends(found, "p95"), _time(found.p99))
        for group in analysis.groups
        for name in _METRICS
        if (found := group.metrics.get(name)) is not None
    )  # fmt: skip
    columns = (analysis.by, "", "n", "p50", "interval", "p95", "interval", "p99")
    yield Table(f"By {analysis.by}", columns, rows, _wanting(analysis), text=(0, 1))
    outcomes = tuple(
        (group.key, name, f"{count:,}", f"{count / group.requests:.1%}")
        for group in analysis.groups
        for name, count in group.outcomes.items()
        if count
    )
    yield Table("Outcomes", (analysis.by, "", "requests", "share"), outcomes, text=(0, 1))
    if analysis.buckets:
        yield _series(analysis.buckets)
    if analysis.history is not None:
        yield from _history(analysis.history)


def _wanting(analysis: Analysis) -> str:
    needs = {
        (name.replace("_", "."), count)
        for group in analysis.groups
        if (found := group.metrics.get("ttft")) is not None
        for name, count in found.needs.items()
        if name in {"p50", "p95", "p99"}
    }
    return "; ".join(f"- : {name} needs {count:,} requests" for name, count in sorted(needs))


def _series(buckets: tuple[Bucket, ...]) -> Table:
    tops = [bucket.ttft_p50 or 0.0 for bucket in buckets]
    most = max(tops) or 1.0
    rows = tuple(
        (format_duration(bucket.begin * NS_PER_S) if bucket.begin else "0", f"{bucket.requests:,}", f"{bucket.success_rate:.1%}", _time(bucket.ttft_p50), _bar(top / most), _time(bucket.ttft_p95), _time(bucket.tpot_p50), f"{bucket.output_tokens:,.0f}")
        for bucket, top in zip(buckets, tops, strict=True)
    )  # fmt: skip
    columns = ("from", "requests", "succeeded", "TTFT p50", "", "p95", "TPOT p50", "tokens/s")
    return Table("Over time", columns, rows, text=(0, 4))


def _history(history: History) -> Iterator[Block]:
    most = max((value for _, _, value in history.runs), default=0.0) or 1.0
    steps = {change.run: change for change in history.changes}
    rows = tuple(
        (
            run,
            started[:19].replace("T", " "),
            f"{value:.4g}",
            _bar(value / most),
            _step(steps.get(run)),
        )
        for run, started, value in history.runs
    )
    yield Table(f"{history.quantity} over {len(rows)} runs", ("run", "started", "", "", ""), rows, text=(0, 1, 3, 4))  # fmt: skip
    if history.needs is not None:
        yield Note(f"steps are looked for from {history.needs} runs on", "plain")
    elif not steps:
        yield Note("no step in the history", "good")
    if history.trend is not None and history.trend_interval is not None:
        low, high = history.trend_interval
        yield Note(f"trend: {history.trend:+.1%} ({low:+.1%} .. {high:+.1%}) over the history")


def _step(change: Change | None) -> str:
    return "" if change is None else f"step {change.after / change.before - 1.0:+.0%} from here"


def _bar(share: float) -> str:
    """Eight eighths a sign, at most ten signs."""
    eighths = round(max(0.0, min(share, 1.0)) * 80)
    return "█" * (eighths // 8) + (_BARS[eighths % 8 - 1] if eighths % 8 else "")


def _ends(found: Distribution, stat: str) -> str:
    ends = found.interval.get(stat)
    return f"{_time(ends[0])} .. {_time(ends[1])}" if ends else ""


def _time(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds * NS_PER_S)
