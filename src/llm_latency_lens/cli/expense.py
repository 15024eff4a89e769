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
from llm_latency_lens.wire.dialect import load_dialect
from llm_latency_lens.workload.workload import request_for


class Unbounded(Struct, frozen=True):
    """Nobody can say what a plan costs: nothing bounds its number of requests."""


def estimate_plan(prepared: Benchmark, requests: int | None = None) -> Estimate | Unbounded | None:
    """What the plan would cost, warm-up included; None where the price is unknown.

    `requests` are those of a search, which decides as it goes how many it sends.
    """
    order = prepared.order
    price = order.arms[0].price
    if price is None:
        return None
    if requests is None:
        counts = [planned_in_phase(order.plan, index) for index in range(len(order.plan.phases))]
        if any(count is None for count in counts):
            return Unbounded()
        requests = sum(count for count in counts if count is not None)
    samples = range(len(order.workload.conversations))
    wishes = tuple(request_for(order.workload, "measure", number) for number in samples)
    generates = load_dialect(order.arms[0].target.dialect).streams
    return estimate(wishes, requests, price, generates=generates)


def consent(
    prepared: Benchmark, ask_above: Decimal, *, yes: bool, most_sent: int | None = None
) -> None:
    """Show an expensive run's estimate and ask; with a cap there is nothing to ask.

    `most_sent` is how many requests a search may send.

    Raises:
        UsageError: nobody is there to answer, or the answer is no.
    """
    if yes or prepared.order.cap is not None:
        return
    found = estimate_plan(prepared, most_sent)
    if found is None or (isinstance(found, Estimate) and found.high <= ask_above):
        return
    words = _cost_words(found, is_search=most_sent is not None)
    if not sys.stdin.isatty():
        raise UsageError(f"{words}; say --yes, or set --max-cost")
    click.echo(words, err=True)
    if not click.confirm("Go on?", err=True):
        raise UsageError("nothing was sent")


def _cost_words(found: Estimate | Unbounded, *, is_search: bool) -> str:
    if isinstance(found, Unbounded):
        return "nothing bounds this run's number of requests, and with it its cost"
    high = format_money(found.high)
    if is_search:
        most = f"at most {found.requests:,} requests, {found.basis}"
        return f"this search may cost up to {high} ({most})"
    return (
        f"this run may cost {format_money(found.low)} to {high}, about"
        f" {format_money(found.expected)} ({found.requests:,} requests, {found.basis})"
    )
