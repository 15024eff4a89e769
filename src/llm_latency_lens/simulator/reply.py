"""From a request to what will be answered: an answer to be scheduled, or a refusal to be sent at once."""

import os
from collections.abc import Callable

import msgspec
from msgspec import Struct

from llm_latency_lens.simulator.answer import Answer
from llm_latency_lens.simulator.asked import Asked, BadRequestError
from llm_latency_lens.simulator.connection import Arrived
from llm_latency_lens.simulator.fault import Fault
from llm_latency_lens.simulator.faulty import making_of
from llm_latency_lens.simulator.framing import json_response, response
from llm_latency_lens.simulator.key import is_authorised, sent_key
from llm_latency_lens.simulator.latency import generator
from llm_latency_lens.simulator.routes import Route
from llm_latency_lens.simulator.spec import SimulatorSpec
from llm_latency_lens.simulator.told import Told

_PAGE = b"<!doctype html><title>Sign in</title><p>Please sign in to use this network.</p>"
_NS_PER_S = 1_000_000_000


class Refusal(Struct, frozen=True):
    """A whole response that is no answer."""

    status: int
    data: bytes


class Reply(Struct, frozen=True, kw_only=True):
    """An answer to be sent in time; `early`: with its opening as soon as the request is there."""

    told: Told
    answer: Answer
    before: bytes
    early: bool
    at_once: bool


def faults_of(spec: SimulatorSpec, number: int) -> tuple[Fault, ...]:
    """The faults that hit request `number`."""
    return tuple(fault for fault in spec.faults if fault.hits(spec.seed, number))


def refusal_of(
    route: Route, arrived: Arrived, faults: tuple[Fault, ...], key: str | None
) -> Refusal | None:
    """The refusal that a wrong key or a fault asks for, in the route's own language."""
    if key is not None and not is_authorised(arrived, key):
        return _refuse(route, arrived, 401, "the key is wrong or missing")
    for fault in faults:
        refuse = _REFUSALS.get(fault.name)
        if refuse is not None:
            return refuse(route, arrived, fault)
    return None


def make_reply(
    spec: SimulatorSpec, route: Route, arrived: Arrived, number: int, response_id: str
) -> Reply:
    """The reply to request `number`.

    Raises:
        BadRequestError: the body is not what the language takes.
    """
    if arrived.too_large:
        raise BadRequestError("the body is above 16 MiB", 413)
    asked = route.voice.read(arrived.body, route.at)
    output = _output_tokens(spec, number, asked)
    calls = spec.calls_tools and asked.offers_tools
    told = Told(
        id=response_id,
        asked=asked,
        output_tokens=output,
        thinking=min(spec.thinking, output - 1) if spec.thinking else 0,
        calls_tool=calls,
        cached=min(spec.cached, asked.prompt_tokens),
    )
    faults = faults_of(spec, number)
    making = making_of(_placed(faults, spec))
    names = {fault.name for fault in faults}
    return Reply(
        told=told,
        answer=Answer(route.voice, told, making, keep_alive=arrived.keep_alive),
        before=making.before,
        early=asked.stream and (spec.role_early or bool(making.pings)),
        at_once="burst" in names,
    )


def key_of(spec: SimulatorSpec) -> str | None:
    """The key that requests must carry, from the environment.

    Raises:
        BadRequestError: never; an unset variable lets no key through.
    """
    return None if spec.key_env is None else os.environ.get(spec.key_env, "") or "\x00"


def bad_request(error: BadRequestError, route: Route | None, arrived: Arrived) -> Refusal:
    """What is said of a request that can't be served."""
    document = (
        route.voice.failure(error.status, str(error))
        if route is not None
        else {"error": {"message": str(error), "type": "invalid_request_error"}}
    )
    data = json_response(error.status, document, keep_alive=arrived.keep_alive, fields=error.fields)
    # The answer to HEAD is a head; a body would be taken for the next answer.
    end = data.index(b"\r\n\r\n") + 4 if arrived.method == "HEAD" else None
    return Refusal(error.status, data[:end])


def _placed(faults: tuple[Fault, ...], spec: SimulatorSpec) -> tuple[Fault, ...]:
    """The index of a spoilt token must be one that exists."""
    most = max(spec.tokens - 1, 0)
    return tuple(
        msgspec.structs.replace(fault, value=min(fault.value, most))
        if fault.name == "bad-crc"
        else fault
        for fault in faults
    )


def _refuse(
    route: Route, arrived: Arrived, status: int, words: str, fields: tuple[str, ...] = ()
) -> Refusal:
    document = route.voice.failure(status, words)
    return Refusal(
        status, json_response(status, document, keep_alive=arrived.keep_alive, fields=fields)
    )


def _status(route: Route, arrived: Arrived, fault: Fault) -> Refusal:
    fields = (
        (f"Retry-After: {fault.retry_after / _NS_PER_S:g}",)
        if fault.retry_after is not None
        else ()
    )
    return _refuse(route, arrived, fault.value, "a fault was asked for", fields)


def _html(_: Route, arrived: Arrived, __: Fault) -> Refusal:
    fields = ("Content-Type: text/html; charset=utf-8",)
    return Refusal(200, response(200, _PAGE, keep_alive=arrived.keep_alive, fields=fields))


def _echo_key(route: Route, arrived: Arrived, _: Fault) -> Refusal:
    return _refuse(route, arrived, 401, f"incorrect API key provided: {sent_key(arrived)}")


_REFUSALS: dict[str, Callable[[Route, Arrived, Fault], Refusal]] = {
    "status": _status,
    "html": _html,
    "echo-key": _echo_key,
}


def _output_tokens(spec: SimulatorSpec, number: int, asked: Asked) -> int:
    output = spec.tokens
    if spec.tokens_max > spec.tokens:
        output = generator(spec.seed, "tokens", number).randint(spec.tokens, spec.tokens_max)
    return max(min(output, asked.limit or output), 1)
