"""The HTTP request that all JSON dialects make: a POST that asks for a stream or a document, uncompressed."""

from collections.abc import Mapping
from typing import Any

import msgspec

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import HttpRequest, Image, Message, Request, Target, Tool, Url
from llm_latency_lens.version import VERSION
from llm_latency_lens.wire.header_fields import merge_fields

SSE = "text/event-stream"
_ENCODE = msgspec.json.Encoder().encode
_FLAGS = {
    "max_tokens": "--max-tokens",
    "temperature": "--temperature",
    "top_p": "--top-p",
    "top_k": "--top-k",
    "sampling_seed": "--sampling-seed",
    "stop": "--stop",
    "reasoning": "--reasoning",
    "thinking_budget": "--thinking-budget",
    "ignore_eos": "--ignore-eos",
    "min_tokens": "--min-tokens",
}
"""The settings of a Request, and how people ask for them."""

Headers = tuple[tuple[str, str], ...]
Json = dict[str, Any]


def post(target: Target, path: str, body: Json, accept: str, headers: Headers = ()) -> HttpRequest:
    """POST `body` as JSON to `path` below the target's base URL; the target's own headers replace others."""
    base = target.base_url
    if target.query:
        path += ("&" if "?" in path else "?") + target.query
    return HttpRequest(
        method="POST",
        url=Url(base.scheme, base.host, base.port, base.path + path),
        headers=merge_fields(
            (
                ("User-Agent", f"llm-latency-lens/{VERSION}"),
                ("Content-Type", "application/json"),
                ("Accept", accept),
                ("Accept-Encoding", "identity"),
            ),
            headers,
            target.headers,
        ),
        body=_ENCODE(body),
        dialect=target.dialect,
    )


def accept_of(request: Request, stream_type: str = SSE) -> str:
    """The media type that is asked for."""
    return stream_type if request.stream else "application/json"


def named_settings(request: Request, names: Mapping[str, str], dialect: str) -> Json:
    """What was asked for, under the dialect's own names; a dot in a name leads into an object.

    Raises:
        UsageError: a setting that the dialect has no name for.
    """
    found: Json = {}
    for field, flag in _FLAGS.items():
        value = getattr(request, field)
        if value is None:
            continue
        if field not in names:
            raise UsageError(f"{dialect} has no {flag}; leave it out, or say it with --extra-body")
        *path, last = names[field].split(".")
        place = found
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value
    return found


def merged(body: Json, *more: Mapping[str, Any]) -> Json:
    """`body` with each of `more` merged into it, object by object; the later word counts."""
    result = dict(body)
    for extra in more:
        for key, value in extra.items():
            old = result.get(key)
            if isinstance(old, dict) and isinstance(value, Mapping):
                result[key] = merged(old, value)
            else:
                result[key] = value
    return result


def turns(request: Request) -> list[Json]:
    """The conversation as role and content; content is a list of parts only where there are images."""
    return [{"role": message.role, "content": _content(message)} for message in request.messages]


def _content(message: Message) -> str | list[Json]:
    if not message.images:
        return message.content
    images = [{"type": "image_url", "image_url": {"url": i.reference}} for i in message.images]
    return [{"type": "text", "text": message.content}, *images]


def function_tools(tools: tuple[Tool, ...]) -> Json:
    """The tools as OpenAI's chat and those after it write them; nothing where there are none."""
    return (
        {"tools": [{"type": "function", "function": schema(tool)} for tool in tools]}
        if tools
        else {}
    )


def schema(tool: Tool, parameters: str = "parameters") -> Json:
    """A tool's name, description and parameters."""
    return {"name": tool.name, "description": tool.description, parameters: tool.parameters}


def system_and_turns(request: Request) -> tuple[str, tuple[Message, ...]]:
    """The system prompt apart, for dialects that have a field of its own for it."""
    system = "\n\n".join(m.content for m in request.messages if m.role == "system")
    return system, tuple(m for m in request.messages if m.role != "system")


def data_of(image: Image, dialect: str) -> tuple[str, str]:
    """An image's media type and base64 data.

    Raises:
        UsageError: it is at a URL, which the dialect does not fetch.
    """
    if image.url is not None:
        raise UsageError(f"{dialect} takes no image by URL; give it as a file with --image PATH")
    return image.media_type, image.data
