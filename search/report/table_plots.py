"""What the report of a table shows of the winner's net, from its validation rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlpsearch.models.scores import Metric
from mlpsearch.search.report import figures, table_figures
from mlpsearch.search.report.columns import Judgement, calibration, column_importances, judge, roc
from mlpsearch.search.report.page import Plot
from mlpsearch.search.results.winner import Winner

_BAR, _AXIS = 24, 90  # pixels of a column's bar, and of what is around the bars


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


def table_plots(winner: Winner, metric: Metric) -> TablePlots:
    """Return the plots of a table's winner. metric: of the study."""
    judged, rows = judge(winner), f"{len(winner.data.validation):,} validation rows"
    matrix = figures.confusion({"classes": winner.data.classes, "confusion": judged.confusion.tolist()})
    return TablePlots(
        columns=_columns(winner, metric),
        note=(
            f"How much worse the validation {metric.title} is where a column's cells are shuffled among the rows: "
            "the mean and the deviation of 5 shuffles. A column that another one can stand in for loses little."
        ),
        confusion=Plot(
            "On the validation",
            matrix,
            f"{rows} by true and predicted class, one net. They had a part in choosing it.",
            matrix_height(winner.data.classes),
        ),
        chances=_chances(judged, winner.data.classes),
        of_chances=f"What the net says of {rows}.",
    )


def matrix_height(classes: Sequence[str]) -> int:
    """Return the pixels that a confusion matrix is high."""
    return min(600, 200 + 40 * len(classes))


def _columns(winner: Winner, metric: Metric) -> list[Plot]:
    found = column_importances(winner, metric)
    if not found:
        return []
    shown = min(len(found), table_figures.MOST_BARS)
    note = f"The first {shown} of {len(found):,} columns." if shown < len(found) else ""
    return [Plot("", table_figures.importances(found, metric), note, height=_AXIS + _BAR * shown)]


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
