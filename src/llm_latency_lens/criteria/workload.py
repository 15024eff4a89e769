"""What two runs must have in common to be compared, and the words for what they have not."""

from collections.abc import Callable, Iterator
from typing import Any

from msgspec import Struct

from llm_latency_lens.model.result import Result

_REQUEST = ("workload", "wish")
_ARRIVAL = ("plan", "phases", -1, "arrival")


class Parameter(Struct, frozen=True):
    """One parameter of a run.

    Attributes:
        path: where the specification holds it.
        words: what a run with this value did, as the end of a sentence.
        default: what a specification without it means.
    """

    path: tuple[str | int, ...]
    words: Callable[[Any], str]
    default: Any = None


def differences(result: Result, baseline: Result) -> tuple[str, ...]:
    """Return in words what makes two runs different experiments; nothing where it is one."""
    return tuple(_differences(result.run["spec"], baseline.run["spec"]))


def _differences(spec: dict[str, Any], before: dict[str, Any]) -> Iterator[str]:
    for parameter in PARAMETERS:
        now, then = _read(spec, parameter), _read(before, parameter)
        if now != then:
            yield f"the baseline {parameter.words(then)}, this run {parameter.words(now)}"


def _read(spec: dict[str, Any], parameter: Parameter) -> Any:  # noqa: ANN401 - a part of a document
    part: Any = spec
    for key in parameter.path:
        if isinstance(part, dict) and key not in part:
            return parameter.default
        part = part[key]
        if part is None:
            return parameter.default
    return part


def _asked(what: str) -> Callable[[Any], str]:
    """The words for a setting that a request has or does not have."""
    return lambda value: f"set no {what}" if value is None else f"asked for {what} {value}"


def _amount(value: float | None, unit: str, none: str) -> str:
    return none if value is None else f"{value:g} {unit}"


def _switch(on: str, off: str) -> Callable[[Any], str]:
    return lambda value: on if value else off


PARAMETERS: tuple[Parameter, ...] = (
    Parameter(("workload", "conversations", "sha256"), lambda v: f"asked the prompts {str(v)[:8]}"),
    Parameter(
        (*_REQUEST, "max_tokens"),
        lambda v: f"asked for {_amount(v, 'output tokens', 'any number of output tokens')}",
    ),
    Parameter(
        (*_REQUEST, "min_tokens"),
        lambda v: f"asked for at least {v:g} output tokens" if v else "asked for no least length",
    ),
    Parameter(
        (*_REQUEST, "ignore_eos"),
        _switch("ignored the end of the answer", "let the model end its answers"),
    ),
    Parameter((*_REQUEST, "temperature"), _asked("temperature")),
    Parameter((*_REQUEST, "top_p"), _asked("top_p")),
    Parameter((*_REQUEST, "top_k"), _asked("top_k")),
    Parameter((*_REQUEST, "sampling_seed"), _asked("sampling seed")),
    Parameter((*_REQUEST, "stop"), _asked("stop texts")),
    Parameter((*_REQUEST, "reasoning"), _asked("reasoning effort")),
    Parameter((*_REQUEST, "thinking_budget"), _asked("thinking budget")),
    Parameter((*_REQUEST, "tools"), lambda v: f"offered {len(v or ())} tools ({_names(v)})"),
    Parameter((*_REQUEST, "extra"), lambda v: f"sent the further fields {v or 'none'}"),
    Parameter(
        (*_REQUEST, "stream"), _switch("streamed its answers", "did not stream its answers"), True
    ),
    Parameter(
        ("workload", "nonce"),
        _switch("made every prompt unique", "repeated its prompts as they are"),
        True,
    ),
    Parameter(("retries",), lambda v: f"tried failed requests again {v} times at most", 0),
    Parameter((*_ARRIVAL, "kind"), lambda v: f"had {v} arrivals"),
    Parameter((*_ARRIVAL, "rate"), lambda v: f"started {_amount(v, 'requests/s', 'no rate')}"),
    Parameter(
        (*_ARRIVAL, "concurrency"),
        lambda v: f"kept {_amount(v, 'requests', 'no number')} in flight",
    ),
    Parameter(("dialect",), lambda v: f"spoke {v}"),
)
"""One row a parameter; a run of another value is another experiment."""


def _names(tools: Any) -> str:  # noqa: ANN401 - a part of a document
    return ", ".join(str(tool["name"]) for tool in tools or ()) or "none"
