"""Classifying the rows of a table with an exported folder."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError, ExportError
from mlpsearch.models.paths import write_atomically
from mlpsearch.search.export.prediction import Classifier
from mlpsearch.studies.data.table_columns import TableColumn, days_of, numbers, texts
from mlpsearch.studies.data.tables.files import read_table

if TYPE_CHECKING:
    import polars as pl

_MOST_NAMED = 5  # rows with unreadable cells


@dataclass(frozen=True, slots=True, eq=False)
class RowPredictions:
    """What a net makes of the rows of a table, in their order.

    classes: the names of all classes.  probabilities: (N, classes) float32.
    """

    classes: list[str]
    probabilities: NDArray[np.float32]

    @property
    def labels(self) -> list[str]:
        """The most probable class of each row."""
        return [self.classes[best] for best in self.probabilities.argmax(axis=1)]

    def to_frame(self) -> "pl.DataFrame":
        """Return a row each: its number from 1, its class, and the probability of each class."""
        import polars as pl

        columns: dict[str, Any] = {"row": np.arange(1, len(self.probabilities) + 1), "class": self.labels}
        columns |= {f"probability of {name}": self.probabilities[:, i] for i, name in enumerate(self.classes)}
        return pl.DataFrame(columns)


def classify_rows(
    classifier: Classifier, rows: "Path | pl.DataFrame | Mapping[str, Any]", tell: Callable[[str], None]
) -> RowPredictions:
    """Return what the net makes of the rows of a file or a data frame (Polars', or whatever makes one).

    tell: is told of cells that cannot be read; they count as empty.
    Raises DataError for what is no table, or lacks a column, and ExportError where the net is not of a table.
    """
    table = classifier.export.data.table
    if table is None:
        raise ExportError("the net classifies images, not the rows of a table")
    where, frame = _frame(rows)
    table.described.check_names(frame, where)
    for column in table.described.columns:
        for problem in _unreadable(frame[column.name], column):
            tell(f"{where}: {problem}")
    stored = table.described.encoded(frame, where)
    shares = classifier.probabilities(stored)
    if not np.isfinite(shares).all():
        raise ExportError(f"{where}: the net gives no finite numbers for these rows")
    return RowPredictions(classifier.classes, shares)


def write_predictions(predictions: RowPredictions, path: Path) -> None:
    """Write them to a .csv or .json file. Raises ExportError for others, and where that cannot be written."""
    frame = predictions.to_frame()
    if path.suffix.lower() not in (".csv", ".json"):
        raise ExportError(f"{path}: must end in .csv or .json")
    text = frame.write_csv() if path.suffix.lower() == ".csv" else json.dumps(frame.to_dicts(), ensure_ascii=False)
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})") from error


def _frame(rows: "Path | pl.DataFrame | Mapping[str, Any]") -> "tuple[str, pl.DataFrame]":
    if isinstance(rows, Path):
        return str(rows), read_table(rows)
    import polars as pl

    if isinstance(rows, pl.DataFrame):
        return "the data frame", rows
    try:
        if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas', without pyarrow
            columns = {str(name): list(rows[name]) for name in rows.columns}
            return "the data frame", pl.DataFrame(columns, strict=False)
        return "the rows", pl.DataFrame(rows, strict=False)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"the rows cannot be made a table ({error})") from error


def _unreadable(cells: "pl.Series", column: TableColumn) -> list[str]:
    """Which rows have a cell that is neither empty nor what the column has, in words."""
    if column.kind == "category":
        return []
    if column.kind == "number":
        read = numbers(cells, decimal_comma=column.decimal_comma)
    else:
        read = days_of(cells, column.format)
    given = texts(cells)
    rows = np.flatnonzero(np.isnan(read) & given.is_not_null().to_numpy())
    named = [
        f"row {row + 1}: {column.name} = {given[int(row)]!r} is no {column.kind}" for row in rows[:_MOST_NAMED]
    ]
    more = len(rows) - len(named)
    return [f"{one}; it counts as empty" for one in named] + ([f"{more:,} more rows like that"] if more else [])
