"""Figures of a net that learnt a table, as plotly's."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from mlpsearch.models.scores import Metric
from mlpsearch.models.statistics import wilson_interval
from mlpsearch.search.report.columns import Importance
from mlpsearch.search.report.figures import BLUE, GRAY, brief, hover_format, plain, tick_format

MOST_BARS = 25


def importances(found: Sequence[Importance], metric: Metric) -> go.Figure:
    """Return a bar a column, the most important at the top, with the deviation over the shuffles."""
    shown = found[:MOST_BARS]
    places = list(range(len(shown)))  # by number, not by name: two names may be cut to one
    bars = go.Bar(
        x=[one.loss for one in shown],
        y=places,
        customdata=[plain(one.column) for one in shown],
        orientation="h",
        marker={"color": BLUE},
        error_x={"type": "data", "array": [one.deviation for one in shown], "color": GRAY, "thickness": 1.5},
        hovertemplate=f"%{{customdata}}: {metric.title} worse by %{{x:{hover_format(metric)}}}<extra></extra>",
    )
    figure = go.Figure(bars)
    names = [plain(brief(one.column)) for one in shown]
    figure.update_layout(
        xaxis={"title": {"text": f"{metric.title}, worse by"}, "tickformat": tick_format(metric)},
        yaxis={"tickvals": places, "ticktext": names, "autorange": "reversed", "showgrid": False},
        bargap=0.35,
    )
    return figure


def calibration(
    said: NDArray[np.float64], true: NDArray[np.float64], counts: NDArray[np.int64], name: str
) -> go.Figure:
    """Return how often a class is true by how probable the net says it is. name: of the class."""
    pairs = zip((true * counts).round().astype(int).tolist(), counts.tolist(), strict=True)
    ends = np.array([wilson_interval(right, count) for right, count in pairs])
    points = go.Scatter(
        x=said.tolist(),
        y=true.tolist(),
        customdata=counts.tolist(),
        mode="lines+markers",
        line={"color": BLUE, "width": 2},
        marker={"size": 6},
        error_y={
            "type": "data",
            "array": (ends[:, 1] - true).tolist(),
            "arrayminus": (true - ends[:, 0]).tolist(),
            "color": GRAY,
            "thickness": 1.5,
        },
        hovertemplate="said %{x:.1%}, true of %{y:.1%} of %{customdata} rows<extra></extra>",
    )
    text = plain(brief(name))
    return _square([_diagonal(), points], f"probability of {text} that the net says", f"share of {text}")


def roc(false: NDArray[np.float64], true: NDArray[np.float64], name: str) -> go.Figure:
    """Return the ROC curve. name: of the class that an alarm says."""
    curve = go.Scatter(
        x=false.tolist(),
        y=true.tolist(),
        mode="lines",
        line={"color": BLUE, "width": 2},
        hovertemplate="%{y:.1%} found with %{x:.1%} false alarms<extra></extra>",
    )
    text = plain(brief(name))
    return _square([_diagonal(), curve], f"others taken for {text}", f"{text} that is found")


def _diagonal() -> go.Scatter:
    return go.Scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"color": GRAY, "width": 1, "dash": "dot"}, hoverinfo="skip"
    )


def _square(traces: list[go.Scatter], across: str, up: str) -> go.Figure:
    figure = go.Figure(traces)
    shares = {"range": [-0.02, 1.02], "tickformat": ".0%", "dtick": 0.25}
    figure.update_layout(
        xaxis={"title": {"text": across}, **shares},
        yaxis={"title": {"text": up}, **shares},
        showlegend=False,
        margin={"r": 24},
    )
    return figure
