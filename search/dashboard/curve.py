"""A trial's learning curve, as the numbers of a drawing (templates/curve.html)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from mlpsearch.models.scores import Metric
from mlpsearch.search.results.wording import score

WIDTH, HEIGHT = 640, 220  # in the units of the drawing
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 14, 10, 28
_TICKS = 4

_Points = list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class Line:
    """A curve. path: of an SVG.  dots: where it has a single point, or gaps, dots are seen."""

    name: str
    path: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Curve:
    """A drawing. title: what it shows, in a sentence.  xs, ys: where there are numbers beside the axes, and which.

    best: the best trial's curve to compare with; None where it is the same.
    """

    title: str
    axis: str
    own: Line
    best: Line | None
    xs: list[tuple[float, str]]
    ys: list[tuple[float, str]]


def curve_of(trial: FrozenTrial, best: FrozenTrial | None, metric: Metric) -> Curve | None:
    """Return the drawing of a trial's scores by epoch; None where there are none.

    best: the best finished trial, to compare with.
    """
    own = _points(trial)
    if not own:
        return None
    other = [] if best is None or best.number == trial.number else _points(best)
    values = [value for _, value in own + other]
    ends = (min(1, own[0][0]), max(epoch for epoch, _ in own + other))
    low, high = min(values), max(values)
    room = (high - low) * 0.06 or abs(high) * 0.05 or 0.5
    frame = _Frame(*ends, low - room, high + room)
    name = f"trial {trial.number}"
    return Curve(
        title=f"Validation {metric.title} of {name} by epoch: {score(own[0][1], metric)} after epoch {own[0][0]}, "
        f"{score(own[-1][1], metric)} after epoch {own[-1][0]}",
        axis=f"validation {metric.title}",
        own=frame.line(name, own),
        best=frame.line(f"the best, trial {best.number}", other) if best is not None and other else None,
        xs=[(frame.x(epoch), str(epoch)) for epoch in _epochs(*ends)],
        ys=[(frame.y(value), _short(value, metric)) for value in _ticks(low - room, high + room)],
    )


def _points(trial: FrozenTrial) -> _Points:
    return [(epoch, value) for epoch, value in sorted(trial.intermediate_values.items()) if math.isfinite(value)]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where numbers are in the drawing."""

    first: int
    last: int
    low: float
    high: float

    def x(self, epoch: float) -> float:
        share = (epoch - self.first) / ((self.last - self.first) or 1)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    def line(self, name: str, points: _Points) -> Line:
        places = [(self.x(epoch), self.y(value)) for epoch, value in points]
        path = " ".join(f"{'L' if place else 'M'}{x} {y}" for place, (x, y) in enumerate(places))
        return Line(name, path, places if len(places) == 1 else [])


def _epochs(first: int, last: int) -> list[int]:
    """The first, the last, and round ones between that leave room for these."""
    room = 0.08 * (last - first)
    between = (
        int(tick) for tick in _ticks(first, last) if tick == int(tick) and first + room < tick < last - room
    )
    return sorted({first, *between, last})


def _short(value: float, metric: Metric) -> str:
    return f"{100 * value:.4g}%" if metric.is_percentage else f"{value:.4g}"


def _ticks(low: float, high: float) -> Iterator[float]:
    """Round numbers within these ends, about four of them."""
    rough = (high - low) / _TICKS
    if not (math.isfinite(rough) and rough > 0):
        yield low
        return
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * times for times in (1, 2, 5, 10) if unit * times >= rough)
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield number * step
