"""A fold over records: how much the unknown number of streamed tokens leaves open."""

from llm_latency_lens.metrics.column import Column
from llm_latency_lens.metrics.definitions import METRICS
from llm_latency_lens.metrics.formulas import most_per_event, streamed_tokens
from llm_latency_lens.model.record import Record


class TokenDoubt:
    """Add every successful request.

    Attributes:
        columns: the metrics of which token counts leave an interval, instants taken as exact.
        most_per_event: the most tokens an event, of the answers whose counts are not exact.
        hidden: output tokens that did not stream, where that is known.
    """

    def __init__(self) -> None:
        counted = [(metric, metric.counted) for metric in METRICS if metric.counted is not None]
        self.columns = {metric.name: Column(bounded=True) for metric, _ in counted}
        self.most_per_event = Column()
        self.hidden = 0
        self._rows = [(m.of, bounds, self.columns[m.name].add) for m, bounds in counted]

    def add(self, record: Record) -> None:
        """Take one successful request."""
        for of, bounds, add in self._rows:
            value = of(record)
            add(value, None if value is None else bounds(record))
        self.most_per_event.add(most_per_event(record))
        streamed, output = streamed_tokens(record), record.tokens.output
        if record.streamed and streamed is not None and output is not None:
            self.hidden += output - streamed
