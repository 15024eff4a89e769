"""The page as a document: whole, within its size, and nothing that was received becomes markup."""

import html.parser
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.records import MS, answered, refused
from tests.support.repetition import repetitions
from tests.unit.test_gate import PREPARED

from llm_latency_lens.metrics.definitions import BY_NAME
from llm_latency_lens.metrics.summary import Summary
from llm_latency_lens.model.record import Outcome, OutcomeKind, Record, TokenCounts
from llm_latency_lens.model.result import Result
from llm_latency_lens.profiler import conclude
from llm_latency_lens.report.anatomy import anatomy
from llm_latency_lens.report.document import Fact, Facts, Waterfall
from llm_latency_lens.report.html.details import Details
from llm_latency_lens.report.html.element import Element, escaped
from llm_latency_lens.report.html.page import result_page
from llm_latency_lens.report.html.plot import Axis, axis_over, seconds


def run_of(records: list[Record]) -> Result:
    """The result of these records."""
    summary = Summary()
    for record in records:
        summary.add(record)
    return conclude(PREPARED, summary, None)


def drawn(n: int, seed: int = 1) -> list[Record]:
    """A run with some failures."""
    rng = random.Random(seed)
    found = [answered(i, i * 25.0, 100 * rng.lognormvariate(0, 0.4), tokens=20) for i in range(n)]
    return [*found, *(refused(n + i, i * 40.0) for i in range(3))]


class Reader(html.parser.HTMLParser):
    """Counts tags, and keeps attributes and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: dict[str, int] = {}
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One more."""
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        self.words.append(data)


def read(page: str) -> Reader:
    """The page as a parser sees it."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def test_a_page_is_whole_and_needs_nothing_else() -> None:
    """Every section is there, verdict first; no script, no address is fetched, a policy forbids both."""
    records = drawn(300)
    page = result_page(run_of(records), records)
    found = read(page)
    text = " ".join(found.words)
    places = [text.index(word) for word in ("succeeded", "asked for", "95 % interval of p95", "Distributions", "Over time", "Gaps and stalls", "Where the time goes", "What failed", "To do it again")]  # fmt: skip
    assert places == sorted(places)
    assert found.tags["svg"] >= 7
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & found.tags.keys()
    assert not [value for name, value in found.attributes if name in {"src", "href", "action"} or name.startswith("on")]  # fmt: skip
    assert "default-src &#x27;none&#x27;" in page
    assert "TTFT" in text
    assert "the first generated token" in text.lower() or "first token" in text.lower()


def test_a_large_run_stays_small_and_says_what_it_left_out() -> None:
    """20,000 requests: below 2 MB, thinned by a stated rule, every failure drawn."""
    records = drawn(20_000)
    page = result_page(run_of(records), records)
    assert len(page) < 2_000_000
    assert "One in 7 is drawn." in page
    assert "failed, at the upper edge (3)" in page


def test_a_run_without_records_or_success_has_a_page_too() -> None:
    """No plots, but the verdict and the failures."""
    failed = [refused(i, i * 10.0) for i in range(5)]
    for records in ([], failed):
        page = result_page(run_of(failed), records)
        assert "0 of 5 requests succeeded" in page


PIECES = (
    "<script>canary()</script>", "</script><script>canary()</script>", "</style><script>canary()</script>",
    "<img src=x onerror=canary()>", "</svg><script>canary()</script>", "'\"><svg onload=canary()>",
    "javascript:canary()", '" onmouseover="canary()', "</title><script>canary()</script>", "\u2028canary()\u2029",
    "{{canary()}}", "<!--", "]]>", "\x00<b>", "\x1b]8;;http://e/\x07x\x1b]8;;\x07", "\u202egnp.exe", "\ud800",
    "&lt;script&gt;", "<a href='data:text/html,<script>canary()</script>'>", "<meta http-equiv=refresh content=0>",
)  # fmt: skip


def hostile(payload: str) -> tuple[Result, list[Record]]:
    """A run in which everything that a server or a user can say is this payload."""
    said: dict[str, Any] = {"model": payload, "fingerprint": payload, "finish_reason": payload}
    bad = Outcome(OutcomeKind.ERROR_IN_STREAM, payload, 200, payload)
    records = [answered(i, i * 25.0, 100.0 + i % 5, **said) for i in range(30)]
    records += [answered(30 + i, i * 25.0, 100.0, outcome=bad) for i in range(3)]
    result = run_of(records)
    spec = {**result.run["spec"], "target": f"openai:{payload}"}
    run = {**result.run, "spec": spec, "command": ["lll", payload]}
    failures = tuple(msgspec.structs.replace(f, advice=payload) for f in result.failures)
    return msgspec.structs.replace(result, run=run, failures=failures), records


def payloads() -> list[str]:
    """200 of them: each piece alone, and joined with others."""
    rng = random.Random(8)
    return [*PIECES, *("".join(rng.choices(PIECES, k=rng.randint(2, 4))) for _ in range(180))]


class Terms(html.parser.HTMLParser):
    """The explained terms of a page, in order: label and explanation."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, str]] = []
        self._title: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A summary with a title is a term."""
        if tag == "summary":
            self._title = dict(attrs).get("title")

    def handle_data(self, data: str) -> None:
        """Its label."""
        if self._title is not None:
            self.found.append((data.strip(), self._title))
            self._title = None


def test_every_row_of_the_latency_table_explains_its_own_metric() -> None:
    """The two rows from the intended start are not the same metric, and neither is a plain label."""
    records = [
        msgspec.structs.replace(record, intended=record.intended - 60 * MS) for record in drawn(60)
    ]
    terms = Terms()
    terms.feed(result_page(run_of(records), records))
    labels = [label for label, _ in terms.found]
    assert labels.count("from intended start") == 2
    expected = {
        "TTFT": ["ttft"],
        "from intended start": ["ttft_from_intended", "e2e_from_intended"],
        "TPOT": ["tpot"],
        "end to end": ["e2e"],
    }
    for label, names in expected.items():
        said = [meaning for term, meaning in terms.found if term == label]
        assert said == [BY_NAME[name].meaning for name in names], label


def test_a_run_of_unstreamed_answers_has_a_page() -> None:
    """No TTFT and no TPOT anywhere; the end of the answers is in the table."""
    records = [msgspec.structs.replace(record, streamed=False) for record in drawn(60)]
    terms = Terms()
    terms.feed(result_page(run_of(records), records))
    labels = [label for label, _ in terms.found]
    assert "end to end" in labels
    assert not {"TTFT", "TPOT"} & set(labels)


def test_plots_and_the_anatomy_have_the_values_of_the_definitions() -> None:
    """Four of ten tokens were hidden and two came first: one TPOT everywhere."""
    tokens = TokenCounts(input=7, output=10, hidden=4, first=2.0, source="usage", events=4)
    record = answered(0, 0.0, 100.0, gap_ms=10.0, tokens=4)
    record = msgspec.structs.replace(record, tokens=tokens)
    details = Details()
    details.add(record)
    assert BY_NAME["tpot"].of(record) == pytest.approx(0.030 / 4)
    assert details.values("tpot").tolist() == pytest.approx([0.030 / 4])
    shown = {fact.label: fact.value for fact in anatomy_facts(record)}
    assert shown["TPOT"] == "7.50 ms"


def test_the_waterfall_of_an_unstreamed_answer_has_no_tokens() -> None:
    """A document: its first byte, then its end."""
    record = msgspec.structs.replace(answered(0, 0.0, 100.0), streamed=False)
    labels = [s.label for b in anatomy(record).blocks if isinstance(b, Waterfall) for s in b.spans]
    assert labels == ["upload", "first byte", "end"]


def anatomy_facts(record: Record) -> list[Fact]:
    """All facts of its anatomy."""
    return [fact for b in anatomy(record).blocks if isinstance(b, Facts) for fact in b.facts]


def test_x8_x10_nothing_that_was_said_becomes_markup() -> None:
    """X8, X10: with 60 payloads, at night 200, the page has the same tags and attributes as with a harmless one."""
    plain = read(result_page(*hostile("harmless")))
    for payload in payloads()[: repetitions(60, nightly=200)]:
        page = result_page(*hostile(payload))
        found = read(page)
        assert found.tags == plain.tags, payload
        assert [n for n, _ in found.attributes] == [n for n, _ in plain.attributes], payload
        assert not {"\x1b", "\x00", "\x07", "\u202e", "\ud800"} & set(page)
        page.encode()


@given(st.text())
def test_x8_any_text_survives_as_text(words: str) -> None:
    """X8: an HTML parser reads back what was put in, but for what is never shown."""
    found = read(str(Element("p", words, title=words)))
    assert found.tags == {"p": 1}
    kept = escaped(words)
    assert "<" not in kept
    assert '"' not in kept
    assert [name for name, _ in found.attributes] == ["title"]


@pytest.mark.parametrize(
    ("low", "high", "log"), [(0.0, 1.0, False), (0.001, 5.0, True), (0.1, 0.100001, False), (3.0, 3.0, False)]
)  # fmt: skip
def test_axes_have_a_few_round_ticks_inside(low: float, high: float, log: bool) -> None:  # noqa: FBT001 - a parameter of the case
    """Three to twelve of them, whatever the range; the same value everywhere is a range too."""
    import numpy as np  # noqa: PLC0415

    axis = axis_over([np.array([low, high])], seconds)
    assert axis.log is log
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(axis.low <= tick <= axis.high * (1 + 1e-9) for tick in ticks)
    places = axis.place(np.array([low, high]))
    assert places[0] <= places[1]
    assert Axis(low=0.0, high=1.0).place(np.array([5.0]))[0] == 1.0
