"""The bytes of an answer in OpenAI's chat format, made before they are due."""

import msgspec

from llm_latency_lens.simulator.request import ChatRequest

_WORDS = (" the", " quick", " brown", " fox", " jumps", " over", " a", " dog")
_JSON = msgspec.json.Encoder().encode
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: text/event-stream\r\n"
    b"Cache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
_FINGERPRINT = "fp_simulator"


def chunked(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Answer:
    """The writes of one answer: `opening`, then `token(i)` as often as wanted, then `closing`."""

    __slots__ = ("_id", "_request", "_tokens", "output_tokens")

    def __init__(self, number: int, request: ChatRequest, output_tokens: int) -> None:
        self._id = f"chatcmpl-sim-{number}"
        self._request = request
        self.output_tokens = output_tokens
        self._tokens = [self._chunk({"content": word}) for word in _WORDS[:output_tokens]]

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return self._request.stream

    @property
    def finish_reason(self) -> str:
        """`length` where the request's limit cut the answer, else `stop`."""
        limit = self._request.limit
        return "length" if limit is not None and self.output_tokens >= limit else "stop"

    def opening(self) -> bytes:
        """The response head and the chunk that gives the role alone."""
        return _STREAM_HEAD + self._chunk({"role": "assistant", "content": ""})

    def token(self, index: int) -> bytes:
        """The chunk of token `index`."""
        return self._tokens[index % len(self._tokens)]

    def closing(self) -> bytes:
        """The finish reason, the usage if it was asked for, the end marker and the end of the body."""
        closing = self._chunk({}, self.finish_reason)
        if self._request.include_usage:
            usage = {**self._frame(), "choices": [], "usage": self._usage()}
            closing += chunked(b"data: " + _JSON(usage) + b"\n\n")
        return closing + chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"

    def document(self) -> bytes:
        """The whole answer as one JSON response."""
        words = "".join(_WORDS[i % len(_WORDS)] for i in range(self.output_tokens))
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": words},
            "finish_reason": self.finish_reason,
        }
        frame = {**self._frame(), "object": "chat.completion"}
        return json_response(200, {**frame, "choices": [choice], "usage": self._usage()})

    def _frame(self) -> dict[str, object]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": self._request.model,
            "system_fingerprint": _FINGERPRINT,
        }

    def _chunk(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return chunked(b"data: " + _JSON({**self._frame(), "choices": [choice]}) + b"\n\n")

    def _usage(self) -> dict[str, object]:
        prompt, output = self._request.prompt_tokens, self.output_tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }


_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Too Large",
}


def json_response(status: int, document: object) -> bytes:
    """A whole response with a JSON body."""
    body = _JSON(document)
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def error_response(status: int, message: str) -> bytes:
    """An error in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return json_response(status, {"error": error})
