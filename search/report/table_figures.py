"""Charts of a net that learnt a table."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mlpsearch.models.scores import Metric
from mlpsearch.models.statistics import wilson_interval
from mlpsearch.search.report.axes import Axis, linear
from mlpsearch.search.report.columns import Importance
from mlpsearch.search.report.figures import brief
from mlpsearch.search.report.svg import Chart, bars
from mlpsearch.search.results.wording import points, score

MOST_BARS = 25


def importances(found: Sequence[Importance], metric: Metric) -> Markup:
    """Return a bar a column, the most important at the top, with the deviation over the shuffles."""
    shown = found[:MOST_BARS]
    most = max(one.loss for one in shown) or 1
    return bars((brief(one.column), one.loss / most, _loss(one, metric)) for one in shown)


def _loss(one: Importance, metric: Metric) -> str:
    if metric.is_percentage:
        return f"{points(one.loss)} ± {points(one.deviation)} points"
    return f"{score(one.loss, metric)} ± {score(one.deviation, metric)}"


def calibration(
    said: NDArray[np.float64], true: NDArray[np.float64], counts: NDArray[np.int64], name: str
) -> Markup:
    """Return how often a class is true by how probable the net says it is. name: of the class."""
    text = brief(name)
    chart = _square(f"Calibration of {text}", f"probability of {text} that the net says", f"share of {text}")
    for x, y, count in zip(said.tolist(), true.tolist(), counts.tolist(), strict=True):
        chart.bar(x, *wilson_interval(round(y * count), count))
    chart.line([*zip(said.tolist(), true.tolist(), strict=True)], "good strong")
    for x, y, count in zip(said.tolist(), true.tolist(), counts.tolist(), strict=True):
        chart.dot(x, y, "good", f"said {x:.1%}, true of {y:.1%} of {count} rows")
    return chart.markup()


def roc(false: NDArray[np.float64], true: NDArray[np.float64], name: str) -> Markup:
    """Return the ROC curve. name: of the class that an alarm says."""
    text = brief(name)
    chart = _square(f"ROC of {text}", f"others taken for {text}", f"{text} that is found")
    chart.line([*zip(false.tolist(), true.tolist(), strict=True)], "good strong")
    return chart.markup()


def _square(label: str, across: str, up: str) -> Chart:
    chart = Chart(label, _shares(across), _shares(up), height=260)
    chart.line([(0, 0), (1, 1)], "pruned")
    return chart


def _shares(title: str) -> Axis:
    return linear(title, 0, 1, lambda value, _: f"{value:.0%}")
