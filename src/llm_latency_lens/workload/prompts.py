"""Prompt files: .txt is one prompt, .jsonl one a line, .csv one a row (column `prompt`)."""

import csv
import io
import pathlib
from collections.abc import Callable

import msgspec

from llm_latency_lens.errors import UsageError
from llm_latency_lens.model.request import Message
from llm_latency_lens.workload.workload import of_prompts

Conversations = tuple[tuple[Message, ...], ...]


class _Line(msgspec.Struct, forbid_unknown_fields=False):
    prompt: str | None = None
    messages: tuple[Message, ...] | None = None


def read_conversations(path: pathlib.Path, system: str | None = None) -> Conversations:
    """The conversations of a prompt file.

    JSON lines hold `{"prompt": "..."}` or `{"messages": [{"role": ..., "content": ...}]}`.

    Raises:
        UsageError: the file is missing, not UTF-8, empty, or a line of it is wrong (with its number).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"can't read prompt file {str(path)!r}: {error.strerror}") from None
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise UsageError(f"{path}: prompt files end in {known}, not {path.suffix or 'nothing'}")
    conversations = reader(path, text, system)
    if not conversations:
        raise UsageError(f"{path}: no prompt in it")
    return conversations


def _txt(_: pathlib.Path, text: str, system: str | None) -> Conversations:
    return of_prompts((text.strip(),), system) if text.strip() else ()


def _jsonl(path: pathlib.Path, text: str, system: str | None) -> Conversations:
    conversations: list[tuple[Message, ...]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = msgspec.json.decode(line, type=_Line)
        except msgspec.DecodeError as error:
            raise UsageError(f"{path}:{number}: {error}") from None
        if entry.messages:
            conversations.append(entry.messages)
        elif entry.prompt:
            conversations += of_prompts((entry.prompt,), system)
        else:
            raise UsageError(f'{path}:{number}: needs "prompt" or "messages", not empty')
    return tuple(conversations)


def _csv(path: pathlib.Path, text: str, system: str | None) -> Conversations:
    rows = csv.DictReader(io.StringIO(text))
    if "prompt" not in (rows.fieldnames or ()):
        raise UsageError(f"{path}:1: needs a column named prompt")
    prompts = []
    for row in rows:
        if not row["prompt"]:
            raise UsageError(f"{path}:{rows.line_num}: the prompt is empty")
        prompts.append(row["prompt"])
    return of_prompts(tuple(prompts), system)


_READERS: dict[str, Callable[[pathlib.Path, str, str | None], Conversations]] = {
    ".txt": _txt,
    ".jsonl": _jsonl,
    ".csv": _csv,
}
