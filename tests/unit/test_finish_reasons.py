"""Why answers end: failures and moderation under any word, the newest reason, the worst choice."""

import pytest
from tests.support.responses import FAILED, FILTERED, OK, SSE, TRUNCATED, chat, kind, read
from tests.wire import corpus_anthropic, corpus_gemini, corpus_ollama
from tests.wire.corpus import DONE, chunk, event

from llm_latency_lens.model.record import OutcomeKind
from llm_latency_lens.model.recording import EndKind


@pytest.mark.parametrize(
    ("reason", "outcome", "shown"),
    [
        # vLLM, OpenRouter, DeepSeek, Zhipu, Google's compatible endpoint, watsonx, Together
        ("abort", FAILED, "abort"),
        ("error", FAILED, "error"),
        ("insufficient_system_resource", FAILED, "insufficient_system_resource"),
        ("network_error", FAILED, "network_error"),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", FAILED, None),
        ("cancelled", FAILED, "cancelled"),
        ("time_limit", FAILED, "time_limit"),
        ("model_timeout", FAILED, "model_timeout"),
        ("SAFETY", FILTERED, "content_filter"),
        ("content_filter: SAFETY", FILTERED, "content_filter"),
        ("PROHIBITED_CONTENT", FILTERED, "content_filter"),
        ("sensitive", FILTERED, "content_filter"),
        ("contentFiltered", FILTERED, "content_filter"),
        ("data_inspection_failed", FILTERED, "content_filter"),
        ("eos", OK, "stop"),
        ("eos_token", OK, "stop"),
        ("end", OK, "stop"),
        ("<|eot_id|>", OK, "stop"),
        ("STOP", OK, "stop"),
        ("max_tokens", OK, "length"),
        ("MAX_TOKENS", OK, "length"),
        ("model_length", OK, "length"),
        ("max_new_tokens", OK, "length"),
        ("FINISH_LENGTH", OK, "length"),
        ("function_call", OK, "tool_calls"),
        ("brand new", OK, "brand new"),
        ("完成", OK, "完成"),
    ],
)
def test_w29_a_finish_reason_is_a_success_only_by_the_table(
    reason: str, outcome: OutcomeKind, shown: str | None
) -> None:
    """W29: words of failure and moderation in any spelling; what is unknown is flagged."""
    record = read("openai_chat", chat(finish=reason))
    assert kind(record) == (outcome, reason if shown is None else shown)
    assert ("unknown_finish_reason" in record.flags) == (shown in {"brand new", "完成"})
    if outcome is FILTERED and reason != "content_filter":
        assert reason in record.outcome.detail


def test_w29_reasons_of_every_dialect() -> None:
    """W29: failures that are called otherwise in each API, and reasons that are none yet."""

    def anthropic(reason: str) -> bytes:
        return corpus_anthropic.TEXT.replace(b"end_turn", reason.encode())

    def gemini(reason: str) -> bytes:
        last = {"candidates": [{"index": 0, "finishReason": reason}]}
        return corpus_gemini.sse(corpus_gemini.chunk([{"text": "a"}]), last)

    cases = (
        ("anthropic", anthropic("model_context_window_exceeded"), OK, "length"),
        ("anthropic", anthropic("pause_turn"), OK, "stop"),
        ("anthropic", anthropic("refusal"), FILTERED, "refusal"),
        ("anthropic", anthropic("aborted"), FAILED, "aborted"),
        ("anthropic", anthropic("compaction"), OK, "compaction"),
        ("gemini", gemini("MALFORMED_FUNCTION_CALL"), FAILED, "MALFORMED_FUNCTION_CALL"),
        ("gemini", gemini("UNEXPECTED_TOOL_CALL"), FAILED, "UNEXPECTED_TOOL_CALL"),
        ("gemini", gemini("TOO_MANY_TOOL_CALLS"), FAILED, "TOO_MANY_TOOL_CALLS"),
        ("gemini", gemini("MISSING_THOUGHT_SIGNATURE"), FAILED, "MISSING_THOUGHT_SIGNATURE"),
        ("gemini", gemini("OTHER"), FAILED, "OTHER"),
        ("gemini", gemini("LANGUAGE"), FAILED, "LANGUAGE"),
        ("gemini", gemini("RECITATION"), FILTERED, "content_filter"),
        ("gemini", gemini("SPII"), FILTERED, "content_filter"),
        ("gemini", gemini("FINISH_REASON_UNSPECIFIED"), TRUNCATED, ""),
        ("ollama", corpus_ollama.TEXT.replace(b'"stop"', b'"length"'), OK, "length"),
        ("ollama", corpus_ollama.TEXT.replace(b'"stop"', b'"unload"'), OK, "unload"),
    )
    for dialect, body, outcome, reason in cases:
        content_type = "application/x-ndjson" if dialect == "ollama" else SSE
        assert kind(read(dialect, body, content_type)) == (outcome, reason), (dialect, reason)


def test_w29_the_newest_reason_counts_and_the_worst_choice() -> None:
    """W29: servers that say `stop` with every token; one of several answers that was filtered."""
    repeated = b"".join(chunk({"content": "a"}, reason) for reason in ("stop", "stop", "length"))
    assert kind(read("openai_chat", repeated + DONE)) == (OK, "length")
    choices = [{"index": i, "delta": {"content": "a"}} for i in (0, 1)]
    for reasons in (("content_filter", "stop"), ("stop", "content_filter")):
        ends = [{"index": i, "delta": {}, "finish_reason": r} for i, r in enumerate(reasons)]
        two = event({"id": "x", "choices": choices}) + event({"id": "x", "choices": ends}) + DONE
        assert kind(read("openai_chat", two)) == (FILTERED, "content_filter")


def test_w16_null_as_text_is_no_finish_reason() -> None:
    """W16: the answer went on when the connection broke."""
    body = chunk({"content": "a"}, "null") * 2
    record = read("openai_chat", body, ending=EndKind.RESET)
    assert kind(record) == (TRUNCATED, "")
