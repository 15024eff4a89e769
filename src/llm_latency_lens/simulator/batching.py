"""A continuous-batching inference server as a discrete-event value machine: arrivals in, emissions out.

The engine works in steps. A step admits waiting requests to free slots, prefills their prompts one after
the other (`prompt tokens / prefill rate`, which the whole batch waits for), then decodes one token for
every active sequence in `base + per_sequence * batch`. So a load has a real knee: beyond it the queue
grows and TTFT with it. No clock: the caller asks what happens until an instant.
"""

import re
from collections import OrderedDict

from msgspec import Struct

from llm_latency_lens.errors import UsageError
from llm_latency_lens.units import NS_PER_S, parse_duration

_FORM = re.compile(r"prefill=(\d+)tok/s,step=([^,+]+)\+([^,*]+)\*batch,slots=(\d+)")
_EXAMPLE = "prefill=8000tok/s,step=10ms+0.5ms*batch,slots=32"


class Batching(Struct, frozen=True, kw_only=True):
    """The engine's parameters: prompt tokens per second, ns per step and per active sequence, slots."""

    prefill_rate: float
    step_base: int
    step_per_sequence: int
    slots: int

    def step(self, batch: int) -> int:
        """Duration in ns of one decode step with `batch` active sequences."""
        return self.step_base + self.step_per_sequence * batch

    def capacity(self, prompt_tokens: int, output_tokens: int) -> float:
        """Requests per second that the engine sustains with all slots busy."""
        prefill = prompt_tokens / self.prefill_rate
        decode = output_tokens * self.step(self.slots) / NS_PER_S / self.slots
        return 1.0 / (prefill + decode)


def parse_batching(text: str) -> Batching:
    """Parse `prefill=8000tok/s,step=10ms+0.5ms*batch,slots=32`.

    Raises:
        UsageError: with an example.
    """
    match = _FORM.fullmatch(text.replace(" ", ""))
    if match is None or int(match[1]) < 1 or int(match[4]) < 1:
        raise UsageError(f"{text!r} is not a batching model; write it like {_EXAMPLE}")
    return Batching(
        prefill_rate=float(match[1]),
        step_base=parse_duration(match[2]),
        step_per_sequence=parse_duration(match[3]),
        slots=int(match[4]),
    )


class Sequence(Struct):
    """A request in the engine: what it is, and how many tokens it still has to get."""

    key: int
    prompt_tokens: int
    remaining: int


class Emission(Struct, frozen=True):
    """One token: whose it is, and the instant (ns) of its step's end."""

    key: int
    at: int
    last: bool


class BatchingEngine:
    """The state between steps. `arrive` in order of time, then `run_until` as time goes on."""

    def __init__(self, model: Batching) -> None:
        self.model = model
        self._waiting: OrderedDict[int, Sequence] = OrderedDict()
        self._active: dict[int, Sequence] = {}
        self._now = 0
        self._step_ends: int | None = None

    @property
    def next_instant(self) -> int | None:
        """When the step under way ends; None where the engine is idle."""
        return self._step_ends

    @property
    def waiting(self) -> int:
        """How many requests have no slot."""
        return len(self._waiting)

    def arrive(self, sequence: Sequence, at: int) -> None:
        """A request arrives at `at` (ns, not before anything already run)."""
        self._waiting[sequence.key] = sequence
        if self._step_ends is None:
            self._now = max(self._now, at)
            self._begin_step()

    def leave(self, key: int) -> None:
        """Its client is gone: the request gives its slot, or its place in the queue, back."""
        self._active.pop(key, None)
        self._waiting.pop(key, None)

    def load(self, at: int, duration: int) -> None:
        """An idle engine loads its model from `at` on (ns) for `duration`; who arrives meanwhile waits."""
        if self._step_ends is None:
            self._step_ends = max(self._now, at) + duration

    def run_until(self, instant: int) -> list[Emission]:
        """All tokens emitted up to and including `instant`."""
        emissions: list[Emission] = []
        while self._step_ends is not None and self._step_ends <= instant:
            self._now = self._step_ends
            for sequence in list(self._active.values()):
                sequence.remaining -= 1
                last = sequence.remaining <= 0
                emissions.append(Emission(sequence.key, self._now, last))
                if last:
                    del self._active[sequence.key]
            self._begin_step()
        return emissions

    def _begin_step(self) -> None:
        prefill = 0
        while self._waiting and len(self._active) < self.model.slots:
            _, sequence = self._waiting.popitem(last=False)
            self._active[sequence.key] = sequence
            prefill += round(sequence.prompt_tokens / self.model.prefill_rate * NS_PER_S)
        if not self._active:
            self._step_ends = None
            return
        self._step_ends = self._now + prefill + self.model.step(len(self._active))
