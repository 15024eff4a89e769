"""The load of a run, as a part of its report."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from llm_latency_lens.model.result import Result
from llm_latency_lens.report.cells import statistic_cell, time_cell
from llm_latency_lens.report.document import Block, Fact, Facts
from llm_latency_lens.units import (
    format_duration,
    format_money,
    format_number,
    format_rate,
    format_size,
)
from llm_latency_lens.workload.workload import TAG_CHARACTERS, TAG_TOKENS

_SHOWN_ADDRESSES = 4
_SHORTEST_S = 0.1
"""The share of a CPU that a shorter run took says nothing."""


def offered_section(result: Result) -> Block:
    """What load was asked for, and what became of it."""
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
    yield prompts_fact(result.run["spec"]["workload"])


def prompts_fact(workload: dict[str, Any]) -> Fact:
    """Whether prompts are unlike each other, and what that adds to them."""
    count = workload["conversations"]["count"]
    prompts = "1 prompt" if count == 1 else f"{count:,} prompts in turn"
    if not workload["nonce"]:
        words = "a prompt cache may answer for the model"
        return Fact("prompts", f"{prompts}, repeated as they are", words)
    words = f"{TAG_CHARACTERS} characters, about {TAG_TOKENS} tokens more"
    salt = workload.get("salt")
    again = f"; the same prompts again: --seed {workload['seed']} --nonce-salt {salt}"
    return Fact("prompts", f"{prompts}, each request tagged", words + (again if salt else ""))


def _rate(result: Result) -> Iterator[Fact]:
    offered = result.offered
    if offered.achieved is not None and offered.rate is not None:
        planned = f"{offered.rate:.4g}/s planned by the schedule"
        yield Fact("rate", f"{offered.achieved:.4g}/s started", planned)


def _slip(result: Result) -> Iterator[Fact]:
    slip = result.offered.slip
    if slip is not None and slip.n:
        label = "schedule slip" if result.offered.mode == "open" else "slot to start"
        p50, p99 = statistic_cell(slip, "p50"), statistic_cell(slip, "p99")
        shown = f"p50 {p50}, p99 {p99}, max {time_cell(slip.max)}"
        yield Fact(label, shown, "begun - intended")


def _in_flight(result: Result) -> Iterator[Fact]:
    through, quality = result.throughput, result.quality
    if through.mean_in_flight is not None:
        most = (
            f"{format_number(through.mean_in_flight)} on average, {through.max_in_flight} at most"
        )
        yield Fact("in flight", most)
    if quality.new_connections or quality.reused_connections:
        new, kept = f"{quality.new_connections:,}", f"{quality.reused_connections:,}"
        yield Fact("connections", f"{new} requests on new ones, {kept} on kept ones")
    yield from _addresses(result)


def _addresses(result: Result) -> Iterator[Fact]:
    """Which of a name's addresses were measured, where it has several."""
    remotes, known = result.quality.remotes, result.quality.addresses
    if known < 2 and len(remotes) < 2:
        return
    ranked = sorted(remotes.items(), key=lambda item: -item[1])
    shown = ", ".join(f"{remote} ({count:,})" for remote, count in ranked[:_SHOWN_ADDRESSES])
    more = f" and {len(ranked) - _SHOWN_ADDRESSES} more" if len(ranked) > _SHOWN_ADDRESSES else ""
    used = f"{len(remotes)} of the name's {max(known, len(remotes))} addresses: {shown}{more}"
    rest = "--spread-addresses connects to all in turn" if len(remotes) < known else ""
    yield Fact("addresses", used, rest)


def _client(result: Result) -> Iterator[Fact]:
    client = result.quality.client
    if client:
        workers = client["workers"]
        parts = ["1 process" if workers == 1 else f"{workers} processes"]
        # A run that was stopped before it began has no length.
        if client["seconds"] > _SHORTEST_S and workers:
            parts.append(f"{client['cpu_seconds'] / client['seconds'] / workers:.0%} CPU each")
        parts.append(format_size(client["peak_memory"]))
        yield Fact("measured by", ", ".join(parts), client["loop"])


def _until(result: Result) -> str:
    stop = result.run["spec"]["plan"]["phases"][-1]["stop"]
    parts = []
    if stop["requests"] is not None:
        parts.append(f"{stop['requests']:,} requests")
    if stop["duration"] is not None:
        parts.append(format_duration(stop["duration"]))
    return " or ".join(parts)


def _warmup(result: Result) -> str:
    count = result.offered.warmup
    if not count:
        return ""
    words = f"{count:,} warm-up request{'s' * (count > 1)} before, in no latency"
    spent = Decimal(result.cost.warmup) if result.cost is not None else Decimal(0)
    return f"{words}; {format_money(spent)} of the cost" if spent else words
