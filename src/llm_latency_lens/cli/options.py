"""The options that commands share, as tables; each is also `LLL_NAME` in the environment.

Precedence is click's own: command line, then environment, then the configuration file (as click's
default map), then the default.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from llm_latency_lens.cli.config import use_config
from llm_latency_lens.cli.types import DURATION, RATE
from llm_latency_lens.cli.types import MONEY as MONEY_TYPE

F = TypeVar("F", bound=Callable[..., Any])


def option(*names: str, **attributes: Any) -> Callable[[F], F]:  # noqa: ANN401 - click's own attributes
    """A click option with its default shown and its environment variable named after it."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "LLL_" + long.removeprefix("--").removeprefix("no-").replace("-", "_").upper()
    attributes.setdefault("show_default", attributes.get("default") is not None)
    return click.option(*names, envvar=variable, **attributes)


CONFIG = (
    click.option(
        "--config",
        type=click.Path(dir_okay=False),
        envvar="LLL_CONFIG",
        is_eager=True,
        expose_value=False,
        callback=use_config,
        help="Configuration file (default: llm-latency-lens.toml or .yaml in this directory, if there is one).",
    ),
)
TARGET = (
    option("--base-url", metavar="URL", help="API address, such as http://127.0.0.1:8000/v1."),
    option("--ca-file", type=click.Path(), help="PEM file of a private certificate authority."),
    option("--client-cert", type=click.Path(), help="PEM file of a client certificate."),
    option("--client-key", type=click.Path(), help="PEM file of the client certificate's key."),
    option(
        "--proxy",
        metavar="URL|env:VARIABLE|file:PATH",
        help="HTTP(S) proxy to go through; the environment's are not used. A URL with user and"
        " password is read from a variable or a file.",
    ),
    option(
        "--spread-addresses",
        is_flag=True,
        help="Connect to all addresses of the host's name in turn, not to the first that answers.",
    ),
    option(
        "--header",
        metavar="'NAME: VALUE'",
        multiple=True,
        help="Header field to send; it replaces the tool's own field of that name. A secret value is"
        " written env:VARIABLE.",
    ),
)
REQUEST = (
    option("--prompt", "-p", metavar="TEXT", help="The prompt."),
    option(
        "--prompt-file",
        "-f",
        type=click.Path(),
        help="Prompts from a .txt (one a line), .jsonl or .csv file (with settings of their own).",
    ),
    option("--system", metavar="TEXT", help="System prompt."),
    option("--max-tokens", type=click.IntRange(1), help="Ask for at most this many output tokens."),
    option("--temperature", type=click.FloatRange(0), help="Sampling temperature."),
    option("--top-p", type=click.FloatRange(0, 1), help="Sample from this share of likely tokens."),
    option("--top-k", type=click.IntRange(1), help="Sample from so many likely tokens."),
    option("--sampling-seed", type=int, help="The server's own seed."),
    option("--stop", multiple=True, metavar="TEXT", help="Stop where this would be said."),
    option("--reasoning", metavar="EFFORT", help="Effort of thought: low, medium, high, ..."),
    option("--thinking-budget", type=click.IntRange(0), help="Tokens to think with, at most."),
    option("--ignore-eos", is_flag=True, help="Go on to --max-tokens, where the server can."),
    option("--min-tokens", type=click.IntRange(0), help="At least so many, where the server can."),
    option("--tools", type=click.Path(), help="JSON file with tools that the model may call."),
    option("--image", multiple=True, metavar="PATH|URL", help="An image to send with the prompt."),
    option("--extra-body", metavar="JSON", help="Fields to merge into each request's body."),
    option("--stream/--no-stream", default=True, help="Ask for a streamed answer."),
)
LIMITS = (
    option(
        "--connect-timeout",
        type=DURATION,
        default="10s",
        help="Deadline of DNS, TCP and TLS together.",
    ),
    option(
        "--idle-timeout",
        type=DURATION,
        default="60s",
        help="Give up when nothing arrives for so long.",
    ),
    option("--timeout", type=DURATION, default="10m", help="Deadline of a whole request."),
)
LOAD = (
    option(
        "--rate",
        type=RATE,
        metavar="RATE",
        help="Open loop: start requests at this rate, such as 20/s.",
    ),
    option(
        "--arrival",
        type=click.Choice(["poisson", "constant"]),
        help="Open loop: how arrivals are spaced.  [default: poisson]",
    ),
    option(
        "--concurrency",
        "-c",
        type=click.IntRange(1),
        help="Closed loop: keep so many requests under way.  [default: 1, without --rate]",
    ),
    option(
        "--requests",
        "-n",
        type=click.IntRange(1),
        help="Stop after so many requests.  [default: 20, without --duration]",
    ),
    option(
        "--duration", "-d", type=DURATION, help="Stop starting requests after so long, such as 30s."
    ),
    option(
        "--warmup",
        type=click.IntRange(0),
        help="Requests before the measurement, in no latency but in the cost."
        "  [default: one for each slot; with --rate a second's worth, at most 64]",
    ),
    option(
        "--retries",
        type=click.IntRange(0),
        default=0,
        help="Try a request again that failed for a passing reason (a tenth of all, at most).",
    ),
    option(
        "--abort-on",
        metavar="CONDITIONS|never",
        help="End the run where this holds for the last 100 requests, such as 'error_rate>50%'."
        "  [default: where the first 5 fail alike for a permanent reason, or 100 in a row]",
    ),
    option("--workers", default="auto", metavar="N|auto", help="Measuring processes."),
    option(
        "--seed", type=click.IntRange(0), help="Seed of everything random; stored with the run."
    ),
    option(
        "--nonce/--no-nonce",
        default=True,
        help="Begin each prompt with a tag of its own, so that no prompt cache hits.",
    ),
    option(
        "--nonce-salt",
        metavar="TEXT",
        help="Make the same tags again as a run with this salt and seed."
        "  [default: another in every run]",
    ),
)
PRICES = (
    option("--prices", type=click.Path(), help="TOML file with prices of your own."),
    option(
        "--price-as",
        metavar="PROVIDER:MODEL",
        help="Use this model's price, such as that of the model behind a deployment or a gateway.",
    ),
)
MONEY = (
    *PRICES,
    option(
        "--max-cost", type=MONEY_TYPE, metavar="$", help="Never spend more than this, such as $2."
    ),
    option(
        "--ask-above",
        type=MONEY_TYPE,
        default="$1",
        metavar="$",
        help="Ask before a run that may cost more.",
    ),
    option("--yes", "-y", is_flag=True, help="Don't ask before an expensive run."),
)
STAMPS = (
    option(
        "--stamps",
        type=click.Choice(["auto", "kernel", "user", "packet"]),
        default="auto",
        help="Whose clock stamps arrivals: the kernel's (auto: where it can), this process's, or a packet"
        " socket's (exact however late this process reads; needs CAP_NET_RAW).",
    ),
)
SAVE_RAW = (
    option(
        "--save-raw",
        is_flag=True,
        help="Keep every byte and stamp, for `reinterpret`; holds prompts' replies.",
    ),
)
TRUST = (
    *STAMPS,
    option(
        "--calibrate",
        type=click.Choice(["auto", "now", "never"]),
        default="auto",
        help="Know the instrument's own error: auto calibrates once for each machine.",
    ),
    option(
        "--beyond-roofline",
        is_flag=True,
        help="Run though the load may be more than this machine can measure.",
    ),
    option(
        "--allow-invalid",
        is_flag=True,
        help="Exit 0 though the measurement is invalid or too small; the report says it nevertheless.",
    ),
)
TOOLS = ("vllm", "sglang", "guidellm", "aiperf", "genai-perf", "inference-perf", "genai-bench", "llmperf", "llmeter", "evalscope")  # fmt: skip
AS_TOOL = (
    option(
        "--as",
        "as_tool",
        type=click.Choice(TOOLS),
        help="Also under the definitions of another tool.",
    ),
)
RUNS_DIR = (
    option(
        "--runs-dir",
        type=click.Path(file_okay=False),
        default="lll-runs",
        help="Where runs are stored.",
    ),
)
JSON = (
    option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print one JSON document on stdout and nothing else.",
    ),
)
QUIET = (option("--quiet", "-q", is_flag=True, help="No progress on stderr."),)


def options(*tables: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    """Apply tables of options; they appear in `--help` in this order."""

    def decorate(function: F) -> F:
        for table in reversed(tables):
            for one in reversed(table):
                function = one(function)
        return function

    return decorate
