"""From options to what the library takes: the target, the workload, the limits."""

import os
import pathlib
from typing import Any

import click

from llm_latency_lens.errors import UsageError


def make_profiler(spec: str, options: dict[str, Any]) -> Any:  # noqa: ANN401 - imported late, for a quick --help
    """The profiler of `provider:model` or of a target named in the configuration."""
    from llm_latency_lens.cli.config import TARGETS  # noqa: PLC0415
    from llm_latency_lens.model.request import Limits, TlsOptions  # noqa: PLC0415
    from llm_latency_lens.profiler import Profiler  # noqa: PLC0415
    from llm_latency_lens.providers.target import Where  # noqa: PLC0415

    named: dict[str, Any] = click.get_current_context().meta.get(TARGETS, {}).get(spec, {})

    def chosen(name: str) -> str | None:
        given = options.get(name)
        return given if given is not None else named.get(name)

    _check_files({name: chosen(name) for name in ("ca_file", "client_cert", "client_key")})
    where = Where(
        base_url=chosen("base_url"),
        proxy=chosen("proxy"),
        tls=TlsOptions(chosen("ca_file"), chosen("client_cert"), chosen("client_key")),
    )
    limits = Limits(
        connect_timeout=_above_zero(options["connect_timeout"], "--connect-timeout"),
        idle_timeout=_above_zero(options["idle_timeout"], "--idle-timeout"),
        total_timeout=_above_zero(options["timeout"], "--timeout"),
    )
    profiler = Profiler(named.get("model", spec), where=where, limits=limits)
    if where.tls != TlsOptions():
        from llm_latency_lens.transport.tls import make_context  # noqa: PLC0415

        make_context(where.tls)
    return profiler


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
    from llm_latency_lens.workload.prompts import read_conversations  # noqa: PLC0415
    from llm_latency_lens.workload.workload import Workload, of_prompts  # noqa: PLC0415

    prompt, path = options["prompt"], options["prompt_file"]
    if prompt is not None and path is not None:
        raise UsageError("--prompt and --prompt-file contradict each other: give one of them")
    if path is not None:
        conversations = read_conversations(pathlib.Path(path), options["system"])
    elif prompt is not None and prompt.strip():
        conversations = of_prompts((prompt,), options["system"])
    else:
        raise UsageError("nothing to ask: give --prompt TEXT or --prompt-file PATH")
    return Workload(
        conversations=conversations,
        max_tokens=options["max_tokens"],
        temperature=options["temperature"],
        stream=options["stream"],
        nonce=nonce,
    )


def parse_workers(text: str) -> int:
    """`auto` (0) or a number from 1 on."""
    if text == "auto":
        return 0
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise UsageError(f"--workers {text!r}: give a number from 1 on, or auto")
