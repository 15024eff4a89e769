"""Before a run: what it would cost, and whether that is wanted."""

import sys
from decimal import Decimal

import click
from msgspec import Struct

from llm_latency_lens.cost.estimate import Estimate, estimate
from llm_latency_lens.errors import UsageError
from llm_latency_lens.profiler import Benchmark
from llm_latency_lens.schedule.share import planned_in_phase
from llm_latency_lens.units import format_money
from llm_latency_lens.wire.dialect import UNSTREAMED
from llm_latency_lens.workload.workload import request_for


class Unbounded(Struct, frozen=True):
    """Nobody can say what a plan costs: nothing bounds its number of requests."""


def estimate_plan(prepared: Benchmark) -> Estimate | Unbounded | None:
    """What the plan would cost, warm-up included; None where the price is unknown."""
    order = prepared.order
    price = order.arms[0].price
    if price is None:
        return None
    counts = [planned_in_phase(order.plan, index) for index in range(len(order.plan.phases))]
    if any(count is None for count in counts):
        return Unbounded()
    samples = range(len(order.workload.conversations))
    wishes = tuple(request_for(order.workload, "measure", number) for number in samples)
    requests = sum(count for count in counts if count is not None)
    generates = order.arms[0].target.dialect not in UNSTREAMED
    return estimate(wishes, requests, price, generates=generates)


def consent(prepared: Benchmark, ask_above: Decimal, *, yes: bool) -> None:
    """Show an expensive run's estimate and ask; with a cap there is nothing to ask.

    Raises:
        UsageError: nobody is there to answer, or the answer is no.
    """
    if yes or prepared.order.cap is not None:
        return
    found = estimate_plan(prepared)
    if found is None:
        return
    if isinstance(found, Unbounded):
        words = "nothing bounds this run's number of requests, and with it its cost"
    elif found.high <= ask_above:
        return
    else:
        words = (
            f"this run may cost {format_money(found.low)} to {format_money(found.high)},"
            f" about {format_money(found.expected)} ({found.requests:,} requests, {found.basis})"
        )
    if not sys.stdin.isatty():
        raise UsageError(f"{words}; say --yes, or set --max-cost")
    click.echo(words, err=True)
    if not click.confirm("Go on?", err=True):
        raise UsageError("nothing was sent")
