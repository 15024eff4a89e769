"""Drives the batching engine in real time: its steps end on an alarm, its tokens go to their streams."""

import asyncio

from llm_latency_lens.clock import Alarm
from llm_latency_lens.simulator.batching import Batching, BatchingEngine, Sequence
from llm_latency_lens.simulator.pacer import Pacer
from llm_latency_lens.simulator.stamp import now
from llm_latency_lens.simulator.stream import Stream


class BatchingDrive:
    """The engine with a clock: `arrive` when a request does, `leave` when it has ended."""

    def __init__(self, model: Batching, pacer: Pacer) -> None:
        self._engine = BatchingEngine(model)
        self._pacer = pacer
        self._alarm = Alarm(asyncio.get_running_loop())
        self._streams: dict[int, Stream] = {}
        self._armed: int | None = None

    def arrive(self, stream: Stream, sequence: Sequence) -> None:
        """A request for the engine; its stream gets its tokens' instants as they come out."""
        self._streams[sequence.key] = stream
        self._advance()
        self._engine.arrive(sequence, stream.entry.received)
        self._arm()

    def leave(self, key: int) -> None:
        """The answer has ended, or its client is gone."""
        if self._streams.pop(key, None) is not None:
            self._engine.leave(key)

    def close(self) -> None:
        """Stop the engine."""
        self._alarm.close()

    def _on_alarm(self) -> None:
        self._armed = None
        self._advance()
        self._arm()

    def _advance(self) -> None:
        for emission in self._engine.run_until(now()):
            stream = self._streams.get(emission.key)
            if stream is not None:
                stream.token_due.append(emission.at)
                self._pacer.add(stream)

    def _arm(self) -> None:
        instant = self._engine.next_instant
        if instant is not None and instant != self._armed:
            self._armed = instant
            self._alarm.at(instant, self._on_alarm)
