"""What the report of a table shows of the winner's net, from its validation rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlpsearch.models.scores import Metric
from mlpsearch.search.report import figures, table_figures
from mlpsearch.search.report.columns import Judgement, calibration, column_importances, roc
from mlpsearch.search.report.page import Plot
from mlpsearch.search.results.winner import Winner
from mlpsearch.search.results.wording import MOST_CLASSES

_FEW_CLASSES = 5  # that fit a phone, or half of a page


@dataclass(frozen=True, slots=True)
class TablePlots:
    """Plots of a table's net, none for images.

    columns: what the columns are worth.  note: about them.  confusion: of the validation rows.
    chances: calibration and ROC, of two classes.  of_chances: about them.
    """

    columns: list[Plot] = field(default_factory=list)
    note: str = ""
    confusion: Plot | None = None
    chances: list[Plot] = field(default_factory=list)
    of_chances: str = ""


def table_plots(winner: Winner, judged: Judgement, metric: Metric) -> TablePlots:
    """Return the plots of a table's winner. judged: what it says of the validation rows.  metric: of the study."""
    rows = f"{len(winner.data.validation):,} validation rows"
    return TablePlots(
        columns=_columns(winner, metric),
        note=(
            f"How much worse the validation {metric.title} is where a column's cells are shuffled among the rows: "
            "the mean and the deviation of 5 shuffles. A column that another one can stand in for loses little."
        ),
        confusion=matrix_plot(
            "On the validation",
            winner.data.classes,
            judged.confusion.tolist(),
            f"{rows} by true and predicted class, one net. They had a part in choosing it.",
        ),
        chances=_chances(judged, winner.data.classes),
        of_chances=f"What the net says of {rows}.",
    )


def matrix_plot(title: str, classes: Sequence[str], counts: list[list[int]], note: str) -> Plot | None:
    """Return a confusion matrix; None of more classes than anybody can read."""
    if len(classes) > MOST_CLASSES:
        return None
    matrix = figures.confusion({"classes": classes, "confusion": counts})
    few = len(classes) <= _FEW_CLASSES
    return Plot(title, matrix, note, half=few, wide=not few)


def _columns(winner: Winner, metric: Metric) -> list[Plot]:
    found = column_importances(winner, metric)
    if not found:
        return []
    shown = min(len(found), table_figures.MOST_BARS)
    note = f"The first {shown} of {len(found):,} columns." if shown < len(found) else ""
    return [Plot("", table_figures.importances(found, metric), note)]


def _chances(judged: Judgement, classes: tuple[str, ...]) -> list[Plot]:
    if len(classes) != 2:
        return []
    curve, name = roc(judged), classes[1]
    said = Plot(
        "Calibration",
        table_figures.calibration(*calibration(judged), name),
        "On the dotted line, the net is as sure as it is right.",
        half=True,
    )
    if curve is None:
        return [said]
    false, true, area = curve
    note = f"Area under the curve: {area:.3f}; guessing has 0.5."
    return [said, Plot("ROC", table_figures.roc(false, true, name), note, half=True)]
