"""A study in one picture (PNG): its headline, its trials, their learning curves. For whoever cannot show a page."""

import io
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState
from PIL import Image, ImageDraw, ImageFont

from mlpsearch.models.scores import Metric
from mlpsearch.search.report.axes import Axis, linear, number, scores, usual
from mlpsearch.search.report.figures import MOST_DRAWN, curves_begin, ranked, value_of

_WIDTH, _HEIGHT = 1200, 640
_FINER = 2  # it is drawn larger and made smaller: lines without steps
_TEXT, _SOFT, _LINE = "#23292e", "#5d676f", "#d9dee2"
_BEST, _GOOD, _OTHER, _CONFIRMED = "#c9541f", "#2a78b8", "#9db8cd", "#2b8a56"  # as the report's
_NAMED = 10  # trials with a stronger line
_HEAD, _PANEL_TOP, _PANEL_BOTTOM = 24, 190, 580
_PANELS = ((80, 590), (680, 1170))

Point = tuple[float, float]


def overview(
    title: str, lines: Sequence[str], trials: Sequence[FrozenTrial], metric: Metric, mean: float | None
) -> bytes:
    """Return the picture, of 1200×640 pixels.

    title, lines: what stands above the charts.  trials: the study's own.
    metric: by which they are ranked.  mean: of the confirmed winner's validation scores.
    """
    sheet = _Sheet()
    sheet.text((_PANELS[0][0] - 56, _HEAD), title, 30, _TEXT)
    for place, line in enumerate(lines):
        sheet.text((_PANELS[0][0] - 56, _HEAD + 46 + 26 * place), line, 18, _SOFT)
    finished = ranked(trials, metric)
    if finished:
        _history(sheet, trials, finished[:MOST_DRAWN], metric, mean)
    if any(trial.intermediate_values for trial in trials):
        _curves(sheet, trials, finished[:MOST_DRAWN], metric)
    return sheet.png()


def _history(
    sheet: "_Sheet", trials: Sequence[FrozenTrial], finished: list[FrozenTrial], metric: Metric, mean: float | None
) -> None:
    values = [value_of(trial) for trial in finished]
    also = [] if mean is None else [mean]
    x = linear("trial", 0, max(1, len(trials) - 1), number, whole=True)
    y = scores(metric, [*values, *also], worst=usual(metric, values))
    panel = _Panel(sheet, _PANELS[0], x, y)
    panel.frame("Each finished trial, and the best so far")
    if mean is not None:
        panel.line([(0, mean), (x.high, mean)], _CONFIRMED, 2)
        panel.note(mean, "the winner, confirmed", _CONFIRMED)
    best: list[Point] = []
    for trial in sorted(finished, key=lambda one: one.number):
        so_far = metric.best([*(value for _, value in best[-1:]), value_of(trial)])
        best += [(trial.number, value) for _, value in best[-1:]] + [(trial.number, so_far)]
    panel.line(best, _BEST, 2)
    for trial in finished:
        panel.dot((trial.number, value_of(trial)), _GOOD)


def _curves(sheet: "_Sheet", trials: Sequence[FrozenTrial], finished: list[FrozenTrial], metric: Metric) -> None:
    values = [value for trial in trials for value in trial.intermediate_values.values()]
    last = max((trial.last_step or 1 for trial in trials), default=1)
    x = linear("epoch", 1, max(2, last), number, whole=True)
    panel = _Panel(sheet, _PANELS[1], x, scores(metric, values, worst=curves_begin(trials, metric)))
    panel.frame("Learning curves, the best trial's in orange")
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED][-MOST_DRAWN:]
    looks = [*((trial, _LINE, 1) for trial in pruned), *((trial, _OTHER, 1) for trial in finished[_NAMED:][::-1])]
    looks += [(trial, _GOOD, 2) for trial in finished[1:_NAMED][::-1]]
    looks += [(trial, _BEST, 3) for trial in finished[:1]]
    for trial, colour, width in looks:
        panel.line(
            [(float(epoch), value) for epoch, value in sorted(trial.intermediate_values.items())], colour, width
        )


class _Sheet:
    """What is drawn on. Places and sizes are in pixels of the picture."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (_FINER * _WIDTH, _FINER * _HEIGHT), "#ffffff")
        self._draw = ImageDraw.Draw(self._image)

    def text(self, place: Point, text: str, size: int, colour: str, anchor: str = "la") -> None:
        """Write a text. anchor: which of its corners lies there, as Pillow calls it."""
        font = ImageFont.load_default(_FINER * size)
        self._draw.text(self._finer(place), text, fill=colour, font=font, anchor=anchor)

    def line(self, places: Sequence[Point], colour: str, width: int) -> None:
        """Draw a line through places."""
        self._draw.line([self._finer(place) for place in places], fill=colour, width=_FINER * width, joint="curve")

    def dot(self, place: Point, colour: str) -> None:
        """Draw a dot."""
        self._draw.circle(self._finer(place), _FINER * 3.5, fill=colour)

    def png(self) -> bytes:
        """Return the picture."""
        file = io.BytesIO()
        self._image.resize((_WIDTH, _HEIGHT), Image.Resampling.LANCZOS).save(file, "PNG", optimize=True)
        return file.getvalue()

    def _finer(self, place: Point) -> Point:
        return _FINER * place[0], _FINER * place[1]


class _Panel:
    """One chart on a sheet. What lies beyond its axes is drawn at their ends."""

    def __init__(self, sheet: _Sheet, sides: tuple[int, int], x: Axis, y: Axis):
        self._sheet, self._sides, self._x, self._y = sheet, sides, x, y

    def frame(self, title: str) -> None:
        """Draw what is around: the title, and the names of the axes and of some of their values."""
        left, right = self._sides
        self._sheet.text((left - 56, _PANEL_TOP - 50), title, 18, _TEXT)
        self._sheet.text((left - 56, _PANEL_TOP - 24), self._y.title, 14, _SOFT)
        for place, text in self._y.ticks:
            down = self._down(place)
            self._sheet.line([(left, down), (right, down)], _LINE, 1)
            self._sheet.text((left - 8, down), text, 14, _SOFT, "rm")
        for place, text in self._x.ticks:
            self._sheet.text((left + place * (right - left), _PANEL_BOTTOM + 8), text, 14, _SOFT, "ma")
        self._sheet.text((right, _PANEL_BOTTOM + 30), self._x.title, 14, _SOFT, "ra")

    def line(self, points: Sequence[Point], colour: str, width: int) -> None:
        """Draw a line through points."""
        if len(points) == 1:
            self.dot(points[0], colour)
        elif points:
            self._sheet.line([self._place(point) for point in points], colour, width)

    def dot(self, point: Point, colour: str) -> None:
        """Draw a point."""
        self._sheet.dot(self._place(point), colour)

    def note(self, value: float, text: str, colour: str) -> None:
        """Write a text above a value, at the right."""
        self._sheet.text((self._sides[1], self._down(self._y.place(value)) - 4), text, 14, colour, "rb")

    def _place(self, point: Point) -> Point:
        left, right = self._sides
        across = min(1.0, max(0.0, self._x.place(point[0])))
        return left + across * (right - left), self._down(self._y.place(point[1]))

    def _down(self, place: float) -> float:
        return _PANEL_BOTTOM - min(1.0, max(0.0, place)) * (_PANEL_BOTTOM - _PANEL_TOP)
