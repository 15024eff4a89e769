"""Prompt files: .txt has one prompt a line, .jsonl one object a line, .csv one row each.

Objects and rows may have settings of their own (max_tokens, temperature, ...), which win over those
of the command line. A field that is neither a setting nor a label is refused: nobody should think
that it was sent.
"""

import csv
import io
import pathlib
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from llm_latency_lens.errors import UsageError, did_you_mean
from llm_latency_lens.model.request import Image, Message
from llm_latency_lens.workload.workload import Conversation

_Count = Annotated[int, Meta(ge=1)]
_Least = Annotated[int, Meta(ge=0)]
_LABELS = frozenset(
    {"id", "name", "label", "category", "task", "topic", "tags", "source", "comment", "metadata"}
    | {"question_id", "request_id", "dataset"}
)
"""Fields that name or sort prompts, and ask nothing: they are read over."""
_OTHER_NAMES = {
    **dict.fromkeys(("text", "input", "question", "instruction", "text_input"), "prompt"),
    **dict.fromkeys(("conversations", "conversation", "turns"), "messages"),
    **dict.fromkeys(("output_length", "output_len", "output_tokens", "osl"), "max_tokens"),
    **dict.fromkeys(("max_completion_tokens", "max_new_tokens"), "max_tokens"),
    **dict.fromkeys(("max_output_tokens", "num_predict"), "max_tokens"),
    "seed": "sampling_seed",
    "system_prompt": "system",
}
"""What other tools call the fields."""


class PromptSettings(Struct, frozen=True, kw_only=True):
    """The settings that one prompt may have; None leaves the command line's."""

    max_tokens: _Count | None = None
    temperature: Annotated[float, Meta(ge=0)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: _Count | None = None
    sampling_seed: int | None = None
    stop: tuple[str, ...] | str | None = None
    reasoning: str | None = None
    thinking_budget: _Least | None = None
    ignore_eos: bool | None = None
    min_tokens: _Least | None = None


class _Turn(Struct, frozen=True, forbid_unknown_fields=True):
    role: str
    content: str
    images: tuple[Image, ...] = ()


class PromptSet(Struct, frozen=True):
    """The conversations of a file, and for each what it changes of the request."""

    conversations: tuple[Conversation, ...]
    changes: tuple[dict[str, Any], ...]


class _Prompt(Struct, frozen=True):
    messages: Conversation
    changes: dict[str, Any]


class _Place(Struct, frozen=True):
    """A line of the file, and the system prompt of the command line."""

    where: str
    system: str | None

    def wrong(self, words: str) -> UsageError:
        """The error that says what is wrong there."""
        return UsageError(f"{self.where}: {words}")


_SETTINGS = PromptSettings.__struct_fields__
_FIELDS = ("prompt", "messages", "system", *_SETTINGS)


def read_prompts(path: pathlib.Path, system: str | None = None) -> PromptSet:
    """The prompts of a file; `system` is the system prompt of those that have none of their own.

    JSON lines hold `{"prompt": "..."}` or `{"messages": [{"role": ..., "content": ...}]}`.

    Raises:
        UsageError: the file is missing, not UTF-8, empty, or a line of it is wrong (with its number).
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise UsageError(f"{path}: prompt files end in {known}, not {path.suffix or 'nothing'}")
    prompts = tuple(reader(path, _text_of(path), system))
    if not prompts:
        raise UsageError(f"{path}: no prompt in it")
    changes = tuple(prompt.changes for prompt in prompts)
    return PromptSet(
        conversations=tuple(prompt.messages for prompt in prompts),
        changes=changes if any(changes) else (),
    )


def _text_of(path: pathlib.Path) -> str:
    """The file's text; a byte-order mark before it is no part of the first prompt."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"can't read prompt file {str(path)!r}: {error.strerror}") from None


def _txt(path: pathlib.Path, text: str, system: str | None) -> Iterator[_Prompt]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _prompt({"prompt": line.strip()}, _Place(f"{path}:{number}", system))


def _jsonl(path: pathlib.Path, text: str, system: str | None) -> Iterator[_Prompt]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = _Place(f"{path}:{number}", system)
        try:
            entry = msgspec.json.decode(line.encode(), type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError) as error:
            raise place.wrong(str(error)) from None
        yield _prompt(entry, place)


def _csv(path: pathlib.Path, text: str, system: str | None) -> Iterator[_Prompt]:
    rows = csv.DictReader(io.StringIO(text), strict=True)
    try:
        names = rows.fieldnames or ()
        place = _Place(f"{path}:1", system)
        if "prompt" not in names:
            raise place.wrong("needs a column named prompt")
        if len(set(names)) < len(names):
            raise place.wrong("two columns have the same name")
        for row in rows:
            place = _Place(f"{path}:{rows.line_num}", system)
            if None in row:
                raise place.wrong("has more cells than there are columns")
            yield _prompt({name: cell for name, cell in row.items() if cell}, place)
    except csv.Error as error:
        raise UsageError(f"{path}:{rows.line_num + 1}: {error}") from None


def _prompt(entry: dict[str, Any], place: _Place) -> _Prompt:
    """One prompt with its settings. Cells of a table are text, so numbers may be text too."""
    for name in entry:
        if name not in _FIELDS and name not in _LABELS:
            meant = _OTHER_NAMES.get(name)
            words = f"write {meant!r}" if meant else did_you_mean(name, _FIELDS)
            raise place.wrong(f"{name!r} would not be sent; {words}, or leave it out")
    settings = {name: value for name, value in entry.items() if name in _SETTINGS}
    try:
        read = msgspec.convert(settings, PromptSettings, strict=False)
    except msgspec.ValidationError as error:
        raise place.wrong(str(error)) from None
    changes = {name: getattr(read, name) for name in settings if settings[name] is not None}
    if isinstance(changes.get("stop"), str):
        changes["stop"] = (changes["stop"],)
    return _Prompt(_messages(entry, place), changes)


def _messages(entry: dict[str, Any], place: _Place) -> Conversation:
    prompt, listed = entry.get("prompt"), entry.get("messages")
    if prompt is not None and listed is not None:
        raise place.wrong('"prompt" and "messages" contradict each other: give one of them')
    try:
        system = msgspec.convert(entry.get("system"), str | None)
        if listed is None:
            listed = [{"role": "user", "content": "" if prompt is None else prompt}]
        turns = msgspec.convert(listed, tuple[_Turn, ...])
    except msgspec.ValidationError as error:
        raise place.wrong(str(error)) from None
    if not any(turn.content.strip() for turn in turns):
        raise place.wrong('needs "prompt" or "messages", not empty')
    has_system = any(turn.role == "system" for turn in turns)
    if system is not None and has_system:
        raise place.wrong('"system" and a system message contradict each other: give one of them')
    opening = system if system is not None else place.system
    messages = tuple(Message(turn.role, turn.content, turn.images) for turn in turns)
    return messages if opening is None or has_system else (Message("system", opening), *messages)


_READERS: dict[str, Callable[[pathlib.Path, str, str | None], Iterator[_Prompt]]] = {
    ".txt": _txt,
    ".jsonl": _jsonl,
    ".csv": _csv,
}
