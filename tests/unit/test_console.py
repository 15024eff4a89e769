"""The console: every value can be read, however narrow the screen is."""

import io
import re

import msgspec
import pytest
from rich.console import Console
from tests.support.records import MS
from tests.unit.test_checks import calibration, clean, judged

from llm_latency_lens.report.console import render
from llm_latency_lens.report.document import Fact, Facts, Report
from llm_latency_lens.report.load import load_report


def drawn(report: Report, width: int) -> list[str]:
    """The lines on a screen of that width."""
    text = io.StringIO()
    Console(file=text, width=width).print(render(report))
    return text.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_table_is_whole_on_any_screen(width: int) -> None:
    """No cell is cut short and no line too long; what does not fit stands below, with its row's name."""
    result = judged(clean(), **calibration())
    report = load_report(result)
    lines = drawn(report, width)
    assert not [line for line in lines if "\N{HORIZONTAL ELLIPSIS}" in line]
    assert max(map(len, lines)) <= width
    shown = " ".join(lines)
    for cell in ("p50", "p90", "p95", "p99", "max", "95 % interval of p95", "instrument"):
        assert cell in shown
    rows = [line for line in lines if re.match(r"  TTFT ", line)]
    assert len(rows) == (1 if width >= 120 else 2 if width >= 80 else len(rows))


def test_facts_are_not_cut_at_the_right_edge() -> None:
    """Long values and long remarks are broken between words; every word is there."""
    words = " ".join(f"word{n}" for n in range(40))
    facts = Facts("What to doubt", (Fact("mixed connections", words, words), Fact("trend", "short", words)))  # fmt: skip
    text = " ".join(drawn(Report("title", (facts,)), 80))
    assert len(re.findall(r"\bword\d+\b", text)) == 120


@pytest.mark.parametrize(("took", "shown"), [(60 * MS, True), (MS // 10, False)])
def test_an_upload_that_takes_its_share_of_ttft_is_a_row(took: int, *, shown: bool) -> None:
    """60 of about 100 ms are told below TTFT, a tenth of a millisecond is not."""
    records = [
        msgspec.structs.replace(
            record, marks=msgspec.structs.replace(record.marks, uploaded=sent + took)
        )
        for record in clean()
        if (sent := record.marks.sent) is not None
    ]
    lines = drawn(load_report(judged(records)), 120)
    assert any("upload of the request" in line for line in lines) is shown


def test_a_metric_that_is_no_headline_is_named_as_in_the_table() -> None:
    """The run is VALID, and what is not to be used has its words, not its key."""
    result = judged(clean())
    invalid = {
        name: msgspec.structs.replace(result.metrics[name], verdict="INVALID")
        for name in ("ttft_from_intended", "icl")
    }
    told = msgspec.structs.replace(result, metrics={**result.metrics, **invalid})
    text = " ".join(" ".join(drawn(load_report(told), 120)).split())
    assert "VALID: TTFT, TPOT and end to end may be used, but do not use TTFT from" in text
    assert "from intended start, ICL (per read); 400 of 400" in text
