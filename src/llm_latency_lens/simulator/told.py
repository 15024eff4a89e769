"""What an answer will say: its tokens in order, each of a kind. Every language tells the same tale."""

from msgspec import Struct

from llm_latency_lens.simulator.asked import Asked

_WORDS = (" the", " quick", " brown", " fox", " jumps", " over", " a", " dog")
CREATED = 1700000000
"""When every answer claims to have been made: fixed, so that a seed gives the same bytes again."""
FINGERPRINT = "fp_simulator"
TOOL_NAME = "find"


class Told(Struct, frozen=True, kw_only=True):
    """One answer: `output_tokens` in all, of which the first `thinking` are reasoning.

    The others are text, or with `calls_tool` the arguments of a tool call. `cached` of the prompt's
    tokens are said to come from a cache. A `silent` answer is counted and has no text.
    """

    id: str
    asked: Asked
    output_tokens: int
    thinking: int = 0
    calls_tool: bool = False
    cached: int = 0
    silent: bool = False

    @property
    def finish(self) -> str:
        """`length` where the request's limit cut the answer, else `stop` or `tool_calls`."""
        limit = self.asked.limit
        if limit is not None and self.output_tokens >= limit:
            return "length"
        return "tool_calls" if self.calls_tool else "stop"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of token that occur, in their order; a block of content each."""
        thinking = ("reasoning",) if self.thinking else ()
        rest = ("tool" if self.calls_tool else "text",)
        return thinking + (rest if self.output_tokens > self.thinking else ())

    def kind(self, index: int) -> str:
        """The kind of token `index`."""
        return "reasoning" if index < self.thinking else self.kinds[-1]

    def word(self, index: int) -> str:
        """Token `index` itself; those of a tool call make up a JSON object."""
        if self.kind(index) != "tool":
            return _WORDS[index % len(_WORDS)]
        first, last = index == self.thinking, index == self.output_tokens - 1
        if first and last:
            return "{}"
        if first:
            return '{"words": "'
        return '"}' if last else _WORDS[index % len(_WORDS)]

    def text(self, kind: str) -> str:
        """All tokens of one kind."""
        if self.silent:
            return ""
        return "".join(self.word(i) for i in range(self.output_tokens) if self.kind(i) == kind)


class Piece(Struct, frozen=True):
    """One token on its way: which it is, and whether a block of content begins with it."""

    index: int
    kind: str
    word: str
    begins: bool
