"""One tool's numbers as a row of Markdown, and the page that holds the table of all."""

import pathlib
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from benchmarks.peers.tree import Taken

STREAMS = (1, 128, 512)
MARKER = "<!-- table -->\n"
_COLUMNS = (
    "tool",
    "version",
    "installed",
    "start: wall / CPU / memory",
    "events per CPU s, answers ready",
    "events per CPU s, token by token",
    "CPU per event, paced",
    "peak memory",
    *(f"TTFT error at {n}: mean / p99" for n in STREAMS),
    "why a number is missing",
)


class Row(Struct, kw_only=True):
    """One tool's numbers: times in seconds, memory in bytes; `failed` says why one is missing."""

    name: str
    version: str
    install: int | None = None
    start: Taken | None = None
    ready: float | None = None
    capacity: float | None = None
    paced: float | None = None
    peak: int | None = None
    errors: dict[int, tuple[float | None, float | None]] = {}
    failed: list[str] = []


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a Markdown table; without rows, its heading."""
    return "\n".join([*_head(), *map(shown, rows)])


def merged(page: str, rows: Iterable[Row], order: Iterable[str], absent: Mapping[str, str]) -> str:
    """Return the page with these rows in its table; rows of other tools stay as they are."""
    head, _, rest = page.partition(MARKER)
    lines = {_name(line): line for line in rest.splitlines() if line.startswith("| ")}
    lines.update({row.name: shown(row) for row in rows})
    kept = [lines[name] for name in order if name in lines]
    reasons = "".join(f"- {name}: {why}.\n" for name, why in absent.items())
    text = "\n".join([*_head(), *kept])
    return f"{head}{MARKER}{text}\n\nWithout a row:\n\n{reasons}"


def write(path: pathlib.Path, text: str) -> None:
    """Replace the page."""
    path.write_text(text, encoding="utf-8")


def _head() -> list[str]:
    return ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]


def _name(line: str) -> str:
    return line.split("|")[1].strip()


def shown(row: Row) -> str:
    """Return one row."""
    start = row.start
    cells = [
        row.name,
        row.version,
        _shown(row.install, lambda v: f"{v / 1e6:,.0f} MB"),
        "-"
        if start is None
        else f"{start.wall:.2f} s / {start.cpu:.2f} s / {start.peak / 1e6:,.0f} MB",
        _shown(row.ready, lambda v: f"{v:,.0f}"),
        _shown(row.capacity, lambda v: f"{v:,.0f}"),
        _shown(row.paced, lambda v: f"{v * 1e6:,.1f} µs"),
        _shown(row.peak, lambda v: f"{v / 1e6:,.0f} MB"),
    ]
    for streams in STREAMS:
        ends = (
            _shown(v, lambda v: f"{v * 1000:+.2f}") for v in row.errors.get(streams, (None,) * 2)
        )
        cells.append(" / ".join(ends) + " ms")
    cells.append("; ".join(" ".join(text.split()).replace("|", "/") for text in row.failed))
    return "| " + " | ".join(cells) + " |"


def _shown(value: float | None, form: Callable[[float], str]) -> str:
    return "-" if value is None else form(value)
