"""A calibration, to be read."""

from llm_latency_lens.model.calibration import Calibration
from llm_latency_lens.report.document import Fact, Facts, Note, Report, Table
from llm_latency_lens.units import NS_PER_S, format_duration

_FORECASTS = (
    ("measurable rate", 1.0, "of one process, if each event comes alone"),
    ("", 4.0, "if four come in one read"),
)
_NAMES = {
    "ttft": "TTFT",
    "tpot": "TPOT",
    "gap": "ICL, ITL",
    "e2e": "end to end",
    "slip": "schedule slip",
}


def calibration_report(calibration: Calibration) -> Report:
    """The errors, what work costs, and where they hold."""
    rows = tuple(
        (_NAMES[kind], _time(error.p50), _time(error.p99), f"{error.n:,}")
        for kind in _NAMES
        if (error := calibration.errors.get(kind)) is not None
    )
    cost = calibration.cost
    costs = (
        Fact("one request", _time(cost.request), "sent, received and shipped, without its events"),
        Fact("one network read", _time(cost.read)),
        Fact("one token event", _time(cost.event)),
        Fact("1,000 bytes", _time(1000.0 * cost.byte)),
        *(
            Fact(label, f"{cost.measurable_rate(per_read):,.0f} token events/s", words)
            for label, per_read, words in _FORECASTS
        ),
        Fact("machine", calibration.machine["processor"], calibration.machine["system"]),
    )
    facts = Facts("CPU time of a measuring process, and the load that fills it by forecast", costs)
    load = f"{calibration.concurrency} streams of {calibration.event_rate:g} token events/s each"
    stamped = (
        "their packets" if calibration.stamps == "packet" else "the kernel, late reads included"
    )
    table = Table(
        "Instrument error",
        ("", "p50", "p99", "n"),
        rows,
        "absolute difference between ours and the simulator's ledger, value by value; the loopback is in"
        f" it; arrivals were stamped by {stamped}",
    )
    note = Note(f"calibrated {calibration.at} with {load}", "plain")
    return Report("Calibration of this machine", (note, table, facts))


def _time(seconds: float) -> str:
    return format_duration(seconds * NS_PER_S)
