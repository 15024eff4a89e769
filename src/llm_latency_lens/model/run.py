"""What a run was asked to do and where it ran: enough to repeat it, and to know what it can be compared with."""

from typing import Any

from msgspec import Struct

RUN_SCHEMA = "llm-latency-lens/run/1"


class ArmSpec(Struct, frozen=True, kw_only=True):
    """One target of a run as its header has it; `price` is the model's, as plain values."""

    target: str
    base_url: str
    price: dict[str, Any] | None = None


class RunHeader(Struct, frozen=True, kw_only=True):
    """A run's identity card. `spec` is the resolved configuration (never a secret), `started` RFC 3339 UTC."""

    id: str
    started: str
    command: tuple[str, ...]
    spec: dict[str, Any]
    spec_sha256: str
    schedule_sha256: str
    environment: dict[str, Any]
    seed: int
    schema: str = RUN_SCHEMA
