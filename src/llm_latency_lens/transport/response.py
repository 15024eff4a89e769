"""HTTP/1.1 response framing, byte by byte: head, body, end. It looks at nothing inside the body."""

from typing import Any

import httptools

from llm_latency_lens.model.recording import EndKind, Head
from llm_latency_lens.transport.first_bytes import quoted, recognise

_BODYLESS = frozenset({204, 304})


class Response:
    """A response being received; also the object httptools calls back.

    `body` grows in place. `failure` is set when the bytes break HTTP or a cap.
    """

    __slots__ = (
        "_close_delimited",
        "_end",
        "_fed",
        "_fields",
        "_informational",
        "_max_head",
        "_parser",
        "answers_again",
        "body",
        "complete",
        "extra_bytes",
        "failure",
        "head",
        "keep_alive",
        "on_body",
    )

    def __init__(self, max_head: int) -> None:
        self.body = bytearray()
        self.on_body = self.body.extend
        self.head: Head | None = None
        self.complete = False
        self.keep_alive = False
        self.extra_bytes = self.answers_again = False
        self.failure: tuple[EndKind, str] | None = None
        self._fields: list[tuple[str, str]] = []
        self._informational = 0
        self._close_delimited = False
        self._end = 0
        self._max_head = max_head
        self._fed = 0
        self._parser: Any = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the connection; look at the attributes afterwards."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self.complete:
                self.extra_bytes = True
            else:
                self.failure = self._not_http(data, str(error) or "protocol upgrade")
        if self.extra_bytes:
            del self.body[self._end :]
        if self.head is None and self.failure is None:
            self._fed += len(data)
            if self._fed > self._max_head:
                words = f"response head beyond {self._max_head} bytes"
                self.failure = (EndKind.HEAD_TOO_LARGE, words)

    def _not_http(self, data: bytes, words: str) -> tuple[EndKind, str]:
        """What the bytes are that break HTTP: another protocol, where they are the first ones."""
        if self.head is None and not self._fed:
            return recognise(data) or (EndKind.BAD_HTTP, f"not HTTP/1.1 but {quoted(data)}")
        return EndKind.BAD_HTTP, f"not HTTP/1.1: {words}"

    def end_of_connection(self) -> EndKind:
        """What it means that the connection ends here, cleanly."""
        if self.complete:
            return EndKind.COMPLETE
        if self.head is not None and self._close_delimited:
            return EndKind.CLOSED
        return EndKind.TRUNCATED

    def release(self) -> None:
        """Let go of the parser, which refers back to us: measuring processes collect no garbage."""
        self._parser = None

    def on_message_begin(self) -> None:
        """Httptools: a message begins; a second one nobody asked for."""
        self.extra_bytes = self.answers_again = self.complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Httptools: one header field; trailers are not kept."""
        if self.head is None:
            self._fields.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Httptools: the head is whole; informational heads (1xx) are counted and forgotten."""
        status = self._parser.get_status_code()
        fields, self._fields = tuple(self._fields), []
        if self.complete:
            return
        if 100 <= status < 200:
            self._informational += 1
        else:
            version = self._parser.get_http_version()
            self.head = Head(status, fields, version, self._informational)
            framed = any(
                name == "content-length"
                or (name == "transfer-encoding" and "chunked" in value.lower())
                for name, value in fields
            )
            self._close_delimited = not framed and status not in _BODYLESS
            size = sum(len(name) + len(value) + 4 for name, value in fields)
            if size > self._max_head:
                words = f"response head beyond {self._max_head} bytes"
                self.failure = (EndKind.HEAD_TOO_LARGE, words)

    def on_message_complete(self) -> None:
        """Httptools: the message is whole by its own framing."""
        if self.head is None or self.complete:
            return
        self.keep_alive = self._parser.should_keep_alive()
        self.complete = True
        self._end = len(self.body)
