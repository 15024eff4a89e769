"""The bytes of an answer in OpenAI's chat format, made before they are due."""

import msgspec

from llm_latency_lens.simulator.request import ChatRequest

_WORDS = (" the", " quick", " brown", " fox", " jumps", " over", " a", " dog")
_JSON = msgspec.json.Encoder().encode
_STREAM_FIELDS = (
    "Content-Type: text/event-stream",
    "Cache-Control: no-cache",
    "Transfer-Encoding: chunked",
)
_CREATED = 1700000000  # fixed, so that a seed gives the same bytes again
_FINGERPRINT = "fp_simulator"


def chunked(data: bytes) -> bytes:
    """One piece of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Answer:
    """The writes of one answer: `opening`, then `token(i)` for each token, then `closing`; or `document`.

    `opening` is the response head and the chunk that gives the role alone, `closing` the finish reason,
    the usage if it was asked for, the end marker and the end of the body, `document` the whole answer
    as one JSON response where no stream was asked for.
    """

    __slots__ = (
        "_id",
        "_keep_alive",
        "_request",
        "_tokens",
        "closing",
        "document",
        "opening",
        "output_tokens",
    )

    def __init__(
        self, response_id: str, request: ChatRequest, output_tokens: int, *, keep_alive: bool
    ) -> None:
        self._id = response_id
        self._request = request
        self._keep_alive = keep_alive
        self.output_tokens = output_tokens
        self._tokens: list[bytes] = []
        self.opening = self.closing = self.document = b""
        if request.stream:
            self.opening = self._make_opening()
            self._tokens = [self._chunk({"content": word}) for word in _WORDS[:output_tokens]]
            self.closing = self._make_closing()
        else:
            self.document = self._make_document()

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return self._request.stream

    @property
    def finish_reason(self) -> str:
        """`length` where the request's limit cut the answer, else `stop`."""
        limit = self._request.limit
        return "length" if limit is not None and self.output_tokens >= limit else "stop"

    def token(self, index: int) -> bytes:
        """The chunk of token `index`."""
        return self._tokens[index % len(self._tokens)]

    def _make_opening(self) -> bytes:
        head = _head(200, _STREAM_FIELDS, keep_alive=self._keep_alive)
        return head + self._chunk({"role": "assistant", "content": ""})

    def _make_closing(self) -> bytes:
        closing = self._chunk({}, self.finish_reason)
        if self._request.include_usage:
            usage = {**self._frame(), "choices": [], "usage": self._usage()}
            closing += chunked(b"data: " + _JSON(usage) + b"\n\n")
        return closing + chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"

    def _make_document(self) -> bytes:
        words = "".join(_WORDS[i % len(_WORDS)] for i in range(self.output_tokens))
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": words},
            "finish_reason": self.finish_reason,
        }
        frame = {**self._frame(), "object": "chat.completion"}
        document = {**frame, "choices": [choice], "usage": self._usage()}
        return json_response(200, document, keep_alive=self._keep_alive)

    def _frame(self) -> dict[str, object]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": _CREATED,
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
    413: "Content Too Large",
}


def _head(status: int, fields: tuple[str, ...], *, keep_alive: bool) -> bytes:
    lines = (f"HTTP/1.1 {status} {_REASONS[status]}", *fields)
    ending = () if keep_alive else ("Connection: close",)
    return "\r\n".join((*lines, *ending, "", "")).encode()


def json_response(
    status: int, document: object, *, keep_alive: bool, fields: tuple[str, ...] = ()
) -> bytes:
    """A whole response with a JSON body and, where given, further header fields."""
    body = _JSON(document)
    own = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    return _head(status, (*own, *fields), keep_alive=keep_alive) + body


def error_response(
    status: int, message: str, *, keep_alive: bool, fields: tuple[str, ...] = ()
) -> bytes:
    """An error in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return json_response(status, {"error": error}, keep_alive=keep_alive, fields=fields)
