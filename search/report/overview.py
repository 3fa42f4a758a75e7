"""A study in one picture (PNG), for whoever cannot show a page: headline, trials and learning curves."""

import io
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState
from PIL import Image, ImageDraw, ImageFont

from mlpsearch.models.scores import Metric
from mlpsearch.search.report.axes import Axis, linear, number, scores, usual
from mlpsearch.search.report.figures import MOST_DRAWN, curves_begin, ranked, value_of

_WIDTH, _HEIGHT = 1200, 700
_FINER = 2  # it is drawn larger and made smaller: lines without steps
_PAGE, _TEXT, _SOFT, _GRID = "#ffffff", "#23292e", "#5d676f", "#d9dee2"  # colours as the report's
_BEST, _GOOD, _OTHER, _PRUNED, _CONFIRMED = "#c9541f", "#2a78b8", "#9db8cd", "#9aa3ab", "#2b8a56"
_NAMED = 9  # trials beside the best that have a stronger line
_MOST_LINES = 5
_EDGE, _HEAD, _LINE_HEIGHT = 24, 20, 26
_PANEL_TOP, _PANEL_BOTTOM = 250, 640
_PANELS = ((80, 590), (680, 1170))  # left and right

Point = tuple[float, float]


def overview(
    title: str, lines: Sequence[str], trials: Sequence[FrozenTrial], metric: Metric, mean: float | None
) -> bytes:
    """Return the picture, of 1200×700 pixels.

    title, lines: what stands above the charts, five lines at most.  trials: the study's own.
    metric: by which they are ranked.  mean: of the confirmed winner's validation scores.
    """
    sheet, finished = _Sheet(), ranked(trials, metric)[:MOST_DRAWN]
    if finished:
        _history(sheet, len(trials), finished, metric, mean)
    if any(trial.intermediate_values for trial in trials):
        _curves(sheet, trials, finished, metric)
    sheet.text((_EDGE, _HEAD), title, 30, _TEXT)
    for place, line in enumerate(lines[:_MOST_LINES]):
        sheet.text((_EDGE, _HEAD + 44 + _LINE_HEIGHT * place), line, 18, _SOFT)
    return sheet.png()


def _history(sheet: "_Sheet", count: int, finished: list[FrozenTrial], metric: Metric, mean: float | None) -> None:
    values = [value_of(trial) for trial in finished]
    x = linear("trial", 0, max(1, count - 1), number, whole=True)
    y = scores(metric, values if mean is None else [*values, mean], worst=usual(metric, values))
    panel = _Panel(sheet, _PANELS[0], x, y)
    if mean is not None:
        panel.line([(0, mean), (x.high, mean)], _CONFIRMED, 2)
    panel.line(_best_so_far(finished, metric), _BEST, 2)
    panel.names("Each finished trial, and the best so far")
    for trial in finished:
        panel.dot((trial.number, value_of(trial)), _GOOD)
    if mean is not None:
        panel.note(mean, "the winner, confirmed", _CONFIRMED)


def _best_so_far(finished: list[FrozenTrial], metric: Metric) -> list[Point]:
    """As stairs."""
    found: list[Point] = []
    for trial in sorted(finished, key=lambda one: one.number):
        before = [value for _, value in found[-1:]]
        found += [(trial.number, value) for value in [*before, metric.best([*before, value_of(trial)])]]
    return found


def _curves(sheet: "_Sheet", trials: Sequence[FrozenTrial], finished: list[FrozenTrial], metric: Metric) -> None:
    values = [value for trial in trials for value in trial.intermediate_values.values()]
    last = max((trial.last_step or 1 for trial in trials), default=1)
    x = linear("epoch", 1, max(2, last), number, whole=True)
    panel = _Panel(sheet, _PANELS[1], x, scores(metric, values, worst=curves_begin(trials, metric)))
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED][-MOST_DRAWN:]
    looks = [(trial, _PRUNED, 1) for trial in pruned]
    looks += [(trial, _OTHER, 1) for trial in finished[:_NAMED:-1]]
    looks += [(trial, _GOOD, 2) for trial in finished[_NAMED:0:-1]]
    looks += [(trial, _BEST, 3) for trial in finished[:1]]
    for trial, colour, width in looks:
        points = [(float(epoch), value) for epoch, value in sorted(trial.intermediate_values.items())]
        panel.line(points, colour, width)
    panel.names("Learning curves, the best trial's in orange")


class _Sheet:
    """What is drawn on. Places and sizes are in pixels of the picture."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (_FINER * _WIDTH, _FINER * _HEIGHT), _PAGE)
        self._draw = ImageDraw.Draw(self._image)

    def text(self, place: Point, text: str, size: int, colour: str, anchor: str = "la") -> None:
        """Write a text. anchor: which part of it lies there, as Pillow calls it."""
        font = ImageFont.load_default(_FINER * size)
        plain = text.replace("–", "-")  # which Pillow's own font lacks
        self._draw.text(self._finer(place), plain, fill=colour, font=font, anchor=anchor)

    def line(self, places: Sequence[Point], colour: str, width: int) -> None:
        """Draw a line through places."""
        self._draw.line([self._finer(place) for place in places], fill=colour, width=_FINER * width, joint="curve")

    def dot(self, place: Point, colour: str) -> None:
        """Draw a dot."""
        self._draw.circle(self._finer(place), _FINER * 3.5, fill=colour)

    def clear(self, left: float, top: float, right: float, bottom: float) -> None:
        """Paint over what is there."""
        self._draw.rectangle((self._finer((left, top)), self._finer((right, bottom))), fill=_PAGE)

    def png(self) -> bytes:
        """Return the picture."""
        file = io.BytesIO()
        self._image.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
        return file.getvalue()

    def _finer(self, place: Point) -> Point:
        return _FINER * place[0], _FINER * place[1]


class _Panel:
    """One chart on a sheet: its lines first, then the names, which cut them off at its edges, then its points."""

    def __init__(self, sheet: _Sheet, sides: tuple[int, int], x: Axis, y: Axis):
        self._sheet, self._sides, self._x, self._y = sheet, sides, x, y
        for place, _ in y.ticks:
            down = self._down(place)
            sheet.line([(sides[0], down), (sides[1], down)], _GRID, 1)

    def line(self, points: Sequence[Point], colour: str, width: int) -> None:
        """Draw a line through points."""
        if len(points) == 1:
            self.dot(points[0], colour)
        elif points:
            self._sheet.line([self._place(point) for point in points], colour, width)

    def names(self, title: str) -> None:
        """Write the title, and the names of the axes and of some of their values."""
        left, right = self._sides
        start = left - (_PANELS[0][0] - _EDGE)
        self._sheet.clear(start, 0, right, _PANEL_TOP - 1)
        self._sheet.clear(start, _PANEL_BOTTOM + 1, right, _HEIGHT)
        self._sheet.text((start, _PANEL_TOP - 54), title, 18, _TEXT)
        self._sheet.text((start, _PANEL_TOP - 26), self._y.title, 14, _SOFT)
        for place, text in self._y.ticks:
            self._sheet.text((left - 8, self._down(place)), text, 14, _SOFT, "rm")
        for place, text in self._x.ticks:
            self._sheet.text((left + place * (right - left), _PANEL_BOTTOM + 8), text, 14, _SOFT, "ma")
        self._sheet.text((right, _PANEL_BOTTOM + 30), self._x.title, 14, _SOFT, "ra")

    def dot(self, point: Point, colour: str) -> None:
        """Draw a point; one beyond the axis of y is at its end."""
        across, down = self._place(point)
        self._sheet.dot((across, max(_PANEL_TOP, min(_PANEL_BOTTOM, down))), colour)

    def note(self, value: float, text: str, colour: str) -> None:
        """Write a text above a value, at the right."""
        self._sheet.text((self._sides[1], self._down(self._y.place(value)) - 4), text, 14, colour, "rb")

    def _place(self, point: Point) -> Point:
        left, right = self._sides
        return left + self._x.place(point[0]) * (right - left), self._down(self._y.place(point[1]))

    def _down(self, place: float) -> float:
        return _PANEL_BOTTOM - place * (_PANEL_BOTTOM - _PANEL_TOP)
