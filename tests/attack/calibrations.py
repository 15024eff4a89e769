"""How often intervals cover and tests err when neighbouring requests depend on each other.

Every row repeats one experiment with fixed seeds, decided by the same functions as in a run. The
processes are an AR(1) of log latencies (`rho` between neighbours) and the response times of a
single-server queue (`rho` is its utilisation); their true quantiles and means are known in closed
form.
"""

import math
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llm_latency_lens.metrics.column import PERCENTILES, Column, PooledColumn
from llm_latency_lens.metrics.contrasts import Question, contrasts, noise_floor
from llm_latency_lens.metrics.pairs import Pairs
from llm_latency_lens.model.comparison import Contrast
from llm_latency_lens.model.result import Distribution
from llm_latency_lens.stats.dependence import tail_dependence
from llm_latency_lens.stats.sequential import anytime_ranks

Floats = NDArray[np.float64]
Rng = np.random.Generator
Process = Callable[[Rng, int, int, float], Floats]
"""Of a generator, a number of runs, requests a run and `rho` to latencies (s), one run a row."""

SIGMA = 0.5
GAPS, SPREAD = 50, 0.1
RHOS = (0.0, 0.5, 0.8, 0.9)
UTILISATIONS = (0.5, 0.8)
SIZES = (100, 400, 1000, 4000)
RARELY = 0.1
"""Where fewer runs print an interval, those are by selection the calm ones; see `Row.holds`."""


class Row(Struct, frozen=True, kw_only=True):
    """One line of the table.

    Attributes:
        what: the interval or test, and the process.
        rho: autocorrelation of neighbours, or the utilisation of the queue.
        n: requests (or pairs) a run.
        nominal: the rate that is promised: at least, of intervals that cover; at most, of errors.
        observed: the rate seen, over runs that printed an interval; of errors over all runs.
        trials: how many runs.
        printed: share of runs in which there was an interval or a decision at all.
        coverage: whether the rates are of coverage (else of errors).
    """

    what: str
    rho: float
    n: int
    nominal: float
    observed: float
    trials: int
    printed: float
    coverage: bool

    @property
    def holds(self) -> bool:
        """Whether the rate is as promised, less three binomial standard errors.

        Where less than a tenth of the runs print an interval, the rate is that of intervals that
        are printed and miss, over all runs.
        """
        if not self.printed:
            return True
        error = 1.0 - self.nominal if self.coverage else self.nominal
        seen = 1.0 - self.observed if self.coverage else self.observed
        trials = self.trials * (self.printed if self.coverage else 1.0)
        if self.coverage and self.printed < RARELY:
            seen, trials = seen * self.printed, float(self.trials)
        return seen <= error + 3.0 * math.sqrt(error * (1.0 - error) / trials) + 1e-12


def autoregressive(rng: Rng, runs: int, n: int, rho: float) -> Floats:
    """Lognormal latencies whose logarithms are an AR(1)."""
    noise = rng.normal(size=(n, runs))
    logs, scale = noise.copy(), math.sqrt(1.0 - rho * rho)
    for i in range(1, n):
        logs[i] = rho * logs[i - 1] + scale * noise[i]
    return 0.1 * np.exp(SIGMA * logs.T)


def queue(rng: Rng, runs: int, n: int, utilisation: float) -> Floats:
    """Response times of a stationary M/M/1 queue, in the order of arrival; mean service 0.1 s."""
    busy = rng.random(runs) < utilisation
    wait = np.where(busy, rng.exponential(1.0 / (1.0 - utilisation), runs), 0.0)
    gaps = rng.exponential(1.0 / utilisation, (n, runs))
    work, responses = rng.exponential(1.0, (n, runs)), np.empty((n, runs))
    for i in range(n):
        responses[i] = wait + work[i]
        wait = np.maximum(0.0, responses[i] - gaps[i])
    return 0.1 * responses.T


def truth(process: Process, rho: float, stat: str) -> float:
    """The true percentile or mean of the process (s)."""
    p = PERCENTILES.get(stat)
    if process is queue:
        scale = 0.1 / (1.0 - rho)
        return scale if p is None else -scale * math.log(1.0 - p)
    return 0.1 * math.exp(SIGMA**2 / 2.0 if p is None else SIGMA * NormalDist().inv_cdf(p))


def table(trials: int) -> list[Row]:
    """Measure every row with so many runs (a quarter of them where a run is long)."""
    rows: list[Row] = []
    for process, rho in (*((autoregressive, r) for r in RHOS), *((queue, u) for u in UTILISATIONS)):
        for n in SIZES:
            runs = trials if n < 4000 else max(trials // 4, 50)
            rows += distributions(process, rho, n, runs)
            if n >= 1000:
                rows.append(anytime(process, rho, n, max(trials // 4, 50)))
    for rho in RHOS:
        for n in (100, 400):
            rows += pooled(rho, n, max(trials // 4, 50))
            rows += differences(autoregressive, rho, n, trials)
            rows.append(floors(rho, n, trials))
    for utilisation in UTILISATIONS:
        rows += differences(queue, utilisation, 400, trials)
    return rows


def distributions(process: Process, rho: float, n: int, trials: int) -> Iterator[Row]:
    """Intervals of percentiles and of the mean, as a column of a metric gives them."""
    rng, found = np.random.Generator(np.random.PCG64(1)), []
    for values in process(rng, trials, n, rho):
        column = Column()
        column.values.frombytes(values.tobytes())
        column._present = n
        found.append(column.distribution("s"))
    for stat in ("p50", "p75", "p90", "p95", "p99", "mean"):
        name = f"{stat} interval, {_named(process)}"
        yield covered(name, (rho, n), found, (stat, truth(process, rho, stat)))


def pooled(rho: float, n: int, trials: int) -> Iterator[Row]:
    """Intervals of pooled gaps of requests that depend on each other."""
    rng, found = np.random.Generator(np.random.PCG64(2)), []
    spread = math.hypot(SIGMA, SPREAD)
    for levels in autoregressive(rng, trials, n, rho):
        column = PooledColumn()
        for level in levels:
            column.add(level * np.exp(SPREAD * rng.normal(size=GAPS)))
        found.append(column.distribution("s"))
    for stat in ("p50", "p90", "p95", "p99", "mean"):
        p = PERCENTILES.get(stat)
        log = spread**2 / 2.0 if p is None else spread * NormalDist().inv_cdf(p)
        yield covered(f"{stat} of pooled gaps", (rho, n), found, (stat, 0.1 * math.exp(log)))


def covered(
    what: str, where: tuple[float, int], found: list[Distribution], sought: tuple[str, float]
) -> Row:
    """How many of the intervals that are printed hold the true value."""
    stat, value = sought
    ends = [one.interval[stat] for one in found if stat in one.interval]
    hits = sum(low <= value <= high for low, high in ends)
    return Row(
        what=what,
        rho=where[0],
        n=where[1],
        nominal=0.95,
        observed=hits / len(ends) if ends else 1.0,
        trials=len(found),
        printed=len(ends) / len(found),
        coverage=True,
    )


def anytime(process: Process, rho: float, n: int, trials: int) -> Row:
    """The p90 interval that is looked at while the run goes on: runs in which it ever misses."""
    rng, p = np.random.Generator(np.random.PCG64(3)), 0.9
    value = truth(process, rho, "p90")
    missed = printed = 0
    for values in process(rng, trials, n, rho):
        seen = [_look(values[:size], p, value) for size in range(100, n + 1, n // 10)]
        printed += any(look is not None for look in seen)
        missed += any(look is False for look in seen)
    return Row(
        what=f"p90 at ten looks, {_named(process)}",
        rho=rho,
        n=n,
        nominal=0.05,
        observed=missed / trials,
        trials=trials,
        printed=printed / trials,
        coverage=False,
    )


def _look(values: Floats, p: float, value: float) -> bool | None:
    ranks = anytime_ranks(len(values), p, tau=tail_dependence(values, p))
    if ranks is None:
        return None
    ordered = np.sort(values)
    return bool(ordered[ranks[0]] <= value <= ordered[ranks[1]])


def differences(process: Process, rho: float, n: int, trials: int) -> Iterator[Row]:
    """A target against itself, decided as a comparison decides, without a margin."""
    rng = np.random.Generator(np.random.PCG64(4))
    first, second = process(rng, trials, n, rho), process(rng, trials, n, rho)
    for stat in ("location", "p95"):
        answers = [
            against_itself(a, b, stat, trial)
            for trial, (a, b) in enumerate(zip(first, second, strict=True))
        ]
        known = [one for one in answers if one.interval is not None]
        errors = {
            "finding": [one.finding in {"less", "more"} for one in known],
            "interval": [
                not one.interval[0] <= 1.0 <= one.interval[1] for one in known if one.interval
            ],
            "p-value": [one.p_value is not None and one.p_value < 0.05 for one in known],
        }
        for kind, wrong in errors.items():
            yield Row(
                what=f"A/A {stat} {kind}, {_named(process)}",
                rho=rho,
                n=n,
                nominal=0.05,
                observed=sum(wrong) / trials,
                trials=trials,
                printed=len(known) / trials,
                coverage=False,
            )


def against_itself(a: Floats, b: Floats, stat: str, seed: int) -> Contrast:
    """The primary contrast of two equal targets with these latencies, without a margin."""
    question = Question(metric="ttft", stat=stat, margin=1e-9)
    pairs = Pairs(2)
    for arm, values in enumerate((a, b)):
        pairs._values["ttft"][arm] = dict(enumerate(values.tolist()))
    answers = contrasts(pairs, ("A", "B"), question, seed)
    return next(one for one in answers if one.primary)


def floors(rho: float, n: int, trials: int) -> Row:
    """The noise floor: how often two equal targets seem further apart than it."""
    rng = np.random.Generator(np.random.PCG64(5))
    first, second = autoregressive(rng, trials, n, rho), autoregressive(rng, trials, n, rho)
    beyond = printed = 0
    for trial, (a, b) in enumerate(zip(first, second, strict=True)):
        one = against_itself(a, b, "location", trial)
        if one.interval is None or one.ratio is None:
            continue
        floor = noise_floor(a, one.tau)
        if floor is not None:
            printed += 1
            beyond += abs(math.log(one.ratio)) > math.log1p(floor)
    return Row(
        what="A/A beyond the noise floor",
        rho=rho,
        n=n,
        nominal=0.05,
        observed=beyond / trials,
        trials=trials,
        printed=printed / trials,
        coverage=False,
    )


def _named(process: Process) -> str:
    return "queue" if process is queue else "AR(1)"
