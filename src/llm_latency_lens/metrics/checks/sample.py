"""Q12 to Q14: are there enough independent requests, and who is missing among them?"""

import math

from llm_latency_lens.metrics.checks.evidence import ANSWER, Evidence, graded
from llm_latency_lens.metrics.column import STEADY, bias_budget
from llm_latency_lens.model.result import HEADLINE, Check, Distribution, Verdict
from llm_latency_lens.stats.dependence import VALUES_PER_TAU
from llm_latency_lens.stats.quantiles import minimum_samples
from llm_latency_lens.units import format_money

_STRONG = 5.0
_FEW = 10
"""Fewer independent requests support no statement on a median."""
_WIDE, _TOO_WIDE = 0.10, 0.25
_AIM = 0.10


def size(e: Evidence) -> Check | None:
    """Q13: which percentiles the sample supports (of TTFT, of e2e where answers are not streamed)."""
    succeeded = e.summary.outcomes["ok"]
    found = e.metrics.get("ttft") or e.metrics.get("e2e")
    if not succeeded or found is None:
        return Check(
            id="Q13",
            name="sample size",
            verdict="INSUFFICIENT",
            value=0.0,
            unit="requests",
            words="no successful request has a latency" if succeeded else "no request succeeded",
            remedy="see the outcomes" if succeeded or not e.summary.measured else "see what failed",
            metrics=("*",),
        )
    needs = found.needs
    if "p50" in needs:
        return Check(
            id="Q13",
            name="sample size",
            verdict="INSUFFICIENT",
            value=float(found.n),
            unit="requests",
            words=f"{found.n} successful requests support no percentile",
            remedy=f"run at least {needs['p50']} requests",
            metrics=ANSWER,
        )
    wanting = ", ".join(f"{_shown(name)} needs {count:,}" for name, count in needs.items())
    return Check(
        id="Q13",
        name="sample size",
        verdict="VALID",
        value=float(found.n),
        unit="requests",
        words=f"{found.n:,} successful requests; {wanting or 'they support every percentile'}",
    )


def precision(e: Evidence) -> Check | None:
    """Q13: how wide the medians' intervals are, and what a precise p95 would take."""
    ttft = e.metrics.get("ttft")
    if ttft is None or ttft.p50 is None:
        return None
    widths = {name: half_width(found, "p50") for name in ANSWER if (found := e.metrics.get(name))}
    known = {name: width for name, width in widths.items() if width is not None}
    withheld = tuple(name for name in widths if name not in known and e.metrics[name].p50)
    wide = tuple(name for name, width in known.items() if width > _WIDE)
    worst = max(known.values(), default=0.0)
    verdict: Verdict = "VALID"
    if wide:
        verdict = "INSUFFICIENT" if worst > _TOO_WIDE else "WARN"
    # A metric whose median is known within 25 % is only warned of, whatever the others are.
    metrics = tuple(name for name in wide if verdict == "WARN" or known[name] > _TOO_WIDE)
    return Check(
        id="Q13", name="precision", verdict=verdict, value=worst, unit="ratio",
        words=f"{_medians(known, withheld)}; {_wish(ttft, e)}",
        remedy="" if verdict == "VALID" else "measure longer: four times the requests halve the interval",
        metrics=metrics,
    )  # fmt: skip


def _medians(known: dict[str, float], withheld: tuple[str, ...]) -> str:
    """How well the medians are known, and which have no interval."""
    if not known:
        return "no median has an interval"
    width = f"{max(known.values()):.1%}"
    if not withheld:
        return f"medians are known within {width}"
    first = [name for name in HEADLINE if name in withheld] or list(withheld)
    more = f" and {len(withheld) - len(first)} more" if len(withheld) > len(first) else ""
    return (
        f"there is no interval for the median of {', '.join(first)}{more}; the others are known"
        f" within {width}"
    )


def dependence(e: Evidence) -> Check | None:
    """Q12: requests that share a queue are not independent."""
    taus = {
        name: found.tau or 1.0
        for name in ANSWER
        if (found := e.metrics.get(name)) is not None and _is_correlated(found)
    }
    if not taus:
        return None
    name = next((metric for metric in HEADLINE if metric in taus), next(iter(taus)))
    found, tau = e.metrics[name], taus[name]
    few = tuple(metric for metric in taus if e.metrics[metric].n / taus[metric] < _FEW)
    return Check(
        id="Q12",
        name="dependence",
        verdict="INSUFFICIENT" if few else "WARN",
        value=tau,
        unit="requests",
        words=f"requests are correlated: {found.n:,} requests carry the information of about"
        f" {found.n / tau:,.0f} independent ones ({name}); {_consequence(found, tau)}",
        remedy="measure longer, or at a lower load where requests do not wait for each other",
        metrics=few or tuple(taus),
    )


def _is_correlated(found: Distribution) -> bool:
    """Whether dependence took the median's interval away, or leaves it wide."""
    # A rate is the reciprocal of a time: it adds nothing, and has no budget in seconds.
    if found.unit != "s" or found.p50 is None or found.tau is None or found.tau <= 1.0:
        return False
    width = half_width(found, "p50")
    # A median that is known well is not to be doubted: a server as regular as a clock, say.
    steady = STEADY * bias_budget(found.unit, found.p50)
    return width is None or (found.tau > _STRONG and width * found.p50 > steady)


def _consequence(found: Distribution, tau: float) -> str:
    if "p50" in found.interval:
        return f"intervals are {math.sqrt(tau):.1f} times as wide as without that"
    wanted = _rounded(max(VALUES_PER_TAU * tau, 1.25 * found.n))
    return f"intervals are withheld: measure longer, about {wanted:,} requests"


def _rounded(count: float) -> int:
    """Up to two digits."""
    unit = int(10 ** max(0, math.floor(math.log10(count)) - 1))
    return math.ceil(count / unit) * unit


def censoring(e: Evidence) -> Check | None:
    """Q14: requests that failed are in no latency, and the slowest fail first."""
    cut = censored_share(e)
    if cut <= 0:
        return None
    verdict = graded(cut, 0.01, 0.05)
    return Check(
        id="Q14", name="failed or unsent", verdict=verdict, value=cut, unit="ratio",
        words=f"{cut:.1%} of the planned requests did not succeed and are in no latency",
        remedy="" if verdict == "VALID" else "latency of the rest only flatters: read it beside the failures",
        metrics=() if verdict == "VALID" else ANSWER,
    )  # fmt: skip


def censored_share(e: Evidence) -> float:
    """The share of what should have been measured that was not; beyond 1 - it no percentile is known."""
    planned = e.counts.planned - e.counts.withheld
    return 1.0 - e.summary.outcomes["ok"] / planned if planned else 0.0


def half_width(found: Distribution, name: str) -> float | None:
    """Half the interval of a percentile, relative to it."""
    value, interval = getattr(found, name), found.interval.get(name)
    return (interval[1] - interval[0]) / 2.0 / value if value and interval else None


def _wish(ttft: Distribution, e: Evidence) -> str:
    """What a precise p95 would take."""
    width = half_width(ttft, "p95")
    if width is None:
        more = max(ttft.needs.get("p95", _p95_needs(ttft)) - ttft.n, 1)
        return f"TTFT p95 has no interval yet: about {more:,} more requests{_dollars(e, more)}"
    if width <= _AIM:
        return f"TTFT p95 within {width:.1%}"
    more = math.ceil(ttft.n * ((width / _AIM) ** 2 - 1.0))
    return (
        f"TTFT p95 within {width:.1%}: {_AIM:.0%} takes about {more:,} more requests"
        f"{_dollars(e, more)}"
    )


def _p95_needs(ttft: Distribution) -> int:
    """How many requests support an interval of the p95, dependent as they are."""
    fewest = max(minimum_samples(0.95), VALUES_PER_TAU)
    return _rounded(fewest * (ttft.tau or 1.0))


def _dollars(e: Evidence, requests: int) -> str:
    spending = e.summary.spending
    if not spending.priced or not spending.total:
        return ""
    return f", about {format_money(spending.total / spending.priced * max(requests, 1))}"


def _shown(name: str) -> str:
    return name.replace("_", ".")
