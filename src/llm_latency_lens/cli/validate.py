"""`validate`: configuration, keys and reachability, before a measurement depends on them."""

import sys
from collections.abc import Iterator
from typing import Any

import click
from msgspec import Struct

from llm_latency_lens.cli.config import CONFIG as META
from llm_latency_lens.cli.config import Configuration
from llm_latency_lens.cli.options import CONFIG, JSON, LIMITS, TARGET, option, options
from llm_latency_lens.errors import ExitCode, LensError, UsageError

_LIVE = (option("--live", is_flag=True, help="Send one minimal request to each target (it costs a few tokens)."),)  # fmt: skip


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    subject: str
    check: str
    ok: bool
    words: str
    code: ExitCode = ExitCode.OK


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@options(_LIVE, TARGET, LIMITS, JSON, CONFIG)
def validate(targets: tuple[str, ...], **given: Any) -> int:  # noqa: ANN401 - click's options
    """Check the configuration, the keys and that each target can be reached.

    TARGETs are provider:model or names from the configuration; without one, all that are named there.
    Ends 0 where all is well, 2 where configuration or keys are wrong, 3 where a target can't be reached
    or a live request fails.
    """
    found = list(_findings(targets, given))
    if given["as_json"]:
        import msgspec  # noqa: PLC0415

        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        _print(found)
    codes = {finding.code for finding in found}
    return next((c for c in (ExitCode.USAGE, ExitCode.THRESHOLD_FAILED) if c in codes), ExitCode.OK)


def _findings(targets: tuple[str, ...], given: dict[str, Any]) -> Iterator[Finding]:
    config: Configuration = click.get_current_context().meta.get(META, Configuration())
    if config.path is not None:
        words = f"{len(config.targets)} targets, nothing wrong"
        yield Finding(str(config.path), "configuration", ok=True, words=words)
    names = targets or tuple(config.targets)
    if not names and config.path is None:
        raise UsageError(
            "nothing to validate: give a TARGET, or write a configuration: llm-latency-lens init"
        )
    for name in names:
        yield from _target(name, given)


def _target(name: str, given: dict[str, Any]) -> Iterator[Finding]:
    from llm_latency_lens.cli.asking import make_profiler  # noqa: PLC0415
    from llm_latency_lens.profiler import run  # noqa: PLC0415

    try:
        profiler = make_profiler(name, given)
    except LensError as error:
        yield Finding(name, "target and key", ok=False, words=str(error), code=ExitCode.USAGE)
        return
    target = profiler.target
    words = f"{target.public_name} at {target.base_url}, {target.credential}"
    yield Finding(name, "target and key", ok=True, words=words)
    reached = _reached(name, run(profiler.reach()))
    yield reached
    if given["live"] and reached.ok:
        yield _live(name, profiler)


def _reached(name: str, recording: Any) -> Finding:  # noqa: ANN401 - a Recording, imported late
    from llm_latency_lens.interpret.outcome import kind_of_ending  # noqa: PLC0415
    from llm_latency_lens.model.recording import EndKind  # noqa: PLC0415
    from llm_latency_lens.report.advice import remedy_for  # noqa: PLC0415
    from llm_latency_lens.units import format_duration  # noqa: PLC0415

    marks, ending = recording.marks, recording.ending
    if ending.kind is EndKind.COMPLETE:
        begin = next(at for at in (marks.dns_begin, marks.tcp_begin, marks.ended) if at is not None)
        words = f"connected in {format_duration(marks.ended - begin)}"
        return Finding(name, "reachable", ok=True, words=words)
    remedy = remedy_for(kind_of_ending(ending.kind), ending.kind.value)
    words = f"{ending.kind.value}: {ending.detail} - {remedy}"
    return Finding(name, "reachable", ok=False, words=words, code=ExitCode.THRESHOLD_FAILED)


def _live(name: str, profiler: Any) -> Finding:  # noqa: ANN401 - a Profiler, imported late
    from llm_latency_lens.model.record import OutcomeKind  # noqa: PLC0415
    from llm_latency_lens.model.request import Request  # noqa: PLC0415
    from llm_latency_lens.profiler import run  # noqa: PLC0415
    from llm_latency_lens.report.advice import advise  # noqa: PLC0415
    from llm_latency_lens.wire.dialect import load_dialect  # noqa: PLC0415
    from llm_latency_lens.workload.workload import Workload, of_prompts  # noqa: PLC0415

    limit = _FEW if load_dialect(profiler.target.dialect).streams else None
    wish = Request(messages=(), max_tokens=limit)
    asked = Workload(conversations=of_prompts(("Say hi.",)), wish=wish, nonce=False)
    record = run(profiler.profile(asked)).record
    # A model that thinks may have no visible token within so few; the server answered all the same.
    if record.outcome.kind is OutcomeKind.OK or record.finish_reason == "length":
        spent = f"{record.tokens.output} output tokens" if record.tokens.output else "an answer"
        return Finding(
            name, "live request", ok=True, words=f"{spent} of {record.model or 'the model'}"
        )
    return Finding(
        name, "live request", ok=False, words=advise(record.outcome), code=ExitCode.THRESHOLD_FAILED
    )


_FEW = 16


def _print(found: list[Finding]) -> None:
    from llm_latency_lens.report.console import print_report  # noqa: PLC0415
    from llm_latency_lens.report.document import Fact, Facts, Report  # noqa: PLC0415

    subjects = list(dict.fromkeys(finding.subject for finding in found))
    blocks = tuple(
        Facts(
            subject,
            tuple(
                Fact(f.check, "ok" if f.ok else "WRONG", f.words, "good" if f.ok else "bad")
                for f in found
                if f.subject == subject
            ),
        )
        for subject in subjects
    )
    wrong = sum(not finding.ok for finding in found)
    title = "everything is fine" if not wrong else f"{wrong} of {len(found)} checks failed"
    print_report(Report(title, blocks), sys.stdout)
