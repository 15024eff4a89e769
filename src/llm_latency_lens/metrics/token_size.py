"""Whether tokens of one target are tokens of another: characters per token of each.

Tokens per second of different tokenizers have no common measure; characters per second have.
"""

from llm_latency_lens.model.record import OutcomeKind, Record

_ALIKE = 0.05


class TokenSize:
    """A fold over records of one target; `characters` per token the server counted."""

    def __init__(self) -> None:
        self._characters = 0
        self._tokens = 0

    def add(self, record: Record) -> None:
        """Take one record; only answers whose streamed tokens the server counted matter."""
        tokens = record.tokens
        if record.outcome.kind is OutcomeKind.OK and tokens.source == "usage" and tokens.output:
            self._characters += record.characters
            self._tokens += tokens.output

    @property
    def characters(self) -> float | None:
        """Characters per token; None where unknown."""
        return self._characters / self._tokens if self._characters and self._tokens else None


def token_caveat(
    labels: tuple[str, str], models: tuple[str, str], sizes: tuple[float | None, float | None]
) -> str:
    """Say how the tokens of the second target differ from the first's; empty where alike."""
    first, second = sizes
    if first is not None and second is not None:
        change = first / second - 1.0
        if abs(change) <= _ALIKE:
            return ""
        more = "more" if change > 0.0 else "fewer"
        return (
            f"{labels[1]} counts {abs(change):.0%} {more} tokens than {labels[0]} for the same text"
            f" ({second:.1f} and {first:.1f} characters per token): compare characters per second,"
            " not TPOT or tokens per second"
        )
    if models[0] == models[1]:
        return ""
    return (
        f"{labels[0]} and {labels[1]} are different models, which may count different tokens for"
        " the same text: compare characters per second, not TPOT or tokens per second"
    )
