"""Charts of what the searched hyperparameters did to the score, where enough trials are finished for them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import Any

import numpy as np
import optuna
from markupsafe import Markup
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial

from mlpsearch.models.scores import Metric
from mlpsearch.search.report.axes import Axis, categories, numbers, scores, usual
from mlpsearch.search.report.figures import MOST_DRAWN, brief, ranked, value_of
from mlpsearch.search.report.svg import Chart, Point, bars, legend, parallel, shade
from mlpsearch.search.results.wording import score, short

# PED-ANOVA compares the best trials with all of them, and its documentation asks for five best ones at least. The
# best quarter of 20 trials has so many. A contour is drawn from as many: fewer points leave most of it made up.
FEWEST_FINISHED = 20
_BEST_SHARE = 0.25

_MOST_SLICES = 12
_MOST_IN_CONTOURS = 3
_MOST_IN_PARALLEL = 6
_ACROSS, _UP = 50, 30  # cells of a contour, of whole percents across and whole pixels up: no gaps between them


@dataclass(frozen=True, slots=True)
class _Field:
    """A searched hyperparameter: its axis, and where each trial lies on it, None where the trial has none."""

    axis: Axis
    places: Sequence[float | None]
    is_number: bool


class SearchFigures:
    """The charts of one study.

    metric: by which its trials are ranked.
    finished: how many trials are.
    params: the searched hyperparameters that finished trials have, the most important first.
    importances: of each, adding up to 1; None where there is too little to tell.
    """

    def __init__(self, study: optuna.Study, searched: list[str], metric: Metric):
        self._metric = metric
        all_finished = ranked(study.get_trials(deepcopy=False), metric)
        self.finished = len(all_finished)
        self.importances = _importances(study, searched) if self.finished >= FEWEST_FINISHED else None
        self._trials = all_finished[:MOST_DRAWN]
        present = [name for name in searched if any(name in trial.params for trial in self._trials)]
        known = self.importances or {}
        self.params = sorted(present, key=lambda name: -known.get(name, 0))
        self._fields = {name: _field(name, self._trials) for name in self.params}

    def importance(self) -> Markup | None:
        """Return how much each hyperparameter decided."""
        if self.importances is None:
            return None
        most = max(self.importances.values()) or 1
        return bars((name, share / most, f"{share:.2f}") for name, share in self.importances.items())

    def parallel(self) -> Markup | None:
        """Return each finished trial as a line through the most important hyperparameters."""
        if not self.params:
            return None
        fields = [self._fields[name] for name in self.params[:_MOST_IN_PARALLEL]]
        axes = [self._scores(), *(field.axis for field in fields)]
        looks, lines = self._looks(), []
        for place, trial in reversed([*enumerate(self._trials)]):  # the best last, above the others
            points = [value_of(trial), *(field.places[place] for field in fields)]
            lines.append((points, looks[place], self._told(trial)))
        label = "A line a finished trial, through its score and its hyperparameters"
        return _scale("worst", "best") + parallel(label, axes, lines)

    def slices(self) -> list[tuple[str, Markup]]:
        """Return a chart of the validation score by each hyperparameter, with its name."""
        return [(name, self._slice(name)) for name in self.params[:_MOST_SLICES]]

    def contours(self) -> list[tuple[str, Markup]]:
        """Return a chart for each pair of the most important hyperparameters, by its name; none of few trials."""
        if self.finished < FEWEST_FINISHED:
            return []
        varied = [name for name in self.params if len({*self._fields[name].places}) > 1]
        pairs = combinations(varied[:_MOST_IN_CONTOURS], 2)
        return [(f"{first} and {second}", self._contour(first, second)) for first, second in pairs]

    def _scores(self, title: str = "") -> Axis:
        values = [value_of(trial) for trial in self._trials]
        return scores(self._metric, values, title=title, worst=usual(self._metric, values))

    def _looks(self) -> list[str]:
        """A shade a trial by its rank: a few bad scores would leave all others one colour."""
        last = max(1, len(self._trials) - 1)
        return [shade(1 - place / last) for place in range(len(self._trials))]

    def _told(self, trial: FrozenTrial) -> str:
        chosen = ", ".join(f"{name} {short(trial.params[name])}" for name in self.params if name in trial.params)
        return f"trial {trial.number}: {score(trial.value, self._metric)}, {chosen}"

    def _slice(self, name: str) -> Markup:
        field, last = self._fields[name], max(1, *(trial.number for trial in self._trials))
        label = f"Validation {self._metric.title} by {name}"
        chart = Chart(label, field.axis, self._scores(" "), height=190)
        for place, trial in [*zip(field.places, self._trials, strict=True)][::-1]:
            if place is not None:
                tip = f"trial {trial.number}: {score(trial.value, self._metric)}, {short(trial.params[name])}"
                chart.dot(place, value_of(trial), shade(trial.number / last), tip)
        return chart.markup()

    def _contour(self, first: str, second: str) -> Markup:
        across, up = self._fields[first], self._fields[second]
        chart = Chart(f"Validation {self._metric.title} by {first} and {second}", across.axis, up.axis, height=300)
        points = [
            (x, y, place)
            for place, (x, y) in enumerate(zip(across.places, up.places, strict=True))
            if x is not None and y is not None
        ]
        if across.is_number and up.is_number:
            for first_corner, second_corner, look in _surface(points, across.axis, up.axis, len(self._trials)):
                chart.patch(first_corner, second_corner, f"flat {look}")
        looks = self._looks()
        for x, y, place in reversed(points):
            chart.dot(x, y, f"ring {looks[place]}", self._told(self._trials[place]))
        return chart.markup()


def _importances(study: optuna.Study, searched: list[str]) -> dict[str, float] | None:
    """The importances; Optuna warns where it makes them up, with too few trials or all of them alike."""
    evaluator = PedAnovaImportanceEvaluator(target_quantile=_BEST_SHARE)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        except (UserWarning, ValueError):
            return None
    return {name: share for name, share in found.items() if name in searched} or None


def _field(name: str, trials: Sequence[FrozenTrial]) -> _Field:
    values: list[Any] = [trial.params[name] for trial in trials if name in trial.params]
    distribution = next(trial.distributions[name] for trial in trials if name in trial.params)
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        choices = [choice for choice in distribution.choices if choice in values]
        if all(type(choice) in (int, float) for choice in choices):
            choices.sort()
        axis = categories(name, [brief(str(choice)) for choice in choices])
        places = [choices.index(trial.params[name]) if name in trial.params else None for trial in trials]
        return _Field(axis, places, is_number=False)
    axis = numbers(name, values, is_log=getattr(distribution, "log", False))
    return _Field(axis, [trial.params.get(name) for trial in trials], is_number=True)


def _scale(worst: str, best: str) -> Markup:
    return legend([("shade1 dot", worst), ("shade5 dot", ""), ("shade9 dot", best)])


def _surface(
    points: list[tuple[float, float, int]], across: Axis, up: Axis, count: int
) -> list[tuple[Point, Point, str]]:
    """The ranks between the points as patches of one look each: flat between neighbours, nothing outside.

    points: (across, up, rank from 0 for the best).  count: of the ranks.
    """
    from scipy.interpolate import griddata
    from scipy.spatial import QhullError

    xs, ys = (np.arange(_ACROSS) + 0.5) / _ACROSS, (np.arange(_UP) + 0.5) / _UP
    known = np.array([(across.place(x), up.place(y)) for x, y, _ in points])
    goodness = np.array([1 - rank / max(1, count - 1) for *_, rank in points])
    try:
        found = griddata(known, goodness, tuple(np.meshgrid(xs, ys)), method="linear")
    except QhullError:  # all on one line
        return []
    patches = list[tuple[Point, Point, str]]()
    for row, values in enumerate(found):
        begin = 0
        for look, cells in groupby("" if np.isnan(value) else shade(value) for value in values):
            end = begin + len([*cells])
            if look:
                patches.append(((begin / _ACROSS, row / _UP), (end / _ACROSS, (row + 1) / _UP), look))
            begin = end
    return patches
