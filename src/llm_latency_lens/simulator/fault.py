"""The hostile vocabulary: what a simulated server can do wrong, and to which requests it does it.

Written as `NAME[:VALUE][@WHEN]`, such as `cut:120`, `status:429,retry-after=2s@every=3`, `stall:0@first=1`
or `error-in-stream:5@share=0.1`. Without WHEN every request is hit; `share` is drawn from the seed.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from llm_latency_lens.errors import UsageError, did_you_mean
from llm_latency_lens.simulator.latency import generator
from llm_latency_lens.units import parse_duration, parse_size


class Fault(Struct, frozen=True, kw_only=True):
    """One thing done wrong. `value` counts what the name says (bytes, tokens, ns, a status)."""

    name: str
    value: int = 0
    retry_after: int | None = None
    every: int = 1
    first: int | None = None
    share: float = 1.0

    def hits(self, seed: int, request: int) -> bool:
        """Whether request number `request` (from 0 on) is hit."""
        if self.first is not None and request >= self.first:
            return False
        if (request + 1) % self.every:
            return False
        drawn = self.share >= 1 or generator(seed, f"fault {self.name}", request).random()
        return drawn is True or drawn < self.share


class _Kind(Struct, frozen=True):
    """How a fault's value is read, what it is without one (None: it must be given), and what it does."""

    read: Callable[[str], int] | None
    default: int | None
    words: str


_COUNT: Callable[[str], int] = int
KINDS: dict[str, _Kind] = {
    "status": _Kind(_COUNT, None, "answer with this status; retry-after=2s adds the header"),
    "html": _Kind(None, 0, "answer 200 with an HTML page"),
    "echo-key": _Kind(None, 0, "answer 401 and repeat the key that was sent"),
    "empty": _Kind(None, 0, "stream no token at all"),
    "no-end": _Kind(None, 0, "leave the end marker out"),
    "error-in-stream": _Kind(_COUNT, 3, "tell an error inside the 200 after so many tokens"),
    "cut": _Kind(_COUNT, None, "close cleanly after so many bytes of the body"),
    "rst": _Kind(_COUNT, None, "reset the connection after so many bytes of the body"),
    "stall": _Kind(_COUNT, None, "send nothing more after so many bytes of the body"),
    "half-open": _Kind(None, 0, "take the request and never answer"),
    "drip": _Kind(parse_duration, 10_000_000, "send one byte each so long"),
    "fin-mid-event": _Kind(_COUNT, 3, "close inside the event of this token"),
    "burst": _Kind(None, 0, "hold every token until the last is due"),
    "ping-flood": _Kind(_COUNT, 1000, "send so many keep-alives before the first token"),
    "gzip": _Kind(None, 0, "compress though nobody asked for it"),
    "giant-header": _Kind(parse_size, 200_000, "send a header field of this size"),
    "endless-line": _Kind(parse_size, 64_000_000, "send a line of this size without an end"),
    "close-delimited": _Kind(None, 0, "frame the body by the connection's end"),
    "trailers": _Kind(None, 0, "send trailer fields after the body"),
    "informational": _Kind(None, 0, "send 103 Early Hints at once"),
    "bad-crc": _Kind(_COUNT, 2, "spoil a byte in the event of this token"),
    "wrong-length": _Kind(_COUNT, 1, "say that each chunk is so much longer than it is"),
}
_WHEN: dict[str, Callable[[str], float]] = {"every": int, "first": int, "share": float}


def parse_fault(text: str) -> Fault:
    """Parse `NAME[:VALUE][@WHEN]`.

    Raises:
        UsageError: with the nearest name, or what the value must be.
    """
    what, _, when = text.strip().partition("@")
    name, colon, value = what.partition(":")
    kind = KINDS.get(name)
    if kind is None:
        raise UsageError(f"no fault {name!r}; {did_you_mean(name, KINDS)}")
    value, _, retry = value.partition(",retry-after=")
    fault = Fault(
        name=name,
        value=_value(text, kind, value if colon else None),
        retry_after=parse_duration(retry) if retry else None,
    )
    return msgspec.structs.replace(fault, **_condition(text, when))


def _value(text: str, kind: _Kind, value: str | None) -> int:
    if value is None:
        if kind.default is None:
            raise UsageError(f"fault {text!r} needs a value: {kind.words}")
        return kind.default
    if kind.read is None:
        raise UsageError(f"fault {text!r} takes no value: {kind.words}")
    try:
        read = kind.read(value)
    except ValueError:
        read = -1
    if read < 0:
        raise UsageError(f"fault {text!r}: {value!r} is no number; it means: {kind.words}")
    return read


def _condition(text: str, when: str) -> dict[str, float]:
    if not when:
        return {}
    key, _, number = when.partition("=")
    try:
        value = _WHEN[key](number)
    except (KeyError, ValueError):
        value = 0
    if not value > 0 or (key == "share" and value > 1):
        raise UsageError(f"fault {text!r}: after @ comes every=3, first=2 or share=0.1")
    return {key: value}
