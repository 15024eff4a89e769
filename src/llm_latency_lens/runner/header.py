"""A run's identity card: what it was asked to do, resolved, with its hashes. Never a secret."""

import hashlib
import secrets
from datetime import UTC, datetime
from typing import Any

import msgspec

from llm_latency_lens.model.run import ArmSpec, RunHeader
from llm_latency_lens.runner.environment import describe_environment
from llm_latency_lens.runner.messages import Arm, Order
from llm_latency_lens.schedule.check import schedule_hash
from llm_latency_lens.workload.workload import describe_workload


def make_header(
    order: Order,
    wall: int,
    command: tuple[str, ...],
    **more: Any,  # noqa: ANN401 - plain values
) -> RunHeader:
    """The header of a run that begins at `wall` (ns since 1970).

    `more` are further settings, as plain values.
    """
    spec = {**_spec(order), **more}
    started = datetime.fromtimestamp(wall / 1e9, UTC)
    return RunHeader(
        id=f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        started=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        command=command,
        spec=spec,
        spec_sha256=_hash_of(spec),
        schedule_sha256=schedule_hash(order.plan),
        environment=describe_environment(),
        seed=order.plan.seed,
    )


def _spec(order: Order) -> dict[str, Any]:
    first = order.arms[0]
    target = first.target
    return {
        "target": target.public_name,
        "arms": [msgspec.to_builtins(_arm(arm)) for arm in order.arms],
        "base_url": str(target.base_url),
        "proxy": str(target.proxy.url) if target.proxy else None,
        "plan": msgspec.to_builtins(order.plan),
        "workload": describe_workload(order.workload),
        "limits": msgspec.to_builtins(order.limits),
        "workers": order.workers,
        "retries": order.retries,
        "stamps": order.stamps,
        "price_as": target.price_as,
        "price": msgspec.to_builtins(first.price),
        "max_cost": str(order.cap) if order.cap is not None else None,
        "dialect": target.dialect,
        "spread_addresses": target.spread_addresses,
        "credential": target.credential,
    }


def _arm(arm: Arm) -> ArmSpec:
    return ArmSpec(
        target=arm.target.public_name,
        base_url=str(arm.target.base_url),
        price=msgspec.to_builtins(arm.price),
    )


def _hash_of(spec: dict[str, Any]) -> str:
    """SHA-256 over a specification but for its salt, which is another in every run of the same."""
    asked = {key: value for key, value in spec["workload"].items() if key != "salt"}
    whole = {**spec, "workload": asked}
    return hashlib.sha256(msgspec.json.encode(whole, order="deterministic")).hexdigest()
