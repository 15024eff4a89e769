"""Decoded events one by one, as they stood on the wire."""

from collections.abc import Iterable, Iterator

from llm_latency_lens.model.events import Delta, Deltas, StreamEvent


def one_by_one(decoded: Iterable[tuple[int, StreamEvent]]) -> Iterator[tuple[int, StreamEvent]]:
    """Each event with its end offset; the deltas that were read together apart."""
    for offset, event in decoded:
        if isinstance(event, Deltas):
            assert offset == event.ends[-1]
            for end, text in zip(event.ends, event.texts, strict=True):
                yield end, Delta(event.kind, text, event.choice)
        else:
            yield offset, event
