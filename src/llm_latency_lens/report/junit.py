"""A gate as JUnit XML: one test case a threshold or an allowance, so that every CI can show it."""

import re
import xml.etree.ElementTree as ET

from llm_latency_lens.metrics.gate import GateReport

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(gate: GateReport) -> str:
    """The document. What failed is a failure; what nobody knows is skipped, with the reason."""
    cases = gate.cases
    states = [case.state for case in cases]
    suite = ET.Element(
        "testsuite",
        name="llm-latency-lens",
        tests=str(len(cases)),
        failures=str(states.count("FAIL")),
        errors="0",
        skipped=str(states.count("NO VERDICT")),
        time="0",
    )
    properties = ET.SubElement(suite, "properties")
    for name in ("subject", "target", "baseline", "verdict", "state"):
        value = getattr(gate, name)
        ET.SubElement(properties, "property", name=name, value=_clean(str(value or "")))
    for case in cases:
        found = ET.SubElement(
            suite, "testcase", name=_clean(case.text), classname=_clean(gate.target), time="0"
        )
        words = _clean(f"{case.words} (measured: {case.value})")
        if case.state == "FAIL":
            ET.SubElement(found, "failure", message=words).text = words
        elif case.state == "NO VERDICT":
            ET.SubElement(found, "skipped", message=words)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    """Without the characters that XML has no way to say."""
    return _NOT_XML.sub("?", text)
