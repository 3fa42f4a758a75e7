"""What a column is, and its cells as numbers: the rules are made of training rows, and hold for all others.

A cell is empty where it holds nothing, or NA, N/A, NaN, NULL or ?; of a number also where it is infinite, or so
large that its square is.
"""

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mlpsearch.models.errors import DataError
from mlpsearch.models.inputs.data import Column

if TYPE_CHECKING:
    import polars as pl

EMPTY = ("", "na", "n/a", "nan", "null", "?")
MISSING = ""  # the category of an empty cell
TOO_LARGE = 1e150  # who writes more, like the largest float, means that there is none
BOOLEANS = ("false", "true")
_MOST_WHOLE = 2.0**53  # above, not every whole number is a float, and texts of floats have exponents
_WHOLE = r"^(-?(?:0|[1-9][0-9]*))\.0+$"
_ISO = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f")
WEEKDAYS, MONTHS = 7, 12


def is_pattern(name: str) -> bool:
    """Whether Polars takes the name of a column for a pattern, also where a column is asked what it holds."""
    return len(name) > 1 and name[0] == "^" and name[-1] == "$"


def refuse_pattern(name: str, where: str) -> None:
    """Raise DataError for the name of a column that can play no part for being a pattern."""
    if is_pattern(name):
        raise DataError(
            f"{where}: column {name!r}: a name that begins with ^ and ends with $ is a pattern to what reads "
            "tables: rename it, or name it under columns.ignore"
        )


class UnclearColumnError(DataError):
    """A column could be read in several ways. column: its name."""

    def __init__(self, message: str, column: str):
        super().__init__(message)
        self.column = column


class TableColumn(BaseModel):
    """One column of a table.

    kind: "number": one stored column; "category": one, of the numbers of categories; "date": three: days since
        `first`, weekday from 0 for Monday, and month from 0.
    categories: of a category, by number; MISSING is that of empty cells, where the training rows have some.
    together: categories of a few training rows each, which share the number after all others.
    has_missing: whether training rows have empty cells there.
    decimal_comma: whether numbers are written 1,5.
    format: of dates, as in Python's strptime.  first: the earliest, in days since 1970.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str
    kind: Literal["number", "category", "date"]
    categories: list[str] = []
    together: list[str] = []
    has_missing: bool = False
    decimal_comma: bool = False
    format: str = ""
    first: int = 0

    def stored(self) -> list[Column]:
        """Return the columns that are stored of it."""
        if self.kind == "category":
            return [Column(len(self.categories) + bool(self.together), has_missing=False)]
        number = Column(0, self.has_missing)
        return [number] if self.kind == "number" else [number, Column(WEEKDAYS, False), Column(MONTHS, False)]

    def encoded(self, cells: "pl.Series") -> NDArray[np.float64]:
        """Return the stored columns of its cells, (N, stored columns).

        NaN is a missing number, -1 a category that no training row has, also a missing one.
        """
        if self.kind == "category":
            return _codes(category_texts(cells), self)[:, None]
        if self.kind == "number":
            return numbers(cells, decimal_comma=self.decimal_comma)[:, None]
        days = days_of(cells, self.format)
        whole = np.floor(np.nan_to_num(days)).astype(np.int64)
        months = (whole.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % MONTHS).astype(
            np.float64
        )
        weekdays = ((whole + 3) % WEEKDAYS).astype(np.float64)  # day 0 was a Thursday
        months[np.isnan(days)] = weekdays[np.isnan(days)] = -1
        return np.column_stack([days - self.first, weekdays, months])

    def unreadable(self, cells: "pl.Series") -> NDArray[np.bool_]:
        """Return which cells are neither empty nor what the column has, (N,)."""
        if self.kind == "category" or (self.kind == "number" and cells.dtype.is_numeric()):
            return np.zeros(len(cells), np.bool_)
        if self.kind == "number":
            is_read = _floats(cells, self.decimal_comma).is_not_null().to_numpy()
        else:
            is_read = ~np.isnan(days_of(cells, self.format))
        return np.asarray(texts(cells).is_not_null().to_numpy() & ~is_read)


class TableSchema(BaseModel):
    """The columns of a table that a net gets, in order, and the classes of its label.

    label: the label's name.  left_out: columns that no net can use, with the reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    label: str
    columns: list[TableColumn]
    left_out: dict[str, str] = {}

    def kinds(self) -> str:
        """Return how many columns there are of each kind, in words."""
        nouns = {"number": "numbers", "category": "categories", "date": "dates"}
        found = [column.kind for column in self.columns]
        return ", ".join(f"{found.count(kind)} of {noun}" for kind, noun in nouns.items() if kind in found)

    def stored(self) -> tuple[Column, ...]:
        """Return the columns that are stored of a row."""
        return tuple(one for column in self.columns for one in column.stored())

    def encoded(
        self, frame: "pl.DataFrame", where: str, rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Return the rows of a table as they are stored, (N, stored columns).

        rows: the numbers of those that are wanted; None for all.
        Raises DataError for missing columns.
        """
        self.check_names(frame, where)
        count, place = frame.height if rows is None else len(rows), 0
        whole = np.empty((count, len(self.stored())))
        for column in self.columns:
            cells = frame[column.name] if rows is None else frame[column.name].gather(rows)
            stored = column.encoded(cells)
            whole[:, place : place + stored.shape[1]] = stored
            place += stored.shape[1]
        return whole

    def check_names(self, frame: "pl.DataFrame", where: str) -> None:
        """Raise DataError where a table lacks one of the columns."""
        missing = [column.name for column in self.columns if column.name not in frame.columns]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise DataError(f"{where}: has no column {missing[0]!r}{more}")


def is_unreadable(kind: "pl.DataType") -> bool:
    """Whether nothing is made of cells of this type: of lists, bytes, objects and lengths of time."""
    import polars as pl

    return kind.is_nested() or kind in (pl.Binary, pl.Object, pl.Duration)


def texts(cells: "pl.Series") -> "pl.Series":
    """Return cells as text without spaces around it; empty cells are null. Whole floats have no point."""
    import polars as pl

    if is_unreadable(cells.dtype):
        raise DataError(f"column {cells.name!r} holds {cells.dtype}: only numbers, text and dates can be read")
    text = _float_texts(cells) if cells.dtype.is_float() else cells.cast(pl.String).str.strip_chars()
    return text.set(text.str.to_lowercase().is_in(EMPTY).fill_null(False), None)


def category_texts(cells: "pl.Series") -> "pl.Series":
    """Return texts of cells in which 3.0 is 3, and True is true, as where they are numbers or Booleans."""
    text = texts(cells).str.replace(_WHOLE, "$1")
    lower = text.str.to_lowercase()
    return lower.zip_with(lower.is_in(BOOLEANS).fill_null(False), text)


def _float_texts(cells: "pl.Series") -> "pl.Series":
    """Cell by cell: what one is does not depend on the others."""
    import polars as pl

    is_whole = ((cells % 1 == 0) & (cells.abs() < _MOST_WHOLE)).fill_null(False)
    return cells.cast(pl.Int64, strict=False).cast(pl.String).zip_with(is_whole, cells.cast(pl.String))


def numbers(cells: "pl.Series", *, decimal_comma: bool = False) -> NDArray[np.float64]:
    """Return cells as numbers, float64, NaN where there is none, or one of 1e150 or more."""
    values = _floats(cells, decimal_comma)
    array = values.fill_null(float("nan")).to_numpy().astype(np.float64, copy=True)
    array[~(np.abs(array) < TOO_LARGE)] = np.nan
    return array


def are_numbers(cells: "pl.Series", *, decimal_comma: bool = False) -> bool:
    """Whether all cells that are not empty are numbers, infinite ones included."""
    return bool((_floats(cells, decimal_comma).is_not_null() | texts(cells).is_null()).all())


def _floats(cells: "pl.Series", decimal_comma: bool) -> "pl.Series":
    import polars as pl

    if cells.dtype.is_numeric():
        return cells.cast(pl.Float64)
    text = texts(cells).str.strip_prefix("+")
    if decimal_comma:
        text = text.str.replace(",", ".", literal=True)
    return text.cast(pl.Float64, strict=False)


def days_of(cells: "pl.Series", format: str) -> NDArray[np.float64]:  # noqa: A002 - strptime's own word
    """Return dates as days since 1970, with the share of the day, NaN where there is none.

    format: of text; empty where the training rows had a type of dates, which as text are ISO 8601.
    """
    import polars as pl

    if cells.dtype in (pl.Date, pl.Datetime):  # a time of the day or a duration is no date
        moments = cells.cast(pl.Datetime("us"))
    else:
        text, moments = texts(cells), pl.Series(cells.name, [None] * len(cells), pl.Datetime("us"))
        for one in (format,) if format else _ISO:
            moments = moments.zip_with(
                moments.is_not_null(),
                text.str.to_datetime(one, strict=False, time_unit="us").dt.replace_time_zone(None),  # of %z: UTC
            )
    microseconds = moments.dt.epoch("us").cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.asarray(microseconds, np.float64) / 86_400e6


def _codes(text: "pl.Series", column: TableColumn) -> NDArray[np.float64]:
    """The number of each cell's category; by its text, for the codes of Polars depend on what was read before."""
    import polars as pl

    known = {name: float(number) for number, name in enumerate(column.categories)}
    known |= dict.fromkeys(column.together, float(len(column.categories)))
    filled = text.fill_null(MISSING)
    codes = filled.replace_strict(list(known), list(known.values()), default=-1.0, return_dtype=pl.Float64)
    return codes.to_numpy().astype(np.float64, copy=True)
