"""The points that a study tries before any other: where they are from, and which of them fit it.

They are settled once, when the study is made, and kept with it: all workers and later versions try the same.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mlpsearch.models.config import TrainConfig
from mlpsearch.studies.spec.dimensions import Choices, Dimension, Value, as_float, fits, inside, on_step
from mlpsearch.studies.spec.keys import LEARNT
from mlpsearch.studies.spec.space import defaults_of
from mlpsearch.studies.spec.study import StudySpec

Kind = Literal["images", "table", "small table"]  # of data, for which points were learnt
SMALL_TABLE = 1_000  # rows, without the test's, that a small table has at most
MOST = 5  # points that a study takes over from elsewhere, of one kind
GIVEN = "start"  # the origin of a point that the study file gives itself
_LEARNT_POINTS = Path(__file__).with_name("learnt_points.json")
# Without the same values of these, other settings mean something else.
_MUST_AGREE = ("optimizer", "schedule")
_DEFAULTS = {field.name: field.default for field in fields(TrainConfig) if field.name not in ("epochs", "seed")}


@dataclass(frozen=True, slots=True)
class StartPoint:
    """A point that is tried before any other.

    origin: "start" (the study file), "learnt" (it comes with the package) or "study NAME" (an earlier study).
    params: values of searched fields; what they leave out is sampled.
    clipped: the fields whose numbers were moved to the nearest that the study searches.
    """

    origin: str
    params: dict[str, Value]
    clipped: list[str] = field(default_factory=list)


def of_study(name: str) -> str:
    """Return the origin of points of an earlier study."""
    return f"study {name}"


def given_points(spec: StudySpec) -> list[StartPoint]:
    """Return the points that the study file gives itself."""
    return [StartPoint(GIVEN, dict(point)) for point in spec.points]


def kind_of(rows: int, *, is_table: bool) -> Kind:
    """Return for which kind of data points were learnt. rows: of training and validation."""
    if not is_table:
        return "images"
    return "small table" if rows <= SMALL_TABLE else "table"


def learnt_points(spec: StudySpec, kind: Kind) -> tuple[list[StartPoint], int]:
    """Return the first points that come with the package and fit a study, and how many of its optimizer do not.

    None where the study does not ask for them. Points of another optimizer or schedule are not counted. Where the
    budget is in seconds the points are those that were quick as well as good.
    kind: of its data.
    """
    if spec.start != LEARNT:
        return [], 0
    chosen, left_out = list[StartPoint](), 0
    name = "points" if spec.budget.seconds is None else "quick_points"
    for point in json.loads(_LEARNT_POINTS.read_text("utf-8"))[name]:
        if point["kind"] != kind:
            continue
        found = fitted(point["params"], spec, LEARNT)
        left_out += found is None and _agrees(point["params"], spec)
        chosen = distinct([*chosen, *([found] if found else [])])
        if len(chosen) == MOST:
            break
    return chosen, left_out


def fitted(values: Mapping[str, Any], spec: StudySpec, origin: str) -> StartPoint | None:
    """Return a configuration from elsewhere as a point of a study; None where it does not fit.

    values: by field; the others are at their defaults. It does not fit where the study fixes another optimizer or
    schedule, or lacks one of the choices. Numbers are moved to the nearest that the study searches: the end of a
    range, or one of several numbers to choose from. What the study does not search is left out, and so are
    defaults that lie outside what it searches.
    """
    known = {**_DEFAULTS, **defaults_of(spec), **values}
    if not _agrees(values, spec):
        return None
    params, clipped = dict[str, Value](), list[str]()
    for name, dimension in spec.search.items():
        value = _nearest(name, known[name], dimension)
        if value is None and name in values:
            return None
        if value != known[name]:
            if name not in values:
                continue
            clipped.append(name)
        if value is not None:
            params[name] = value
    return StartPoint(origin, params, clipped) if params else None


def _agrees(values: Mapping[str, Any], spec: StudySpec) -> bool:
    """Whether a configuration has the optimizer and the schedule of a study, where that does not search them."""
    known, own = {**_DEFAULTS, **values}, {**_DEFAULTS, **spec.fixed}
    return all(known[name] == own[name] for name in _MUST_AGREE if name not in spec.search)


def _nearest(name: str, value: Any, dimension: Dimension) -> Value | None:
    """What of a dimension is nearest to a value; None for no value of the field, or a word that is no choice."""
    if not isinstance(value, bool | int | float | str) or not fits(name, value):
        return None
    own = as_float(name, value)
    if isinstance(own, str | bool):
        return own if inside(dimension, own) else None
    if isinstance(dimension, Choices):
        numbers = [choice for choice in dimension.choices if not isinstance(choice, str)]
        return numbers[int(np.abs(np.subtract(numbers, own)).argmin())]
    inner = min(max(own, dimension.low), dimension.high)
    return inner if dimension.step is None else on_step(inner, dimension.low, dimension.step)


def distinct(points: Iterable[StartPoint], beside: Sequence[StartPoint] = ()) -> list[StartPoint]:
    """Return the points without those that have the same values as an earlier one, or as one of those beside."""
    found: list[StartPoint] = []
    for point in points:
        if all(point.params != other.params for other in (*beside, *found)):
            found.append(point)
    return found


def summary(points: Iterable[StartPoint]) -> str:
    """Return where points are from, in words: "2 of study old, 5 learnt"; empty where there are none."""
    counts = Counter(point.origin for point in points)
    return ", ".join(f"{count} {_in_words(origin)}" for origin, count in counts.items())


def moved(points: Iterable[StartPoint]) -> str:
    """Return how many points have other numbers than where they are from, as a clause; empty where none has."""
    count = sum(bool(point.clipped) for point in points)
    noun = "1 point" if count == 1 else f"{count} points"
    return f"; numbers of {noun} were moved to the nearest that the study searches" if count else ""


def _in_words(origin: str) -> str:
    if origin == LEARNT:
        return origin
    return "of the study file" if origin == GIVEN else f"of {origin}"
