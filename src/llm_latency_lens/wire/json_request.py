"""The HTTP request that all JSON dialects make: a POST that asks for a stream or a document, uncompressed."""

import msgspec

from llm_latency_lens.model.request import HttpRequest, Request, Target, Url

SSE = "text/event-stream"
_ENCODE = msgspec.json.Encoder().encode

Headers = tuple[tuple[str, str], ...]


def post(
    target: Target, path: str, body: dict[str, object], accept: str, headers: Headers = ()
) -> HttpRequest:
    """POST `body` as JSON to `path` below the target's base URL, with the target's own headers last."""
    base = target.base_url
    return HttpRequest(
        method="POST",
        url=Url(base.scheme, base.host, base.port, base.path + path),
        headers=(
            ("Content-Type", "application/json"),
            ("Accept", accept),
            ("Accept-Encoding", "identity"),
            *headers,
            *target.headers,
        ),
        body=_ENCODE(body),
    )


def accept_of(request: Request, stream_type: str = SSE) -> str:
    """The media type that is asked for."""
    return stream_type if request.stream else "application/json"


def settings(request: Request, limit: str, temperature: str = "temperature") -> dict[str, object]:
    """Limit and temperature under the dialect's own names, where they were asked for."""
    asked = {limit: request.max_tokens, temperature: request.temperature}
    return {name: value for name, value in asked.items() if value is not None}


def turns(request: Request) -> list[dict[str, str]]:
    """The conversation as role and content."""
    return [{"role": message.role, "content": message.content} for message in request.messages]


def system_and_turns(request: Request) -> tuple[str, list[dict[str, str]]]:
    """The system prompt apart, for dialects that have a field of its own for it."""
    system = "\n\n".join(m.content for m in request.messages if m.role == "system")
    return system, [turn for turn in turns(request) if turn["role"] != "system"]
