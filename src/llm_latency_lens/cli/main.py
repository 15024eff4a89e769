"""The command group: a table of commands, each imported when it is called, and the one error edge.

Results go to stdout, everything else to stderr. An error is one line: what, where, what to do next.
"""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from llm_latency_lens.errors import ExitCode, LensError, did_you_mean

COMMANDS = {
    "demo": "Benchmark the embedded simulator and compare our numbers with its ledger.",
    "profile": "Measure one request and show its anatomy.",
    "benchmark": "Measure an endpoint under load.",
    "calibrate": "Measure the instrument itself: its error and its capacity on this machine.",
    "compare": "Say which of two or more targets is faster, and how sure that is.",
    "gate": "Hold a run to thresholds and to a baseline: pass, fail or no verdict.",
    "report": "Report a finished run: a self-contained page, Markdown, or the console again.",
    "analyze": "Read stored runs again: filter, group, time series, thresholds, history.",
    "import": "Read a result file of another tool.",
    "cost": "Estimate a plan before it runs, or price a finished run.",
    "runs": "List, show, recover, query and export stored runs.",
    "reinterpret": "Read a run's saved recordings again and recompute every number.",
    "providers": "List the providers and which keys are present.",
    "validate": "Check the configuration, the keys and that each target can be reached.",
    "init": "Write a commented configuration in TOML or YAML.",
    "simulate": "Serve a streaming LLM API whose truth is known.",
}
"""Each command lives in `llm_latency_lens.cli.NAME` as an object of its own name."""
_ELSEWHERE = {"import": "importing"}
"""But for names that Python keeps for itself."""


class LazyGroup(click.Group):
    """Knows its commands by name and one line; imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's shape
        """The commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's shape
        """Import the command called `cmd_name`."""
        if cmd_name not in COMMANDS:
            return None
        name = _ELSEWHERE.get(cmd_name, cmd_name)
        module = __import__(f"llm_latency_lens.cli.{name}", fromlist=[name])
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's shape
        """Write the table without importing any command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, naming the nearest command where there is none of that name."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            raise click.UsageError(f"no command {name!r}; {did_you_mean(name, COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Targets are written provider:model, such as openai:gpt-4o-mini. Start with: llm-latency-lens demo",
)
@click.version_option(package_name="llm-latency-lens", message="llm-latency-lens %(version)s")
def group() -> None:
    """Measure how fast, how steady and how expensive LLM APIs really are.

    Every run also reports how far its own numbers can be trusted.
    """


def main() -> NoReturn:
    """Run the command line and exit with one of the codes of `errors.ExitCode`."""
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run the command line on `arguments` (default: the process's own); returns the exit code."""
    try:
        outcome = group.main(arguments, prog_name="llm-latency-lens", standalone_mode=False)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - this is the edge
        return _ended_by(error)
    return outcome if isinstance(outcome, int) else ExitCode.OK


def _ended_by(error: BaseException) -> int:
    if isinstance(error, BrokenPipeError):
        # The reader of our output has gone (`| head`): nothing is left to say, and nobody to hear it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    if isinstance(error, click.exceptions.NoArgsIsHelpError) and error.ctx is not None:
        click.echo(error.ctx.get_help())
        return ExitCode.OK
    for kind, words, code in _EDGE:
        if isinstance(error, kind):
            return _complain(
                words(error), code if code is not None else int(getattr(error, "exit_code", 1))
            )
    if os.environ.get("LLL_DEBUG"):
        raise error
    bug = f"internal error: {type(error).__name__}: {error}; set LLL_DEBUG=1 for the traceback"
    return _complain(bug, ExitCode.INTERNAL)


def _usage_words(error: click.UsageError) -> str:
    where = error.ctx.command_path if error.ctx else "llm-latency-lens"
    words = error.format_message().rstrip(".")
    return f"{words} (see {where} --help)"


_EDGE: tuple[tuple[type[BaseException], Callable[..., str], ExitCode | None], ...] = (
    (click.UsageError, _usage_words, ExitCode.USAGE),
    (click.Abort, lambda _: "interrupted", ExitCode.INTERRUPTED),
    (click.ClickException, click.ClickException.format_message, ExitCode.USAGE),
    (KeyboardInterrupt, lambda _: "interrupted", ExitCode.INTERRUPTED),
    (LensError, str, None),
)
"""Foreign and own exceptions, their words and exit code (None: the exception has its own)."""


def _complain(words: str, code: int) -> int:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {words}", err=True)
    return code
