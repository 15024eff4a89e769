"""A plot with two axes, as SVG. Axes have round ticks with units; a wide range gets a logarithmic one."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from llm_latency_lens.report.html.element import Element
from llm_latency_lens.units import NS_PER_S, format_duration

Floats = NDArray[np.float64]
Formatter = Callable[[float], str]

_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 14.0, 12.0, 34.0
_LOG_FROM = 30.0
_TICKS = 5


def seconds(value: float) -> str:
    """A time on an axis."""
    return "0" if value == 0 else format_duration(value * NS_PER_S)


def count(value: float) -> str:
    """A number on an axis."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def share(value: float) -> str:
    """A share on an axis."""
    return f"{value:.0%}"


class Axis(Struct, frozen=True, kw_only=True):
    """From `low` to `high`; `log` where the range is wide."""

    low: float
    high: float
    log: bool = False
    form: Formatter = count
    label: str = ""

    def place(self, values: Floats) -> Floats:
        """Where values lie, from 0 to 1; what is beyond an end lies at it."""
        low, high = self.low, self.high
        if self.log:
            values, low, high = np.log(np.maximum(values, low)), math.log(low), math.log(high)
        found: Floats = np.clip((values - low) / (high - low), 0.0, 1.0)
        return found

    def ticks(self) -> list[float]:
        """Round values along it."""
        if self.log:
            return _decades(self.low, self.high)
        step = _round_step((self.high - self.low) / _TICKS)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def axis_over(values: Sequence[Floats], form: Formatter, label: str = "", *, from_zero: bool = False) -> Axis:  # fmt: skip
    """An axis that holds all of the values."""
    known = [part for part in values if len(part)]
    low = min((float(part.min()) for part in known), default=0.0)
    high = max((float(part.max()) for part in known), default=1.0)
    if low > 0.0 and high / low > _LOG_FROM and not from_zero:
        return Axis(low=low * 0.9, high=high * 1.1, log=True, form=form, label=label)
    if from_zero or low < 0.5 * high:
        low = min(low, 0.0)
    margin = 0.05 * (high - low) or abs(high) * 0.1 or 1.0
    return Axis(low=low if low == 0.0 else low - margin, high=high + margin, form=form, label=label)


class Frame:
    """A drawing area; `add` what is in it, `svg` gives the whole. Sizes in SVG units."""

    def __init__(self, x: Axis, y: Axis, *, width: float = 640.0, height: float = 260.0) -> None:
        self.x = x
        self.y = y
        self._width, self._height = width, height
        self._marks: list[Element] = []

    def points(self, xs: Floats, ys: Floats) -> list[tuple[float, float]]:
        """Values as places on the drawing, rounded to a tenth of a unit."""
        across = _LEFT + self.x.place(xs) * (self._width - _LEFT - _RIGHT)
        down = self._height - _BOTTOM - self.y.place(ys) * (self._height - _TOP - _BOTTOM)
        return list(zip(np.round(across, 1).tolist(), np.round(down, 1).tolist(), strict=True))

    def line(self, xs: Floats, ys: Floats, series: int, *, dashed: bool = False) -> None:
        """A curve through points."""
        if not len(xs):
            return
        path = "M" + "L".join(f"{x:g} {y:g}" for x, y in self.points(xs, ys))
        self._marks.append(Element("path", d=path, class_=f"curve s{series}" + " dashed" * dashed))

    def dots(self, xs: Floats, ys: Floats, series: int, radius: float = 2.2) -> None:
        """A point for each value, all in one path."""
        if not len(xs):
            return
        r = radius
        dot = f"a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0"
        path = "".join(f"M{x - r:g} {y:g}{dot}" for x, y in self.points(xs, ys))
        self._marks.append(Element("path", d=path, class_=f"dot f{series}"))

    def interval(self, low: float, high: float, y: float, series: int) -> None:
        """A horizontal bar from `low` to `high`."""
        (x1, at), (x2, _) = self.points(np.array([low, high]), np.array([y, y]))
        self._marks.append(
            Element("line", x1=x1, x2=x2, y1=at, y2=at, class_=f"s{series}", stroke_width=3.0)
        )

    def box(self, xs: tuple[float, float], ys: tuple[float, float], class_: str, title: str = "", opacity: float = 1.0) -> None:  # fmt: skip
        """A filled rectangle, with a text to be read on hovering."""
        (x1, y1), (x2, y2) = self.points(np.array(xs), np.array(ys))
        inner = Element("title", title) if title else None
        self._marks.append(
            Element("rect", inner, x=min(x1, x2), y=min(y1, y2), width=abs(x2 - x1), height=abs(y2 - y1), class_=class_, fill_opacity=round(opacity, 2))
        )  # fmt: skip

    def text(self, x: float, y: float, words: str, anchor: str = "start") -> None:
        """Words at a place."""
        ((across, down),) = self.points(np.array([x]), np.array([y]))
        self._marks.append(
            Element("text", words, x=across, y=down - 5, text_anchor=anchor, class_="label")
        )

    def svg(self, title: str) -> Element:
        """The drawing; `title` is read to those who can't see it."""
        return Element(
            "svg", Element("title", title), *self._axes(), *self._marks,
            viewBox=f"0 0 {self._width:g} {self._height:g}", role="img",
        )  # fmt: skip

    def _axes(self) -> list[Element]:
        bottom, right = self._height - _BOTTOM, self._width - _RIGHT
        found = []
        for value in self.x.ticks():
            ((x, _),) = self.points(np.array([value]), np.array([self.y.low]))
            found.append(Element("line", x1=x, x2=x, y1=_TOP, y2=bottom, class_="grid"))
            found.append(
                Element("text", self.x.form(value), x=x, y=bottom + 15, text_anchor="middle")
            )
        for value in self.y.ticks():
            ((_, y),) = self.points(np.array([self.x.low]), np.array([value]))
            found.append(Element("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="grid"))
            found.append(
                Element("text", self.y.form(value), x=_LEFT - 6, y=y + 4, text_anchor="end")
            )
        found.append(Element("line", x1=_LEFT, x2=right, y1=bottom, y2=bottom, class_="axis"))
        if self.x.label:
            found.append(
                Element("text", self.x.label, x=right, y=self._height - 4, text_anchor="end")
            )
        return found


def _round_step(wanted: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is as large as wanted."""
    if wanted <= 0.0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(wanted))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= wanted * (1 - 1e-9))


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten, with their doubles and halves where there are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1.0, 2.0, 5.0) if len(powers) <= 3 else (1.0, 3.0) if len(powers) <= 4 else (1.0,)
    values = [factor * 10.0**power for power in powers for factor in factors]
    return [value for value in values if low <= value <= high]
