"""Figures for optuna-dashboard, which shows plotly's alone.

Plotly takes a part of HTML in its texts for markup: names that come from a study go through `_plain`.
"""

import html
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.models.scores import Metric
from mlpsearch.search.report.axes import logarithmic
from mlpsearch.search.report.figures import brief, front, ranked, value_of

_BLUE, _ORANGE, _GRAY = "#2a78b8", "#d9622b", "#9a9a9a"
_MOST_CLASSES_WITH_COUNTS = 20


def time_against_score(trials: Sequence[FrozenTrial], metric: Metric) -> go.Figure:
    """Return the validation score by seconds of training: a point a trial, and the best for any time."""
    timed = [trial for trial in trials if trial.value is not None and "seconds" in trial.user_attrs]
    finished = ranked(timed, metric)
    pruned = [trial for trial in timed if trial.state == TrialState.PRUNED]
    best = front(finished, metric)
    line = go.Scatter(
        x=[_seconds(trial) for trial in best],
        y=[trial.value for trial in best],
        name="nothing quicker was better",
        mode="lines",
        line={"color": _ORANGE, "shape": "hv", "width": 1.5},
        hoverinfo="skip",
    )
    dots = [_points("pruned", pruned, metric, _GRAY), _points("finished", finished, metric, _BLUE)]
    figure = go.Figure([line, *dots])
    ticks = ".1~%" if metric.is_percentage else "~g"
    figure.update_layout(
        xaxis={"title": {"text": "seconds of training"}, **_log_axis([_seconds(trial) for trial in timed])},
        yaxis={"title": {"text": f"validation {metric.title}", "standoff": 12}, "tickformat": ticks},
        hovermode="closest",
    )
    return figure


def _log_axis(values: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis that names values in full: plotly's own has single digits between powers of ten."""
    axis = logarithmic("", min(values, default=1), max(values, default=1))
    places = [10 ** (axis.low + place * (axis.high - axis.low)) for place, _ in axis.ticks]
    texts = [text for _, text in axis.ticks]
    return {"type": "log", "range": [axis.low, axis.high], "tickvals": places, "ticktext": texts}


def _seconds(trial: FrozenTrial) -> float:
    return max(0.01, float(trial.user_attrs["seconds"]))  # they are rounded, and a logarithmic axis has no 0


def _points(name: str, trials: Sequence[FrozenTrial], metric: Metric, color: str) -> go.Scatter:
    value = ".2%" if metric.is_percentage else ".4f"
    return go.Scatter(
        x=[_seconds(trial) for trial in trials],
        y=[value_of(trial) for trial in trials],
        customdata=[trial.number for trial in trials],
        name=name,
        mode="markers",
        marker={"color": color, "size": 8, "opacity": 0.8},
        hovertemplate=f"trial %{{customdata}}: %{{y:{value}}} in %{{x}} s<extra></extra>",
    )


def confusion(test: dict[str, Any]) -> go.Figure:
    """Return a confusion matrix of a TestReport as JSON; colours are shares of the true class, none for 0."""
    names = [_plain(brief(str(name))) for name in test["classes"]]
    counts: list[list[int]] = test["confusion"]
    places = list(range(len(names)))  # by number, not by name: two classes may have one name
    heatmap = go.Heatmap(
        x=places,
        y=places,
        z=[[count / sum(row) if count else None for count in row] for row in counts],
        text=[[count or "" for count in row] for row in counts],
        hoverongaps=False,
        colorscale=[(0, "#cbd7e1"), (1, "#0b3f70")],
        zmin=0,
        zmax=1,
        showscale=False,
        texttemplate="%{text}" if len(names) <= _MOST_CLASSES_WITH_COUNTS else None,
        hovertemplate="%{text} (%{z:.1%}) of true %{y} are taken for %{x}<extra></extra>",
        xgap=1,
        ygap=1,
    )
    ticks = {"tickvals": places, "ticktext": names, "showgrid": False, "zeroline": False}
    figure = go.Figure(heatmap)
    figure.update_layout(
        xaxis={"title": {"text": "predicted class", "standoff": 12}, "constrain": "domain", **ticks},
        yaxis={"title": {"text": "true class", "standoff": 12}, "autorange": "reversed", **ticks},
    )
    return figure


def _plain(text: str) -> str:
    """The text such that plotly shows it as it is."""
    return html.escape(text, quote=False)
