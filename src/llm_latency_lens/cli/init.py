"""`init`: a configuration to start from, with every option in it, commented out."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import click
import msgspec

from llm_latency_lens.cli.config import COMMANDS_WITH_OPTIONS, command_options
from llm_latency_lens.cli.options import option, options
from llm_latency_lens.errors import ExitCode, UsageError

_OPTIONS = (
    option("--format", "form", type=click.Choice(["toml", "yaml"]), default="toml", help="Its language."),
    option("--output", "-o", metavar="FILE", help="Where to write it; - is stdout.  [default: llm-latency-lens.toml or .yaml]"),
    option("--force", is_flag=True, help="Overwrite a file that is there."),
)  # fmt: skip
_HEAD = """\
Configuration of llm-latency-lens. The command line wins over LLL_* in the environment, that over this
file, this file over the defaults. Remove a # to set an option. ${NAME} in a text is replaced from the
environment. Check it with: llm-latency-lens validate"""
_EXAMPLES: dict[str, Any] = {
    "prompt": "Tell me a story.", "rate": "20/s", "duration": "30s", "goodput": "ttft<500ms,tpot<50ms",
    "max_cost": "$2", "stop": ["END"], "header": ["X-Team: search"], "image": ["cat.png"],
    "extra_body": '{"logprobs": true}', "reasoning": "low", "base_url": "http://127.0.0.1:8000/v1",
    "proxy": "http://127.0.0.1:3128", "system": "Be brief.",
}  # fmt: skip
"""Values for options whose default is nothing, where their type gives no good example."""


@click.command()
@options(_OPTIONS)
def init(form: str, output: str | None, *, force: bool) -> int:
    """Write a commented configuration in TOML or YAML.

    Every option of profile, benchmark and cost is in it with its default or an example, commented out.
    """
    text = render(form)
    if output == "-":
        click.echo(text, nl=False)
        return ExitCode.OK
    path = pathlib.Path(output or f"llm-latency-lens.{form}")
    if path.exists() and not force:
        raise UsageError(f"{path} is there already; say --force to overwrite it, or --output FILE")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {str(path)!r}: {error.strerror}") from None
    click.echo(f"wrote {path}; check it with: llm-latency-lens validate", err=True)
    return ExitCode.OK


def render(form: str) -> str:
    """The configuration's text, in `toml` or `yaml`."""
    return "\n".join(_WRITERS[form]()) + "\n"


def _toml() -> Iterator[str]:
    yield from (f"# {line}" for line in _HEAD.split("\n"))
    yield from (
        "",
        '# plugins = ["my-provider"]  # custom providers that may be loaded',
        "",
        "[targets.local]  # llm-latency-lens profile local --prompt Hello",
        'model = "openai:sim"  # provider:model',
        'base_url = "http://127.0.0.1:8000/v1"',
        '# headers = {"X-Team" = "search"}',
        "",
        "[targets.hosted]",
        'model = "openai:gpt-4o-mini"',
        'key = {env = "OPENAI_API_KEY"}  # or {file = "path"} or {command = "pass show openai"}',
    )
    for section, lines in _sections():
        yield from ("", f"[{section}]")
        yield from (f"# {name} = {_json(value)}  # {words}" for name, value, words in lines)


def _yaml() -> Iterator[str]:
    yield from (f"# {line}" for line in _HEAD.split("\n"))
    yield from (
        "",
        '# plugins: ["my-provider"]  # custom providers that may be loaded',
        "",
        "targets:",
        "  local:  # llm-latency-lens profile local --prompt Hello",
        '    model: "openai:sim"  # provider:model',
        '    base_url: "http://127.0.0.1:8000/v1"',
        '#    headers: {"X-Team": "search"}',
        "  hosted:",
        '    model: "openai:gpt-4o-mini"',
        '    key: {env: "OPENAI_API_KEY"}  # or {file: "path"} or {command: "pass show openai"}',
    )
    for section, lines in _sections():
        yield from ("", f"{section}:")
        yield from (f"#  {name}: {_json(value)}  # {words}" for name, value, words in lines)


_WRITERS: dict[str, Callable[[], Iterator[str]]] = {"toml": _toml, "yaml": _yaml}


def _sections() -> Iterator[tuple[str, list[tuple[str, Any, str]]]]:
    group = click.get_current_context().find_root().command
    for section in COMMANDS_WITH_OPTIONS:
        command = (
            group.get_command(click.get_current_context(), section)
            if isinstance(group, click.Group)
            else None
        )
        found = command_options(command) if command is not None else {}
        yield section, [(name, _sample(name, one), _words(one)) for name, one in found.items()]


def _sample(name: str, one: click.Parameter) -> Any:  # noqa: ANN401 - an option's value
    """The option's default, or an example."""
    if getattr(one, "is_flag", False):
        return one.default is True
    default = one.default
    if isinstance(default, str | int | float) and default != "":
        return default
    return _EXAMPLES.get(name, _of_type(one.type))


def _of_type(kind: click.ParamType[Any]) -> Any:  # noqa: ANN401 - an option's value
    for known, value in _BY_TYPE:
        if isinstance(kind, known):
            return next(iter(kind.choices)) if isinstance(kind, click.Choice) else value
    return "text"


_BY_TYPE: tuple[tuple[type[click.ParamType[Any]], Any], ...] = (
    (click.Choice, None),
    (click.FloatRange, 0.7),
    (click.IntRange, 100),
    (click.types.IntParamType, 100),
    (click.Path, "path/to/file"),
)


def _words(one: click.Parameter) -> str:
    return (getattr(one, "help", None) or "").replace("\n", " ")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
