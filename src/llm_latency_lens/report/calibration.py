"""A calibration, to be read."""

from llm_latency_lens.model.calibration import Calibration
from llm_latency_lens.report.document import Fact, Facts, Note, Report, Table
from llm_latency_lens.units import NS_PER_S, format_duration

_NAMES = {
    "ttft": "TTFT",
    "tpot": "TPOT",
    "gap": "ICL, ITL",
    "e2e": "end to end",
    "slip": "schedule slip",
}


def calibration_report(calibration: Calibration) -> Report:
    """The errors, the roofline, and where they hold."""
    rows = tuple(
        (_NAMES[kind], _time(error.p50), _time(error.p99), f"{error.n:,}")
        for kind in _NAMES
        if (error := calibration.errors.get(kind)) is not None
    )
    processes = f"{calibration.workers} measuring process{'es' * (calibration.workers > 1)}"
    facts = Facts(
        "Capacity",
        (
            Fact("roofline", f"{calibration.roofline:,.0f} token events/s", processes),
            Fact("warned of", f"above {calibration.roofline / 2:,.0f}/s", "refused above 80 %"),
            Fact("machine", calibration.machine["processor"], calibration.machine["system"]),
        ),
    )
    load = f"{calibration.concurrency} streams of {calibration.event_rate:g} token events/s each"
    table = Table(
        "Instrument error",
        ("", "p50", "p99", "n"),
        rows,
        "absolute difference between ours and the simulator's ledger, value by value; the loopback is in it",
    )
    note = Note(f"calibrated {calibration.at} with {load}", "plain")
    return Report("Calibration of this machine", (note, table, facts))


def _time(seconds: float) -> str:
    return format_duration(seconds * NS_PER_S)
