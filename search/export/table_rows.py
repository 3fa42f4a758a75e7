"""The rows of a table as the net of an export takes them, and what is wrong with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.search.export.exported_data import ExportedTable
from mlpsearch.studies.data.arrays.files import array_frame
from mlpsearch.studies.data.table_columns import TableColumn, is_unreadable, texts

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 40  # characters of a cell


@dataclass(frozen=True, slots=True, eq=False)
class StoredRows:
    """Rows as they are stored, (N, stored columns) float64.

    problems: of rows with a cell that cannot be read, counted from 0: which cell, in words.
    """

    stored: NDArray[np.float64]
    problems: dict[int, str]


def stored_rows(table: ExportedTable, frame: "pl.DataFrame", where: str) -> StoredRows:
    """Return the rows of a table that has the columns. Their order, and further columns, play no part."""
    problems = dict[int, str]()
    for column in _strict(table):
        cells = frame[column.name]
        for row in np.flatnonzero(column.unreadable(cells)):
            problems.setdefault(int(row), f"{column.name} = {_shown(cells, int(row))} is no {column.kind}")
    return StoredRows(table.described.encoded(frame, where), problems)


def sound_rows(table: ExportedTable, rows: Any) -> NDArray[np.float64]:
    """Return the rows that frame_of takes as they are stored, (N, stored columns).

    Raises DataError for columns that check_columns refuses, and for the first cell that cannot be read.
    """
    where, frame = frame_of(rows)
    if isinstance(rows, np.ndarray):
        check_count(table, frame.width, where)
    check_columns(table, frame, where)
    found = stored_rows(table, frame, where)
    for row in sorted(found.problems):
        raise DataError(f"{where}: row {row + 1:,}: {found.problems[row]}")
    return found.stored


def check_columns(table: ExportedTable, frame: "pl.DataFrame", where: str) -> list[str]:
    """Return remarks on columns, a line each; raise DataError for those that are missing or of another kind.

    frame: some rows. A column is of another kind where several of its cells are not empty and none of them is what
    it should be; one whose categories are all unknown gets a remark.
    """
    missing = [one.name for one in table.described.columns if one.name not in frame.columns]
    if missing:
        raise DataError(f"{where}: has no {_columns(missing)}")
    for column in table.described.columns:
        kind = frame[column.name].dtype
        if is_unreadable(kind):
            raise DataError(f"{where}: column {column.name!r} holds {kind}, not a {column.kind}")
    others = list[str]()
    for column in _strict(table):
        cells = frame[column.name]
        unreadable = column.unreadable(cells)
        given = int(texts(cells).is_not_null().sum())
        if given > 1 and unreadable.sum() == given:
            others.append(
                f"column {column.name!r} must hold {column.kind}s, not {_shown(cells, int(unreadable.argmax()))}"
            )
    if others:
        raise DataError(f"{where}: {'; '.join(others)}, as in training")
    return [*filter(None, (_remark(column, frame[column.name]) for column in table.described.columns))]


def check_count(table: ExportedTable, columns: int, where: str) -> None:
    """Raise DataError where an array has another number of columns than that of the training rows."""
    trained = len(table.described.columns) + len(table.described.left_out)
    if columns != trained:
        raise DataError(f"{where}: has {columns:,} columns; the net was trained on arrays of {trained:,}")


def frame_of(rows: Any) -> "tuple[str, pl.DataFrame]":
    """Return what rows are called in messages, and rows as a Polars data frame.

    rows: a data frame of Polars or pandas, columns by name, or for a net of arrays numbers, (N, columns).
    Raises DataError for others.
    """
    import polars as pl

    if isinstance(rows, np.ndarray) and rows.ndim == 2 and rows.dtype.kind in "biuf":
        return "the array", array_frame(rows)

    if isinstance(rows, pl.DataFrame):
        return "the data frame", rows
    try:
        if hasattr(rows, "to_dict") and hasattr(rows, "columns"):  # pandas', without pyarrow
            columns = {str(name): list(rows[name]) for name in rows.columns}
            return "the data frame", pl.DataFrame(columns, strict=False)
        if isinstance(rows, Mapping):
            return "the rows", pl.DataFrame(rows, strict=False)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"the rows cannot be made a table ({error})") from error
    raise DataError("rows: must be a data frame, columns by name, or an array of numbers, (N, columns)")


def _strict(table: ExportedTable) -> list[TableColumn]:
    """Columns whose cells must be what the column has: where the study file says `numeric`, others are empty."""
    return [
        one for one in table.described.columns if one.kind != "category" and one.name not in table.options.numeric
    ]


def _remark(column: TableColumn, cells: "pl.Series") -> str:
    if column.kind != "category":
        return ""
    given = texts(cells).is_not_null()
    if given.sum() < 2 or (column.encoded(cells.filter(given)) >= 0).any():
        return ""
    return (
        f"column {column.name!r}: no training row had any of its values, such as {_shown(cells, given.arg_max())}"
    )


def _columns(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
    return f"column{'s' if len(names) > 1 else ''} {shown}"


def _shown(cells: "pl.Series", row: int | None) -> str:
    text = str(cells[row or 0])
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
