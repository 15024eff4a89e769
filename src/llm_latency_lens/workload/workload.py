"""What is asked, as pure seeded data: request number n of a run is the same wherever it is made."""

import hashlib
from typing import Any

import msgspec
from msgspec import Struct

from llm_latency_lens.model.request import Image, Message, Request

TAG_CHARACTERS = 15
"""What a tag adds to a prompt: twelve hex digits, brackets and a blank."""
TAG_TOKENS = 9
"""The same in tokens, about: tokenizers cut hex digits into numbers and letters."""


Conversation = tuple[Message, ...]


class Workload(Struct, frozen=True, kw_only=True):
    """Conversations to ask in turn, and how.

    Attributes:
        conversations: the messages of each.
        changes: what each conversation changes of `wish`, by field; () where none does.
        wish: the request without its messages.
        nonce: the first message begins with a tag that no other request of any run has, so that
            no prompt cache, ours or the provider's, answers for the model.
        seed: of the run.
        salt: what the tags are made of besides the seed; another one in every run.
    """

    conversations: tuple[Conversation, ...]
    changes: tuple[dict[str, Any], ...] = ()
    wish: Request = Request(messages=())
    nonce: bool = True
    seed: int = 0
    salt: str = ""

    @property
    def stream(self) -> bool:
        """Whether streamed answers are asked for."""
        return self.wish.stream


def of_prompts(
    prompts: tuple[str, ...], system: str | None = None, images: tuple[Image, ...] = ()
) -> tuple[tuple[Message, ...], ...]:
    """One conversation of a single turn for each prompt, the system prompt before it, images with it."""
    opening = (Message("system", system),) if system else ()
    return tuple((*opening, Message("user", prompt, images)) for prompt in prompts)


def request_for(workload: Workload, phase: str, number: int, arms: int = 1) -> Request:
    """The wish of request `number` of `phase`; of `arms` targets each is asked the same in turn."""
    index = number // arms % len(workload.conversations)
    messages = workload.conversations[index]
    if workload.nonce:
        messages = _tagged(messages, nonce(workload, phase, number))
    changes = workload.changes[index] if workload.changes else {}
    return msgspec.structs.replace(workload.wish, messages=messages, **changes)


def characters_of(request: Request) -> int:
    """The length of what a request asks: its messages and its tools."""
    tools = sum(len(f"{t.name}{t.description}{t.parameters}") for t in request.tools)
    return sum(len(message.content) for message in request.messages) + tools


def asked_tokens(request: Request) -> tuple[int, int | None]:
    """The fewest and the most output tokens that a request asks for."""
    least, most = request.min_tokens or 0, request.max_tokens
    return (max(least, most or 0) if request.ignore_eos else least), most


def nonce(workload: Workload, phase: str, number: int) -> str:
    """Twelve hex digits; reproducible from the run's seed and salt."""
    source = f"{workload.salt}/{workload.seed}/{phase}/{number}"
    return hashlib.blake2b(source.encode(), digest_size=6).hexdigest()


def _tagged(messages: tuple[Message, ...], tag: str) -> tuple[Message, ...]:
    """At the very front, where caches of prefixes begin: in the first message, the system's included."""
    first = messages[0]
    return (Message(first.role, f"[{tag}] {first.content}", first.images), *messages[1:])


def kinds_of_request(workload: Workload) -> tuple[int, ...]:
    """Numbers of requests that stand for all: one for each set of fields that a prompt changes."""
    kinds = {frozenset(changes): number for number, changes in enumerate(workload.changes)}
    return tuple(kinds.values()) or (0,)


def describe_workload(workload: Workload) -> dict[str, Any]:
    """What was asked, without the prompts' text: their number, length and hash."""
    texts = [message.content for messages in workload.conversations for message in messages]
    changed = sorted({name for changes in workload.changes for name in changes})
    digest = hashlib.sha256("\x00".join(texts).encode())
    if changed:
        digest.update(msgspec.json.encode(workload.changes, order="deterministic"))
    bare = msgspec.structs.replace(workload, conversations=(), changes=())
    described: dict[str, Any] = msgspec.to_builtins(bare)
    described["conversations"] = {
        "count": len(workload.conversations),
        "characters": sum(map(len, texts)),
        "sha256": digest.hexdigest(),
    }
    described["changes"] = changed
    return described
