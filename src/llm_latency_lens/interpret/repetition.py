"""Deltas that repeat text which came before: cumulative streams, and a whole answer at the end.

Some servers send all text so far with each event, or the whole answer once more at the end. Then
characters are counted several times, and a repeated end is taken for the last token.
"""

from itertools import pairwise

from llm_latency_lens.interpret.tally import KEPT, Tally, texts_of

CUMULATIVE = "cumulative_text"
"""Each delta repeats the text before it: its characters are not all new."""
REPEATED = "repeated_text"
"""The last delta repeats the text before it: neither its text nor its instant are the answer's."""

_LONG = 16
"""So many characters do not agree by chance."""
_FEWEST = 4
"""So many deltas, each of which begins with the one before, are cumulative."""


def repetition(tally: Tally) -> str | None:
    """Return the flag of an answer whose deltas of the newest kind repeat text, else None."""
    if not tally.deltas or tally.total > KEPT:
        return None
    newest = tally.deltas[-1]
    last = texts_of(newest)[-1]
    # The last delta tells at once of nearly all answers that nothing is repeated.
    size, total = len(last), tally.characters[newest.kind]
    if size < _LONG or size * max(tally.events[newest.kind], 3) * 2 < total * 3:
        return None
    same = (delta for delta in tally.deltas if delta.kind == newest.kind)
    texts = [text for delta in same for text in texts_of(delta)]
    before = total - size
    if _LONG <= before <= size and last.startswith("".join(texts[:-1])):
        return REPEATED
    grown = all(later.startswith(earlier) for earlier, later in pairwise(texts))
    return CUMULATIVE if grown and len(set(texts)) >= _FEWEST else None
