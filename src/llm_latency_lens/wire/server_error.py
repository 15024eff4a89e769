"""Errors as servers write them, in any of their shapes: one reader for every dialect.

Two questions are apart. `explicit_error`: does an object say, by a key that only errors have, that
something failed? `error_in`: is an object that is no part of an answer an error all the same (a
`detail`, a bare `message`)? What no shape fits is quoted as it came.
"""

import re
from collections.abc import Iterable, Mapping
from html import unescape
from typing import Any

import msgspec

from llm_latency_lens.model.events import ServerError
from llm_latency_lens.wire import sse
from llm_latency_lens.wire.json_object import read_any

_ENCODE = msgspec.json.Encoder().encode
_LONGEST_TEXT = 1000
_FINE = (
    None,
    "",
    "None",
    "none",
    "null",
    False,
    0,
    "0",
    200,
    "200",
    "success",
    "Success",
    "SUCCESS",
    "ok",
    "OK",
)
"""What codes and statuses are where nothing failed."""
_SPOKEN = (
    "message",
    "Message",
    "msg",
    "error_msg",
    "error_message",
    "errorMessage",
    "errmsg",
    "error_description",
    "status_msg",
    "description",
    "Msg",
)
"""Keys whose text makes an error of an object that is no part of an answer."""
_MESSAGES = (*_SPOKEN, "detail", "details", "title", "faultstring", "reason", "text", "error")
"""Keys of the words of an error, the best one first."""
_TYPES = (
    "type",
    "__type",
    "error_type",
    "status",
    "code",
    "error_code",
    "errcode",
    "status_code",
    "Code",
)
"""Keys of the kind of an error, the best one first."""
_WRAPPERS = ("Response", "ResponseMetadata", "x_groq")
"""Objects within which some services put their errors."""
_CODED = {"base_resp": "status_code", "header": "code"}
"""Objects in every answer of some services, and the key of their code, which is 0 of a success."""
_CODES = ("error_code", "errcode", "err_code")
_NESTED = ("error", "errors", "Error", "ErrorMsg", "fault", "exception")
_TELLING = frozenset({*_NESTED, *_CODES, *_CODED, *_WRAPPERS})
"""Keys that only errors have, or that say of an answer that it is none."""
_FAILED = frozenset({"error", "failed", "failure", "fail"})
_HIDDEN = re.compile(r"<(script|style|svg)\b.*?</\1\s*>|<!--.*?-->", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_PREFIX = re.compile(rb"\s*(?:data|error|event:\s*error\s*data)\s*:\s*")


def read_error_body(body: bytes) -> ServerError:
    """Return the error that a body tells of: JSON, lines, events, a page, or plain text."""
    return _of_bytes(body) or ServerError("error", text_of_page(body[: 1 << 16]))


def error_of_text(text: bytes) -> ServerError | None:
    """Return the error in text outside of any framing; None where it is just text."""
    return _of_bytes(text)


def error_of_event(data: bytes) -> ServerError:
    """Return the error of an event that is called an error: an object of any shape, or text."""
    value = read_any(data)
    if isinstance(value, dict):
        return error_in(value) or _error(value)
    return read_error_body(data)


def _of_bytes(body: bytes) -> ServerError | None:
    text = body.removeprefix(sse.BOM).strip()
    value = read_any(text)
    if value is not None:
        return error_of(value) if isinstance(value, str) else _of_value(value)
    for line in _candidates(text):
        found = _of_value(read_any(line))
        if found is not None:
            return found
    return None


def _candidates(text: bytes) -> Iterable[bytes]:
    """Pieces of a text that may be JSON: data of events, values of fields, lines, the braced part."""
    if b"data:" in text[:4096]:
        yield from (data for _, _, data in sse.events((text + b"\n\n",), 1 << 20))
    yield _PREFIX.sub(b"", text, count=1)
    for line in text[: 1 << 16].splitlines():
        yield _PREFIX.sub(b"", line, count=1)
    brace = text.find(b"{")
    if brace > 0:
        yield text[brace : text.rfind(b"}") + 1]


def _of_value(value: object) -> ServerError | None:
    """The error of a JSON value: of an object, or of the first element of an array that has one."""
    if isinstance(value, list):
        return next((found for item in value[:16] if (found := _of_value(item))), None)
    return error_in(value) if isinstance(value, dict) else None


def explicit_error(value: Mapping[str, Any]) -> ServerError | None:
    """Return the error of an object that says by a key that something failed, else None."""
    if _TELLING.isdisjoint(value) and "error" not in (value.get("object"), value.get("type")):
        return None
    nested = next((value[key] for key in _NESTED if key in value and _tells(value[key])), None)
    if nested is not None:
        return _nested(value, nested)
    if value.get("object") == "error" or value.get("type") == "error":
        return _error(value)
    if any(value.get(key) not in _FINE for key in _CODES):
        return _error(value)
    return _inner_error(value)


def _inner_error(value: Mapping[str, Any]) -> ServerError | None:
    """The error in an envelope that some services put around all of their answers."""
    for name, key in _CODED.items():
        inner = value.get(name)
        if isinstance(inner, dict) and inner.get(key) not in _FINE:
            return _error(inner)
    wrapped = (value.get(name) for name in _WRAPPERS)
    return next(
        (error for w in wrapped if isinstance(w, dict) and (error := explicit_error(w))), None
    )


def _tells(nested: object) -> bool:
    """Whether what is below an error's key tells of one: `null`, `{}`, a code of success do not."""
    if isinstance(nested, dict):
        return any(item not in _FINE for item in nested.values())
    return nested not in _FINE and nested != []


def error_in(value: Mapping[str, Any]) -> ServerError | None:
    """Return the error of an object that is no part of an answer, else None."""
    found = explicit_error(value)
    if found is not None:
        return found
    if value.get("success") is False or str(value.get("status")).lower() in _FAILED:
        return _error(value)
    spoken = value.get("detail") or any(
        isinstance(value.get(key), str) and value[key] for key in _SPOKEN
    )
    code = next((value[key] for key in ("code", "status", "statusCode") if key in value), None)
    return _error(value) if spoken and (code is None or code not in _FINE) else None


def error_of(value: object) -> ServerError:
    """Return an error as servers write it: an object with a kind and words, a list, or a string."""
    if isinstance(value, dict):
        return _error(value)
    if isinstance(value, list) and value:
        return error_of(value[0])
    return ServerError("error", value if isinstance(value, str) else "")


def _nested(outer: Mapping[str, Any], inner: object) -> ServerError:
    """An error below a key; its kind and words may stand beside it."""
    found = error_of(inner)
    kind, words = found.type, found.message
    if kind == "error":
        kind = _first(outer, ("error_type", "code", "status", "__type")) or kind
    if not words or isinstance(inner, str):
        beside = _words({key: item for key, item in outer.items() if key not in _NESTED})
        words = ": ".join(filter(None, (words, beside)))
    return ServerError(kind, words)


def _error(value: Mapping[str, Any]) -> ServerError:
    kind = _first(value, _TYPES) or "error"
    if kind == "error" or kind.startswith(("about:", "http")):
        kind = _first(value, _TYPES[2:]) or "error"
    return ServerError(kind.rpartition("#")[2], _words(value))


def _first(value: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    """The first of the keys with a name or a number that is not one of success."""
    for key in keys:
        found = value.get(key)
        if isinstance(found, str | int) and not isinstance(found, bool) and found not in _FINE:
            return str(found)
    return None


def _words(value: Mapping[str, Any]) -> str:
    """The words of an error, and behind them those of the server behind the server."""
    words = next((text for key in _MESSAGES if (text := _text(value.get(key)))), "")
    metadata = value.get("metadata")
    raw = _text(metadata.get("raw")) if isinstance(metadata, dict) else ""
    return f"{words}: {raw}" if raw and raw != words else words


def _text(value: object) -> str:
    """A string, the words of an object, or those of the objects in a list (FastAPI's `detail`)."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _words(value) or _encoded(value)
    if isinstance(value, list):
        return "; ".join(filter(None, map(_text, value[:4])))
    return ""


def _encoded(value: Mapping[str, Any]) -> str:
    return _ENCODE(value)[:_LONGEST_TEXT].decode("utf-8", "replace") if value else ""


def text_of_page(body: bytes) -> str:
    """Return what a reader of a page would see; other text as it is."""
    text = body.decode("utf-8", "replace").removeprefix("\ufeff")
    if is_page(body):
        seen = " ".join(unescape(_TAG.sub(" ", _HIDDEN.sub(" ", text))).split())
        text = seen or text
    return text[:_LONGEST_TEXT]


def is_page(body: bytes) -> bool:
    """Whether a body is HTML or XML."""
    return body.removeprefix(sse.BOM).lstrip()[:1] == b"<"
