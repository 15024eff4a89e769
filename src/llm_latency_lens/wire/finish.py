"""Why a server says that an answer is finished, and what that means for the request.

A reason counts as a success only if it is in the table of the dialect or in the one that all
dialects share; gateways pass on the words of whatever serves behind them. Words of failure and of moderation
are recognized in any spelling. What is left is unknown: it is kept as the server wrote it.
"""

import re
from collections.abc import Mapping

from llm_latency_lens.model.events import Finish, FinishKind

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_NONE = frozenset({"null", "none", "nil", "undefined", "unspecified", "finish_reason_unspecified"})
"""Words for no reason at all: the answer goes on."""

_KINDS: dict[str, FinishKind] = {
    "stop": "success",
    "length": "success",
    "tool_calls": "success",
    "content_filter": "filtered",
    "refusal": "filtered",
}
_REASONS: dict[str, tuple[str, ...]] = {
    "stop": (
        "complete",
        "completed",
        "done",
        "end",
        "end_of_text",
        "end_of_turn",
        "end_turn",
        "ended",
        "eos",
        "eos_token",
        "eot_id",
        "finish",
        "finished",
        "normal",
        "pause_run",
        "pause_turn",
        "stop",
        "stop_sequence",
        "stop_string",
        "stop_token",
        "stop_word",
        "stopped",
        "success",
    ),
    "length": (
        "context_length",
        "context_length_exceeded",
        "length",
        "max_completion_tokens",
        "max_context_length",
        "max_length",
        "max_new_tokens",
        "max_output_tokens",
        "max_tokens",
        "model_context_window_exceeded",
        "model_length",
        "token_limit",
    ),
    "tool_calls": (
        "function_call",
        "function_calls",
        "tool_call",
        "tool_calls",
        "tool_use",
        "tool_uses",
    ),
    "content_filter": ("content_filter", "content_filtered", "guardrail_intervened"),
    "refusal": ("refusal", "refused"),
}
"""Each reason, and the words for it."""
_SHARED = {word: reason for reason, words in _REASONS.items() for word in words}

_FILTERED = re.compile(
    r"content_filter|safety|sensitive|guardrail|moderat|prohibited|blocklist|blocked|spii"
    r"|recitation|toxic|inspection|unsafe|harmful|inappropriate|violation|copyright|censor"
    r"|model_armor|policy|flagged|risk_control"
)
_CUT = re.compile(r"length|max_(?:\w+_)?tokens|token_limit|context_window")
_FAILED = re.compile(
    r"abort|cancel|error|fail|insufficient|network|time_?out|timed_out|time_limit|exception|crash"
    r"|unavailable|overload|malformed|unexpected|invalid|interrupt|disconnect|exhaust|too_many"
    r"|missing|killed|shutdown|shut_down|quota|rate_limit|not_finished|unfinished"
    r"|out_of_memory|\boom\b|preempt|evict|terminated|expired|no_image"
)


def finish_of(
    word: str | None, choice: int = 0, table: Mapping[str, str] | None = None
) -> Finish | None:
    """Return what a finish reason means; None where the word says that there is none yet.

    Args:
        word: the reason as the server wrote it.
        choice: which of the answers it is about.
        table: the dialect's own words, in the spelling of `spelled`, and the reasons they stand
            for; "error" is a failure.
    """
    word = (word or "").strip()
    name = spelled(word)
    if not word or (name and name in _NONE):
        return None
    reason = (table or {}).get(name) or _SHARED.get(name)
    if reason is None and _FILTERED.search(name):
        reason = "content_filter"
    if reason is None and not _FAILED.search(name) and _CUT.search(name):
        reason = "length"
    if reason == "error" or (reason is None and _FAILED.search(name)):
        return Finish(word, choice, "failure")
    if reason is None:
        return Finish(word, choice, "unknown")
    kind = _KINDS[reason]
    return Finish(reason, choice, kind, word if kind == "filtered" and word != reason else "")


def spelled(word: str) -> str:
    """Return a word in lower case with underscores: `maxTokens` and `MAX-TOKENS` are one."""
    return _SEPARATORS.sub("_", _CAMEL.sub("_", word).lower()).strip("_")
