"""The service tier that a request asks for."""

from typing import Any


def asked_tier(extra: dict[str, Any]) -> str | None:
    """The service tier that a request's further fields ask for, as any dialect writes it."""
    asked = extra.get("service_tier") or extra.get("serviceTier")
    asked = asked.get("type") if isinstance(asked, dict) else asked
    return asked if isinstance(asked, str) else None
