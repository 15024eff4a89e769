"""Drives the batching engine in real time: its steps end on an alarm, its tokens go to their streams."""

import asyncio

from llm_latency_lens.clock import Alarm
from llm_latency_lens.simulator.batching import Batching, BatchingEngine, Sequence
from llm_latency_lens.simulator.pacer import Pacer, Wake
from llm_latency_lens.simulator.stamp import now
from llm_latency_lens.simulator.stream import Stream


class BatchingDrive:
    """The engine with a clock: `arrive` when a request does, `leave` when it has ended."""

    def __init__(self, model: Batching, pacer: Pacer) -> None:
        self._engine = BatchingEngine(model)
        self._pacer = pacer
        self._alarm = Alarm(asyncio.get_running_loop())
        self._wake = Wake(self._alarm, self._on_alarm)
        self._streams: dict[int, Stream] = {}

    @property
    def next_instant(self) -> int | None:
        """When the step under way ends; None where the engine is idle."""
        return self._engine.next_instant

    def arrive(self, stream: Stream, loading: int) -> None:
        """A request for the engine, cold for `loading` ns; its stream gets its instants as they come out."""
        entry = stream.entry
        self._streams[entry.id] = stream
        self._advance()
        if loading:
            self._engine.load(entry.received, loading)
        sequence = Sequence(entry.id, entry.prompt_tokens, entry.output_tokens)
        self._engine.arrive(sequence, entry.received)
        self._wake.at(self._engine.next_instant)

    def leave(self, key: int) -> None:
        """The answer has ended, or its client is gone."""
        if self._streams.pop(key, None) is not None:
            self._engine.leave(key)

    def close(self) -> None:
        """Stop the engine."""
        self._alarm.close()

    def _on_alarm(self) -> None:
        self._advance()
        self._wake.at(self._engine.next_instant)

    def _advance(self) -> None:
        for emission in self._engine.run_until(now()):
            stream = self._streams.get(emission.key)
            if stream is not None and (stream.streamed or emission.last):
                stream.expect(emission.at)
                self._pacer.add(stream)
