"""Figures that Optuna does not have, as plotly's; each works on any study, also where there is nothing to draw.

Plotly takes a part of HTML in its texts for markup: names that come from a study go through `plain`.
"""

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.models.scores import METRICS, Metric
from mlpsearch.search.results.efficiency import Efficiency

if TYPE_CHECKING:
    from mlpsearch.search.report.summary import StudySummary

BLUE, ORANGE, GRAY = "#2a78b8", "#d9622b", "#9a9a9a"
_COLORS = (BLUE, ORANGE, "#2f9e63", "#8a63c4", "#b8860b", "#c2417f")
_MOST_CLASSES_WITH_COUNTS = 20
_FEW_EPOCHS = 10
_LONGEST_NAME = 24


def tick_format(metric: Metric) -> str:
    """Return how the numbers beside an axis of scores are written, as d3 has it."""
    return ".1~%" if metric.is_percentage else "~g"


def _scores_axis(metric: Metric) -> dict[str, Any]:
    return {"title": {"text": f"validation {metric.title}"}, "tickformat": tick_format(metric)}


def hover_format(metric: Metric) -> str:
    """Return how a score is written where the pointer is, as d3 has it."""
    return ".2%" if metric.is_percentage else ".4f"


def plain(text: str) -> str:
    """Return the text such that plotly shows it as it is."""
    return html.escape(text, quote=False)


def learning_curves(trials: Sequence[FrozenTrial], metric: Metric) -> go.Figure:
    """Return the validation score by epoch: a line a trial, the best one above the others."""
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE and trial.value is not None]
    best = min(finished, key=lambda trial: (metric.rank(trial.value or 0.0), trial.number), default=None)
    others = [trial for trial in finished if trial is not best]
    pruned = [trial for trial in trials if trial.state == TrialState.PRUNED]
    figure = go.Figure(
        [
            _curves("pruned", pruned, metric, color=GRAY, width=1, dash="dot", opacity=0.8),
            _curves("finished", others, metric, color=BLUE, width=1, opacity=0.5),
            *([_curves(f"best: trial {best.number}", [best], metric, color=ORANGE, width=3)] if best else []),
        ]
    )
    epochs = _epochs(trial.last_step for trial in trials)
    figure.update_layout(xaxis=epochs, yaxis=_scores_axis(metric), hovermode="closest")
    return figure


def _epochs(lengths: Iterable[int | None]) -> dict[str, Any]:
    """The axis of epochs, without fractions where there are few of them."""
    few = max((length or 0 for length in lengths), default=0) <= _FEW_EPOCHS
    return {"title": {"text": "epoch"}, "dtick": 1 if few else None}


def _curves(
    name: str, trials: Iterable[FrozenTrial], metric: Metric, *, opacity: float = 1.0, **line: Any
) -> go.Scatter:
    """All of these as one trace with gaps: hundreds of traces would make a page slow."""
    epochs: list[int | None] = []
    values: list[float | None] = []
    numbers: list[int | None] = []
    for trial in trials:
        curve = sorted(trial.intermediate_values.items())
        epochs += [*(epoch for epoch, _ in curve), None]
        values += [*(value for _, value in curve), None]
        numbers += [trial.number] * (len(curve) + 1)
    return go.Scatter(
        x=epochs,
        y=values,
        customdata=numbers,
        name=name,
        mode="lines+markers",
        opacity=opacity,
        line=line,
        marker={"size": 3},
        connectgaps=False,
        hovertemplate=f"trial %{{customdata}}: %{{y:{hover_format(metric)}}} after epoch %{{x}}<extra></extra>",
    )


def best_by_epochs(found: Efficiency, metric: Metric) -> go.Figure:
    """Return the best score so far by the epochs of all trials, beside what random search is expected to reach."""
    # Flat from the last trial that was better to the end of the search.
    best = [*found.best, (max(found.epochs, found.best[-1][0]), found.best[-1][1])]
    hover = f"%{{y:{hover_format(metric)}}} after %{{x}} epochs<extra></extra>"
    figure = go.Figure(
        [
            go.Scatter(
                x=[epochs for epochs, _ in found.random],
                y=[score for _, score in found.random],
                name="random search, expected",
                mode="lines+markers",
                line={"color": GRAY, "width": 1.5, "dash": "dot"},
                marker={"size": 5},
                hovertemplate=hover,
            ),
            go.Scatter(
                x=[epochs for epochs, _ in best],
                y=[score for _, score in best],
                name="this search",
                mode="lines+markers",
                line={"color": ORANGE, "shape": "hv", "width": 2},
                marker={"size": 5},
                hovertemplate=hover,
            ),
        ][0 if found.random else 1 :]
    )
    axis = {"title": {"text": "epochs of all trials"}, "rangemode": "tozero"}
    figure.update_layout(xaxis=axis, yaxis=_scores_axis(metric), showlegend=True)
    return figure


def time_against_score(trials: Sequence[FrozenTrial], metric: Metric) -> go.Figure:
    """Return the validation score by seconds of training: a point a trial, and the best for any time."""
    timed = [trial for trial in trials if trial.value is not None and "seconds" in trial.user_attrs]
    finished = [trial for trial in timed if trial.state == TrialState.COMPLETE]
    pruned = [trial for trial in timed if trial.state == TrialState.PRUNED]
    front = _front(finished, metric)
    figure = go.Figure(
        [
            go.Scatter(
                x=[_seconds(trial) for trial in front],
                y=[trial.value for trial in front],
                name="nothing quicker was better",
                mode="lines",
                line={"color": ORANGE, "shape": "hv", "width": 1.5},
                hoverinfo="skip",
            ),
            _points("pruned", pruned, metric, GRAY),
            _points("finished", finished, metric, BLUE),
        ]
    )
    figure.update_layout(
        xaxis={"title": {"text": "seconds of training"}, "type": "log"},
        yaxis=_scores_axis(metric),
        hovermode="closest",
    )
    return figure


def _front(finished: Sequence[FrozenTrial], metric: Metric) -> list[FrozenTrial]:
    """The trials that are better than every quicker one, the quickest first."""
    front: list[FrozenTrial] = []
    for trial in sorted(finished, key=lambda one: (one.user_attrs["seconds"], metric.rank(one.value or 0.0))):
        if not front or metric.better(trial.value or 0.0, front[-1].value or 0.0):
            front.append(trial)
    return front


def _seconds(trial: FrozenTrial) -> float:
    return max(0.01, float(trial.user_attrs["seconds"]))  # they are rounded, and a logarithmic axis has no 0


def _points(name: str, trials: Sequence[FrozenTrial], metric: Metric, color: str) -> go.Scatter:
    return go.Scatter(
        x=[_seconds(trial) for trial in trials],
        y=[trial.value for trial in trials],
        customdata=[trial.number for trial in trials],
        name=name,
        mode="markers",
        marker={"color": color, "size": 8, "opacity": 0.8},
        hovertemplate=f"trial %{{customdata}}: %{{y:{hover_format(metric)}}} in %{{x}} s<extra></extra>",
    )


def confusion(test: dict[str, Any]) -> go.Figure:
    """Return a confusion matrix; colours are shares of the true class.

    test: a TestReport as JSON, or its keys classes and confusion.
    """
    names = [plain(brief(str(name))) for name in test["classes"]]
    counts: list[list[int]] = test["confusion"]
    places = list(range(len(names)))  # by number, not by name: two classes may have one name
    heatmap = go.Heatmap(
        x=places,
        y=places,
        z=[[count / max(1, sum(row)) for count in row] for row in counts],
        text=counts,
        colorscale="Blues",
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


def brief(name: str) -> str:
    """Return a name as long as it may be beside an axis."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def winners_curves(studies: Sequence["StudySummary"]) -> go.Figure:
    """Return the validation score of each study's winner by epoch."""
    metrics = [METRICS[study.metric] for study in studies]
    figure = go.Figure(
        [
            go.Scatter(
                x=list(range(1, len(study.curve) + 1)),
                y=study.curve,
                name=plain(study.name),
                mode="lines+markers",
                line={"color": _COLORS[place % len(_COLORS)], "width": 2},
                marker={"size": 5},
                hovertemplate=f"%{{y:{hover_format(metric)}}} after epoch %{{x}}<extra>%{{fullData.name}}</extra>",
            )
            for place, (study, metric) in enumerate(zip(studies, metrics, strict=True))
        ]
    )
    lengths = (len(study.curve) for study in studies)
    axis = _scores_axis(metrics[0]) if len(set(metrics)) == 1 else {"title": {"text": "each by its own metric"}}
    figure.update_layout(xaxis=_epochs(lengths), yaxis=axis, showlegend=True)
    return figure
