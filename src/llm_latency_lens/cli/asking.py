"""From options to what the library takes: the target, the workload, the limits."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import click

from llm_latency_lens.errors import UsageError


def make_profiler(spec: str, options: dict[str, Any], *, asks: bool = True) -> Any:  # noqa: ANN401 - imported late, for a quick --help
    """The profiler of `provider:model` or of a target named in the configuration.

    `asks`: something will be sent, so a key is needed.
    """
    from llm_latency_lens.cli.config import configuration  # noqa: PLC0415
    from llm_latency_lens.model.request import TlsOptions  # noqa: PLC0415
    from llm_latency_lens.profiler import Profiler  # noqa: PLC0415
    from llm_latency_lens.providers.key import parse_key_source  # noqa: PLC0415
    from llm_latency_lens.providers.where import Where  # noqa: PLC0415

    config = configuration(click.get_current_context())
    named = config.targets.get(spec, {})

    def chosen(name: str) -> str | None:
        given = options.get(name)
        return given if given is not None else named.get(name)

    _check_files({name: chosen(name) for name in ("ca_file", "client_cert", "client_key")})
    where = Where(
        base_url=chosen("base_url"),
        proxy=_proxy(options.get("proxy"), named.get("proxy")),
        tls=TlsOptions(chosen("ca_file"), chosen("client_cert"), chosen("client_key")),
        spread_addresses=options.get("spread_addresses", False),
        asks=asks,
        plugins=config.plugins,
        headers=_headers(named.get("headers", {}), options["header"]),
        key=parse_key_source(named["key"]) if "key" in named else None,
        price_as=options.get("price_as"),
    )
    profiler = Profiler(
        named.get("model", spec),
        where=where,
        limits=_limits(options),
        prices=options.get("prices"),
    )
    if where.tls != TlsOptions():
        from llm_latency_lens.transport.tls import make_context  # noqa: PLC0415

        make_context(where.tls)
    return profiler


def _headers(configured: dict[str, str], typed: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The fields of the configuration, each replaced by one of its name that was typed."""
    from llm_latency_lens.providers.headers import (  # noqa: PLC0415
        header_field,
        header_fields,
        parse_header,
    )
    from llm_latency_lens.wire.header_fields import merge_fields  # noqa: PLC0415

    own = tuple(header_field(name, value, os.environ) for name, value in configured.items())
    given = tuple(parse_header(text, os.environ) for text in typed)
    return merge_fields(own, header_fields(given, "--header"))


def _limits(options: dict[str, Any]) -> Any:  # noqa: ANN401 - Limits, imported late
    """How long what may take."""
    from llm_latency_lens.model.request import Limits  # noqa: PLC0415

    return Limits(
        connect_timeout=_above_zero(options["connect_timeout"], "--connect-timeout"),
        idle_timeout=_above_zero(options["idle_timeout"], "--idle-timeout"),
        total_timeout=_above_zero(options["timeout"], "--timeout"),
    )


def _proxy(given: str | None, configured: str | None) -> str | None:
    """The proxy's URL; what is typed must not hold its password."""
    from llm_latency_lens.providers.proxy import check_proxy, proxy_url  # noqa: PLC0415

    text = given if given is not None else configured
    source = click.get_current_context().get_parameter_source("proxy")
    if given is not None and source is not click.core.ParameterSource.ENVIRONMENT:
        check_proxy(given)
    return proxy_url(text, os.environ) if text else None


def _above_zero(ns: int, flag: str) -> int:
    if ns <= 0:
        raise UsageError(f"{flag} must be above 0")
    return ns


def _check_files(files: dict[str, str | None]) -> None:
    for name, path in files.items():
        if path is not None and not os.access(path, os.R_OK):
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{flag} {path!r}: no such file, or it can't be read")
    if files["client_key"] and not files["client_cert"]:
        raise UsageError("--client-key needs --client-cert")


def make_workload(options: dict[str, Any], *, nonce: bool) -> Any:  # noqa: ANN401 - imported late, for a quick --help
    """What is asked: exactly one of --prompt and --prompt-file."""
    from llm_latency_lens.workload.attachments import read_image  # noqa: PLC0415
    from llm_latency_lens.workload.prompts import PromptSet, read_prompts  # noqa: PLC0415
    from llm_latency_lens.workload.workload import Workload, of_prompts  # noqa: PLC0415

    prompt, path = options["prompt"], options["prompt_file"]
    images = tuple(read_image(where) for where in options["image"])
    if prompt is not None and path is not None:
        raise UsageError("--prompt and --prompt-file contradict each other: give one of them")
    if path is not None and images:
        raise UsageError(
            "--image goes with --prompt; in a prompt file, messages have their own images"
        )
    if path is not None:
        prompts = read_prompts(pathlib.Path(path), options["system"])
    elif prompt is not None and prompt.strip():
        prompts = PromptSet(of_prompts((prompt,), options["system"], images), ())
    else:
        empty = (
            "--prompt is empty"
            if prompt is not None
            else "give --prompt TEXT or --prompt-file PATH"
        )
        raise UsageError(f"nothing to ask: {empty}")
    return Workload(
        conversations=prompts.conversations,
        changes=prompts.changes,
        wish=_wish(options),
        nonce=nonce,
    )


_SETTINGS = ("max_tokens", "temperature", "top_p", "top_k", "sampling_seed", "reasoning", "thinking_budget", "min_tokens", "stream")  # fmt: skip


def _wish(options: dict[str, Any]) -> Any:  # noqa: ANN401 - imported late, for a quick --help
    """The request without its messages."""
    from llm_latency_lens.model.request import Request  # noqa: PLC0415
    from llm_latency_lens.workload.attachments import parse_extra, read_tools  # noqa: PLC0415

    return Request(
        messages=(),
        stop=options["stop"] or None,
        ignore_eos=True if options["ignore_eos"] else None,
        tools=read_tools(options["tools"]) if options["tools"] else (),
        extra=parse_extra(options["extra_body"]) if options["extra_body"] else {},
        **{name: options[name] for name in _SETTINGS},
    )


_LOAD = (
    *("rate", "arrival", "concurrency", "requests", "duration", "warmup", "seed", "retries"),
    "nonce_salt",
)


def load_of(options: dict[str, Any]) -> Any:  # noqa: ANN401 - imported late, for a quick --help
    """The load that the options ask for."""
    from llm_latency_lens.load import Load  # noqa: PLC0415

    if options["nonce_salt"] is not None and not options["nonce"]:
        raise UsageError("--nonce-salt and --no-nonce contradict each other: give one of them")
    return Load(
        **{key: options[key] for key in _LOAD},
        goodput=options.get("goodput", ""),
        until_precise=options.get("until_precise") or "",
        max_cost=options.get("max_cost"),
        stamps=options.get("stamps") or "auto",
        abort_on=options.get("abort_on") or "",
        workers=parse_workers(options["workers"]),
    )


def parse_workers(text: str) -> int:
    """`auto` (0) or a number from 1 on."""
    if text == "auto":
        return 0
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise UsageError(f"--workers {text!r}: give a number from 1 on, or auto")
