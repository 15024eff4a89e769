"""A comparison, to be read: who is faster, by how much, how sure that is, and what it costs."""

from collections.abc import Iterator
from decimal import Decimal

from llm_latency_lens.model.comparison import ArmResult, Comparison, Contrast
from llm_latency_lens.report.document import Block, Fact, Facts, Note, Report, Table, Tone
from llm_latency_lens.report.ending import abort_words
from llm_latency_lens.report.offered import prompts_fact
from llm_latency_lens.units import NS_PER_S, format_duration, format_money, format_rate

_LESS_MORE: dict[str, tuple[str, str]] = {
    "cost": ("cheaper", "more expensive"),
    "output_tokens": ("shorter", "longer"),
    "chars_per_second": ("slower", "faster"),
}
_NAMES = {
    "ttft": "TTFT",
    "tpot": "TPOT",
    "e2e": "end to end",
    "chars_per_second": "characters per second",
    "cost": "cost",
    "output_tokens": "output tokens",
}


def comparison_report(comparison: Comparison) -> Report:
    """The verdict first, then each target, each question, and how far to trust it."""
    blocks: list[Block | None] = [
        *_verdict(comparison),
        _asked(comparison),
        _targets(comparison),
        _contrasts(comparison),
        _doubts(comparison),
    ]
    title = f"comparison {comparison.run['id']}"
    return Report(title, tuple(block for block in blocks if block is not None))


def said(contrast: Contrast, margin: float) -> str:
    """A finding in words: `9.1% faster`, `equivalent within 5%`, `inconclusive: ...`."""
    if contrast.ratio is None:
        more = (contrast.needs or 0) - contrast.pairs
        return f"not asked: needs {more:,} more pairs"
    if contrast.finding == "equivalent":
        return f"equivalent within {margin:.0%}"
    if contrast.finding == "inconclusive":
        return f"inconclusive: {_why(contrast)}"
    less, more_ = _LESS_MORE.get(contrast.metric, ("faster", "slower"))
    return f"{abs(contrast.ratio - 1):.1%} {less if contrast.finding == 'less' else more_}"


def _why(contrast: Contrast) -> str:
    """What keeps a question open, and what to do."""
    if contrast.interval is None and contrast.needs is not None:
        left = contrast.pairs / contrast.tau
        return (
            f"pairs are correlated ({contrast.pairs:,} carry the information of about {left:,.0f});"
            f" needs about {contrast.needs:,} pairs"
        )
    if contrast.reason:
        return "not to be trusted"
    if contrast.pairs_wanted is not None:
        return f"needs about {contrast.pairs_wanted:,} pairs"
    return f"known biases of up to {format_duration(contrast.bias * NS_PER_S)} can explain it"


def _verdict(comparison: Comparison) -> Iterator[Block]:
    if comparison.abort is not None:
        yield Note(f"stopped: {abort_words(comparison.abort)}", "bad")
    if comparison.verdict == "INVALID":
        reasons = "; ".join(_reasons(comparison))
        yield Note(f"INVALID: the difference can't be told from a bias: {reasons}", "bad")
    first = comparison.arms[0]
    for contrast in (one for one in comparison.contrasts if one.primary):
        if comparison.verdict == "INVALID" and contrast.invalid:
            continue
        arm = next(arm for arm in comparison.arms if arm.label == contrast.arm)
        words = f"{arm.label} ({arm.target}) against {first.label} ({first.target}): "
        words += f"{_NAMES[contrast.metric]} {said(contrast, comparison.margin)}"
        yield Note(words, "warn" if contrast.finding == "inconclusive" else "good")
        if contrast.reason:
            yield Note(f"{_NAMES[contrast.metric]} decides nothing: {contrast.reason}", "warn")
        elif contrast.bias > 0.0 and contrast.finding in {"less", "more"}:
            shown = format_duration(contrast.bias * NS_PER_S)
            words = f"The difference exceeds what the known biases (up to {shown}) can explain."
            yield Note(words, "plain")
    for caveat in comparison.caveats:
        yield Note(caveat, "warn")


def _reasons(comparison: Comparison) -> list[str]:
    """Why the primary question is not decided, else every check that is INVALID."""
    primary = (one for one in comparison.contrasts if one.primary and one.invalid)
    reasons = list(dict.fromkeys(one.reason or _why(one) for one in primary))
    checks = (*comparison.quality.checks, *(c for arm in comparison.arms for c in arm.checks))
    return reasons or [check.words for check in checks if check.verdict == "INVALID"]


def _asked(comparison: Comparison) -> Block:
    pairs = max((one.pairs for one in comparison.contrasts), default=0)
    offered = comparison.offered
    facts = [
        Fact("asked", f"{offered.sent:,} requests in rounds", f"seed {comparison.run['seed']}"),
        prompts_fact(comparison.run["spec"]["workload"]),
        Fact("pairs", f"{pairs:,} complete", f"{offered.warmup} warm-up requests left out"),
        Fact("margin", f"{comparison.margin:.0%}", "smaller differences do not matter here"),
    ]
    metric = comparison.primary.partition(".")[0]
    floor = comparison.noise_floor.get(metric)
    if floor is not None:
        words = f"{_NAMES[metric]} {floor:.1%}"
        facts.append(Fact("noise floor", words, "A against itself, in 95 % of pairings"))
    return Facts("Comparison", tuple(facts))


def _targets(comparison: Comparison) -> Block:
    rows = tuple(_target(arm) for arm in comparison.arms)
    columns = (
        "",
        "target",
        "TTFT p50",
        "p95",
        "TPOT p50",
        "end to end p50",
        "succeeded",
        "decodes",
        "characters/s",
        "cost each",
        "",
    )
    notes = " ".join(f"{arm.label}: {arm.base_url}" for arm in comparison.arms)
    return Table("Targets", columns, rows, notes, text=(0, 1))


def _target(arm: ArmResult) -> tuple[str, ...]:
    total = sum(arm.outcomes.values())
    speed = arm.metrics.get("decode_speed")
    decodes = format_rate(speed.p50, "tokens") if speed and speed.p50 is not None else "-"
    text = arm.metrics.get("chars_per_second")
    characters = f"{text.p50:,.0f}" if text and text.p50 is not None else "-"
    mean = arm.cost.mean if arm.cost is not None else None
    return (
        arm.label,
        arm.target,
        _time(arm, "ttft", "p50"),
        _time(arm, "ttft", "p95"),
        _time(arm, "tpot", "p50"),
        _time(arm, "e2e", "p50"),
        f"{arm.outcomes['ok']:,} of {total:,}",
        decodes,
        characters,
        format_money(Decimal(mean)) if mean is not None else "unknown",
        "" if arm.verdict == "VALID" else arm.verdict,
    )


def _time(arm: ArmResult, metric: str, stat: str) -> str:
    found = arm.metrics.get(metric)
    value = getattr(found, stat) if found is not None else None
    return "-" if value is None else format_duration(value * NS_PER_S)


def _contrasts(comparison: Comparison) -> Block:
    rows = tuple(_row(one, comparison.margin) for one in comparison.contrasts)
    columns = ("against A", "", "change", "interval", "pairs", "p", "finding")
    note = (
        "change: Hodges-Lehmann ratio over pairs, or of the p95; intervals and p-values hold for"
        " all questions together (* the one asked first has its own level), allow for correlated"
        " requests and hold whatever the known biases are"
    )
    return Table("What differs", columns, rows, note, text=(0, 1, 6))


def _row(one: Contrast, margin: float) -> tuple[str, ...]:
    stat = "" if one.stat == "location" else f" {one.stat}"
    interval = change = p = "-"
    if one.ratio is not None:
        change = f"{one.ratio - 1:+.1%}"
    if one.interval is not None:
        low, high = (end - 1.0 for end in one.interval)
        interval = f"{low:+.1%} .. {high:+.1%}"
        p = "-" if one.p_value is None else _probability(one.p_value)
    mark = " *" if one.primary else ""
    name = f"{_NAMES[one.metric]}{stat}{mark}"
    return one.arm, name, change, interval, f"{one.pairs:,}", p, said(one, margin)


def _probability(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def _doubts(comparison: Comparison) -> Block | None:
    tones: dict[str, Tone] = {"WARN": "warn", "INSUFFICIENT": "warn", "INVALID": "bad"}
    whole = [("", check) for check in comparison.quality.checks]
    each = [(f" {arm.label}", check) for arm in comparison.arms for check in arm.checks]
    facts = tuple(
        Fact(
            f"{check.name}{label}",
            f"{check.verdict}: {check.words}",
            check.remedy,
            tones[check.verdict],
        )
        for label, check in (*whole, *each)
        if check.verdict != "VALID"
    )
    return Facts("What to doubt", facts) if facts else None
