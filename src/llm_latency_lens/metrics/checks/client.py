"""Q1, Q2, Q4, Q5, Q7: was the client itself in order? Its clock, its loops, its CPUs, its stamps, its memory."""

import numpy as np

from llm_latency_lens.metrics.checks.evidence import (
    ANSWER,
    FROM_INTENDED,
    QUEUE,
    Evidence,
    budget,
    graded,
    worst,
)
from llm_latency_lens.model.result import Check
from llm_latency_lens.units import NS_PER_S, format_duration

_STEP = 0.05
_FULL = 0.7
_TAKEN = 0.01
"""Below so much of the CPU time, what a hypervisor or a quota takes is not looked at."""
_MORE_CPU = "give the client more cores (--workers), or a machine of its own"


def clock(e: Evidence) -> Check | None:
    """Q1: fine enough, and nobody set it or put the machine to sleep."""
    machine = e.machine
    if machine is None:
        return None
    facts, allowed = machine.clock, budget(e.metrics.get("ttft"))
    coarse = facts.resolution / NS_PER_S > allowed / 10.0
    step, slept = abs(machine.wall_step), machine.suspended or 0.0
    words = f"{facts.name}: {facts.resolution:g} ns resolution, {facts.read_cost:.0f} ns a reading"
    if slept > _STEP:
        words = f"the machine slept for {format_duration(slept * NS_PER_S)} during the run"
    elif step > _STEP:
        words = (
            f"wall time was set by {format_duration(machine.wall_step * NS_PER_S)} during the run"
        )
    verdict = graded(float(slept > _STEP) * 2 + float(coarse or step > _STEP), 0.5, 1.5)
    return Check(
        id="Q1", name="clock", verdict=verdict, value=facts.resolution / NS_PER_S, unit="s", words=words,
        remedy="" if verdict == "VALID" else "keep the machine awake and its clock steady, and run again",
        metrics=() if verdict == "VALID" else (*ANSWER, QUEUE),
    )  # fmt: skip


def loop_lag(e: Evidence) -> Check | None:
    """Q2: how long something that happened waited until a loop could look at it.

    Where arrivals are intervals and starts are counted as late, the delay is in their widths and in the
    schedule slip; elsewhere it is in every arrival.
    """
    if not e.vitals:
        return None
    allowed = budget(e.metrics.get("ttft"))
    added = max(vitals.added_delay for vitals in e.vitals)
    longest = max((length for v in e.vitals for _, length in v.blocked), default=0) / NS_PER_S
    touched = _touched_by_blocks(e, allowed) if e.unbounded else 0.0
    verdict = worst(
        [
            graded(added if e.unbounded else 0.0, allowed, 5.0 * allowed),
            graded(touched, 0.01, 0.05),
        ]
    )
    words = (
        f"a blocked loop adds {format_duration(added * NS_PER_S)} on average,"
        f" {format_duration(longest * NS_PER_S)} at most"
    )
    words += f"; {touched:.1%} of requests met a long block" if touched else ""
    return Check(
        id="Q2",
        name="loop lag",
        verdict=verdict,
        value=added,
        unit="s",
        words=words,
        remedy="" if verdict == "VALID" else _MORE_CPU,
        metrics=() if verdict == "VALID" else (*ANSWER, QUEUE),
        bound=None if verdict == "VALID" else longest,
    )


def _touched_by_blocks(e: Evidence, allowed: float) -> float:
    """The share of requests that a block longer than `allowed` (s) fell into."""
    touched = total = 0
    for vitals in e.vitals:
        spans = e.summary.timeline.of_worker(vitals.worker)
        total += len(spans)
        long = [(b, b + length) for b, length in vitals.blocked if length / NS_PER_S > allowed]
        if not long or not len(spans):
            continue
        begins, ends = np.array(long, np.int64).T
        # Blocks do not overlap: those begun before the request's end, less those over before its start.
        met = np.searchsorted(begins, spans[:, 1]) - np.searchsorted(
            ends, spans[:, 0], side="right"
        )
        touched += int((met > 0).sum())
    return touched / total if total else 0.0


def cpu(e: Evidence) -> Check | None:
    """Q4: had the measuring processes CPU to spare, and was none of it taken away?

    Where arrivals are intervals, a lack of CPU is already in their widths and in the schedule slip, and
    condemns nothing by itself. Where they are not, it moves every arrival by the loop's delay; and so it
    does where a hypervisor or a quota took the CPU, since the kernel's own stamps come late then.
    """
    if not e.vitals:
        return None
    bins = np.array([share for vitals in e.vitals for share in vitals.busy])
    peak = float(bins.max()) if len(bins) else 0.0
    taken = max((e.machine.steal or 0.0, e.machine.throttled or 0.0)) if e.machine else 0.0
    added = max(vitals.added_delay for vitals in e.vitals)
    allowed = budget(e.metrics.get("ttft"))
    unseen = taken > _TAKEN or (e.unbounded and peak > _FULL)
    verdict = graded(added if unseen else 0.0, allowed, 5.0 * allowed)
    return Check(
        id="Q4",
        name="CPU",
        verdict=verdict,
        value=peak,
        unit="ratio",
        words=_cpu_words(e, peak),
        remedy="" if verdict == "VALID" else _MORE_CPU,
        metrics=() if verdict == "VALID" else (*ANSWER, QUEUE),
        bound=None if verdict == "VALID" else added,
    )


def _cpu_words(e: Evidence, peak: float) -> str:
    switches = sum(vitals.switches for vitals in e.vitals)
    words = f"at most {peak:.0%} of a CPU in any second, {switches:,} times interrupted"
    steal = (e.machine.steal or 0.0) if e.machine else 0.0
    throttled = (e.machine.throttled or 0.0) if e.machine else 0.0
    words += f"; a hypervisor took {steal:.1%} of the CPU time" if steal > 0.0005 else ""
    return words + (f"; throttled {throttled:.1%} of the time" if throttled else "")


def collections(e: Evidence) -> Check | None:
    """Q7: the garbage collector is off while a worker measures; if it ran nevertheless, for how long."""
    pauses = [length / NS_PER_S for vitals in e.vitals for _, length in vitals.pauses]
    if not pauses:
        return None
    allowed = budget(e.metrics.get("ttft"))
    verdict = graded(max(pauses), allowed, 5.0 * allowed)
    return Check(
        id="Q7", name="garbage collection", verdict=verdict, value=max(pauses), unit="s",
        words=f"{len(pauses)} collections while measuring, {format_duration(max(pauses) * NS_PER_S)} at most",
        remedy="" if verdict == "VALID" else "a plugin collects garbage while requests run: keep it from that",
        metrics=() if verdict == "VALID" else (*FROM_INTENDED, QUEUE),
    )  # fmt: skip
