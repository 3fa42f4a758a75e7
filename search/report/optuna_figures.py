"""Optuna's own figures of a study, where it has enough finished trials for them."""

import re
import warnings
from itertools import combinations
from typing import Any

import optuna
import plotly.graph_objects as go
from optuna import visualization
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models.scores import Metric
from mlpsearch.search.report.figures import tick_format

_MOST_SLICES = 12
_MOST_IN_CONTOURS = 3
_MOST_IN_PARALLEL = 6
# Plotly takes a part of HTML for markup. What Optuna's figures themselves use of it stays; whatever a storage from
# elsewhere says in its trials is shown as it is.
_MARKUP = re.compile(r"<(?!(br|b|/b|extra|/extra)>)")


class OptunaFigures:
    """The figures of one study.

    metric: by which its trials are ranked.
    params: the searched hyperparameters that finished trials have, the most important first.
    importances: of each, adding up to 1; None where there is too little to tell.
    """

    def __init__(self, study: optuna.Study, searched: list[str], metric: Metric):
        self._study = study
        self._title, self._ticks = f"validation {metric.title}", tick_format(metric)
        finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        self.any = bool(finished)
        self._finished = finished
        self.importances = _importances(study, searched) if self.any else None
        present = [name for name in searched if any(name in trial.params for trial in finished)]
        known = self.importances or {}
        self.params = sorted(present, key=lambda name: -known.get(name, 0))
        self._varied = [name for name in self.params if len({str(t.params.get(name)) for t in finished}) > 1]

    def history(self) -> go.Figure | None:
        """Return the validation score of each finished trial, and the best so far."""
        if not self.any:
            return None
        trials = _without_gaps(self._finished, self._study.direction)
        figure = visualization.plot_optimization_history(trials, target_name=self._title)
        return _plain(figure).update_yaxes(tickformat=self._ticks)

    def importance(self) -> go.Figure | None:
        """Return how much each hyperparameter decided."""
        if self.importances is None:
            return None
        params = list(self.importances)
        figure = visualization.plot_param_importances(self._study, params=params, target_name=self._title)
        room = 1.2 * max(self.importances.values())  # for the numbers beside the bars
        return _plain(figure).update_xaxes(range=[0, room], title=None).update_yaxes(title=None)

    def parallel(self) -> go.Figure | None:
        """Return each finished trial as a line through the most important hyperparameters."""
        if not self.params:
            return None
        params = self.params[:_MOST_IN_PARALLEL]
        figure = visualization.plot_parallel_coordinate(self._study, params=params, target_name=self._title)
        figure.update_traces(marker_showscale=False)
        return _plain(figure).update_xaxes(range=[-0.5, len(params) + 0.2]).update_layout(plot_bgcolor=None)

    def slices(self) -> list[tuple[str, go.Figure]]:
        """Return a figure of the validation score by each hyperparameter, with its name."""
        figures = {
            name: visualization.plot_slice(self._study, params=[name], target_name=self._title)
            for name in self.params[:_MOST_SLICES]
        }
        return [(name, _slice(figure, self._ticks)) for name, figure in figures.items()]

    def contours(self) -> list[tuple[str, go.Figure]]:
        """Return a figure for each pair of the most important hyperparameters, with their names."""
        pairs = combinations(self._varied[:_MOST_IN_CONTOURS], 2)
        return [
            (
                f"{first} and {second}",
                _contour(
                    visualization.plot_contour(self._study, params=[first, second], target_name=self._title),
                    self._ticks,
                ),
            )
            for first, second in pairs
        ]


def _without_gaps(finished: list[FrozenTrial], direction: optuna.study.StudyDirection) -> optuna.Study:
    """A study with these trials under their numbers: Optuna takes a trial's number for its place in the list."""
    by_number = {trial.number: trial for trial in finished}
    study = optuna.create_study(direction=direction)
    for number in range(max(by_number) + 1):
        study.add_trial(by_number.get(number) or create_trial(state=TrialState.FAIL))
    return study


def _importances(study: optuna.Study, searched: list[str]) -> dict[str, float] | None:
    """The importances; Optuna warns where it makes them up, with too few trials or all of them alike."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            found = optuna.importance.get_param_importances(study)
        except (UserWarning, ValueError):
            return None
    return {name: share for name, share in found.items() if name in searched} or None


def _slice(figure: go.Figure, ticks: str) -> go.Figure:
    figure.update_traces(marker_showscale=False)
    return _plain(figure).update_xaxes(title=None).update_yaxes(title=None, tickformat=ticks)


def _contour(figure: go.Figure, ticks: str) -> go.Figure:
    colorbar = {"title": None, "thickness": 12, "tickformat": ticks, "outlinewidth": 0}
    return _plain(figure).update_traces(colorbar=colorbar, selector={"type": "contour"})


def _plain(figure: go.Figure) -> go.Figure:
    """The figure with nothing of the study's taken for markup."""
    return go.Figure(_plain_texts(figure.to_plotly_json()), skip_invalid=True)


def _plain_texts(value: Any) -> Any:
    if isinstance(value, str):
        return _MARKUP.sub("&lt;", value)
    if isinstance(value, dict):
        return {key: _plain_texts(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_texts(item) for item in value]
    return value
