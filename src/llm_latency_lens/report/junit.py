"""JUnit XML, so that every CI can show it: a gate's thresholds and allowances, or a run's checks of itself."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from llm_latency_lens.criteria.gate import GateReport
from llm_latency_lens.model.result import Result

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENDS: dict[str, Literal["passed", "failed", "skipped"]] = {
    "FAIL": "failed",
    "NO VERDICT": "skipped",
    "INVALID": "failed",
    "INSUFFICIENT": "skipped",
}
"""How a state or a verdict ends a test case; any other passes."""


class Case(Struct, frozen=True):
    """One test case: what failed is a failure; what nobody knows is skipped, with the reason."""

    name: str
    classname: str
    end: Literal["passed", "failed", "skipped"]
    words: str


def gate_junit(gate: GateReport) -> str:
    """One case a threshold or an allowance."""
    cases = [
        Case(case.text, gate.target, _ENDS.get(case.state, "passed"), f"{case.words} (measured: {case.value})")
        for case in gate.cases
    ]  # fmt: skip
    names = ("subject", "target", "baseline", "verdict", "state")
    return _document(cases, {name: str(getattr(gate, name) or "") for name in names})


def result_junit(result: Result) -> str:
    """One case a check, and one for the requests; a doubt that is none of a failure is in the output."""
    run = result.run
    properties = {"run": str(run.get("id", "")), "target": _target_of(result), "verdict": result.verdict}  # fmt: skip
    return _document(list(_cases_of(result)), properties)


def _target_of(result: Result) -> str:
    return ", ".join(result.targets)


def _cases_of(result: Result) -> Iterator[Case]:
    target = _target_of(result)
    good, planned = result.outcomes.get("ok", 0), result.offered.planned
    failures = "; ".join(
        f"{one.count} {one.outcome} {one.cause}".rstrip() for one in result.failures
    )
    words = f"{good} of {planned} requests succeeded" + (f": {failures}" if failures else "")
    yield Case("requests succeed", target, "passed" if good else "failed", words)
    for check in result.quality.checks:
        words = check.words + (f"; {check.remedy}" if check.remedy else "")
        yield Case(f"{check.id} {check.name}".strip(), target, _ENDS.get(check.verdict, "passed"), words)  # fmt: skip


def _document(cases: Sequence[Case], properties: dict[str, str]) -> str:
    ends = [case.end for case in cases]
    suite = ET.Element(
        "testsuite",
        name="llm-latency-lens",
        tests=str(len(cases)),
        failures=str(ends.count("failed")),
        errors="0",
        skipped=str(ends.count("skipped")),
        time="0",
    )
    held = ET.SubElement(suite, "properties")
    for name, value in properties.items():
        ET.SubElement(held, "property", name=name, value=_clean(value))
    for case in cases:
        name, words = _clean(case.name), _clean(case.words)
        found = ET.SubElement(suite, "testcase", name=name, classname=_clean(case.classname), time="0")  # fmt: skip
        if case.end == "failed":
            ET.SubElement(found, "failure", message=words).text = words
        elif case.end == "skipped":
            ET.SubElement(found, "skipped", message=words)
        elif words:
            ET.SubElement(found, "system-out").text = words
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    """Without the characters that XML has no way to say."""
    return _NOT_XML.sub("?", text)
