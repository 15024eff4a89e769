"""What goes with a prompt and comes from files: images and tools."""

import base64
import json
import pathlib
from typing import Any

import msgspec

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import Image, Tool

_TYPES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)
_LARGEST = 20 * 1024 * 1024


def read_image(where: str) -> Image:
    """The image at an http(s) URL (which the server fetches), or of a file.

    Raises:
        UsageError: no such file, too large, or no image.
    """
    if where.startswith(("http://", "https://")):
        return Image(url=where)
    try:
        data = pathlib.Path(where).read_bytes()
    except OSError as error:
        raise UsageError(f"can't read image {where!r}: {error.strerror}") from None
    kind = next((kind for magic, kind in _TYPES if data.startswith(magic)), None)
    if kind is None:
        raise UsageError(f"{where!r} is no PNG, JPEG, GIF or WebP image")
    if len(data) > _LARGEST:
        raise UsageError(f"image {where!r} is larger than 20 MiB, more than any provider takes")
    return Image(data=base64.b64encode(data).decode(), media_type=kind)


def read_tools(path: str) -> tuple[Tool, ...]:
    """The tools of a JSON file: a list of `{"name", "description", "parameters"}`, also as OpenAI writes them.

    Raises:
        UsageError: the file can't be read, or is no such list.
    """
    try:
        listed = json.loads(pathlib.Path(path).read_text(encoding="utf-8-sig"))
        return tuple(_tool(item) for item in listed)
    except OSError as error:
        raise UsageError(f"can't read tools {path!r}: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError, msgspec.ValidationError) as error:
        raise UsageError(
            f"{path}: not a list of tools ({error}); each needs a name, a description and parameters"
        ) from None


def _tool(item: dict[str, Any]) -> Tool:
    return msgspec.convert(item.get("function", item), Tool)


def parse_extra(text: str) -> dict[str, Any]:
    """A JSON object that is merged into every request body.

    Raises:
        UsageError: not a JSON object.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--extra-body: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError("--extra-body: must be a JSON object, such as '{\"logprobs\": true}'")
    return found
