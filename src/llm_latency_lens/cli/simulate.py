"""`simulate`: a streaming LLM API whose truth is known."""

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from llm_latency_lens.cli.options import JSON, option, options
from llm_latency_lens.cli.types import DURATION
from llm_latency_lens.errors import UsageError

T = TypeVar("T")

_SERVER = (
    option("--host", default="127.0.0.1", help="Address to listen on."),
    option("--port", default=0, type=click.IntRange(0, 65535), help="Port; 0 takes any free one."),
    option("--model", default="sim", help="Name of the model it claims to serve."),
    option("--ttft", default="200ms", metavar="LATENCY", help="Time to first token: 200ms, uniform:150ms..250ms, lognormal:200ms,0.3 (median, sigma) or gamma:200ms,4 (mean, shape)."),
    option("--itl", default="20ms", metavar="LATENCY", help="Time between tokens, written alike."),
    option("--tokens", default="64", metavar="N|N..M", help="Output tokens of each request, unless it allows fewer."),
    option("--seed", default=1, type=click.IntRange(0), help="The same seed draws the same latencies."),
    option("--batching", metavar="MODEL", help="A continuous-batching engine instead: prefill=8000tok/s,step=10ms+0.5ms*batch,slots=32."),
    option("--cold-after", type=DURATION, help="Be cold at the start and after so long without a request."),
    option("--cold-penalty", type=DURATION, default="2s", help="What a cold start adds to the first token."),
    option("--role-early", is_flag=True, help="Send the empty role chunk at once, as some servers do."),
    option("--thinking", default=0, type=click.IntRange(0), metavar="N", help="The first N tokens are reasoning."),
    option("--cached", default=0, type=click.IntRange(0), metavar="N", help="Say that N tokens of the prompt came from a cache."),
    option("--calls-tools", is_flag=True, help="Call a tool where the request offers one."),
    option("--fault", multiple=True, metavar="FAULT", help="Do this wrong: NAME[:VALUE][@every=N|first=N|share=P], such as cut:120 or status:429,retry-after=2s@every=3."),
    option("--key-env", metavar="VARIABLE", help="Demand the key that this environment variable holds."),
    option("--ledger", metavar="FILE", help="Write down, per request, when every byte left (JSON lines)."),
)  # fmt: skip


@click.command()
@options(_SERVER, JSON)
def simulate(**given: Any) -> int:  # noqa: ANN401 - click's options
    """Serve every provider's API on loopback, sending every token at its scheduled instant.

    Each provider has its own paths on the one port: OpenAI (chat, responses, embeddings), Anthropic,
    Gemini and Vertex, Bedrock, Azure, Cohere, Ollama. The ledger has the truth that a measurement can
    be checked against. Input tokens are counted as words. With --json one line on stdout says where it
    listens. docs/reference/faults.md lists the faults.
    """
    from llm_latency_lens.simulator.batching import parse_batching  # noqa: PLC0415
    from llm_latency_lens.simulator.fault import parse_fault  # noqa: PLC0415
    from llm_latency_lens.simulator.host import serve  # noqa: PLC0415
    from llm_latency_lens.simulator.latency import parse_latency  # noqa: PLC0415
    from llm_latency_lens.simulator.server import Simulator  # noqa: PLC0415
    from llm_latency_lens.simulator.spec import SimulatorSpec, parse_tokens  # noqa: PLC0415

    _refuse_contradictions(click.get_current_context())
    fewest, most = _option("tokens", parse_tokens, given)
    spec = SimulatorSpec(
        ttft=_option("ttft", parse_latency, given),
        itl=_option("itl", parse_latency, given),
        tokens=fewest,
        tokens_max=most,
        batching=parse_batching(given["batching"]) if given["batching"] else None,
        faults=tuple(parse_fault(text) for text in given["fault"]),
        **{key: given[key] for key in ("host", "port", "model", "seed", "cold_after", "cold_penalty", "role_early", "thinking", "cached", "calls_tools", "key_env", "ledger")},
    )  # fmt: skip

    def say(simulator: Simulator) -> None:
        base = f"{simulator.address}/v1"
        sys.stderr.write(
            f"serving {spec.model!r} at {base}; try:\n"
            f'  llm-latency-lens profile openai:{spec.model} --base-url {base} --prompt "Hello"\n'
            f"  llm-latency-lens benchmark openai:{spec.model} --base-url {base} --prompt Hello --rate 20/s --duration 10s\n"
            f"  curl -N {base}/chat/completions -d "
            f"""'{{"model": "{spec.model}", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}'\n"""
            "Ctrl-C ends it.\n"
        )

    serve(spec, on_ready=None if given["as_json"] else say)
    return 0


def _option(name: str, parse: Callable[[str], T], given: dict[str, Any]) -> T:
    """An option's value; what is wrong with it is said with its name."""
    try:
        return parse(given[name])
    except UsageError as error:
        raise UsageError(f"--{name}: {error}") from None


_NEEDS = {"cold_penalty": "cold_after"}
_EXCLUDES = {"ttft": "batching", "itl": "batching"}


def _refuse_contradictions(ctx: click.Context) -> None:
    """An option that would be ignored is a mistake to hear about before the measurement, not after."""
    typed = {
        name
        for name in ctx.params
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    for one, other in _EXCLUDES.items():
        if one in typed and ctx.params[other]:
            raise UsageError(
                f"--{one} and --{other} contradict each other: the engine decides; leave one out"
            )
    for one, other in _NEEDS.items():
        if one in typed and ctx.params[other] is None:
            flags = one.replace("_", "-"), other.replace("_", "-")
            raise UsageError(f"--{flags[0]} says nothing without --{flags[1]}; add it, such as 5s")
