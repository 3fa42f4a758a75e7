"""What people give an estimator as X and y, as the rows of a table: arrays, and data frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import RowsError
from mlpsearch.studies.data.labels import MOST_NUMBERS
from mlpsearch.studies.data.table_columns import category_texts, is_pattern, numbers
from mlpsearch.studies.spec.table_options import ColumnOptions, TableOptions

if TYPE_CHECKING:
    import pandas
    import polars as pl


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows with their classes, as a table.

    columns: the names of the features there.  options: how the table is read.
    classes: the name of each class there, by number.
    """

    table: "pl.DataFrame"
    columns: list[str]
    options: TableOptions
    classes: list[str]


def rows_of(given: Any, features: Sequence[str] | None, classes: NDArray[Any], labels: NDArray[np.int64]) -> Rows:
    """Return the rows of an array, (N, features), or of a data frame, of which none is held out for a test.

    features: their names, if they have any.  classes: the values of the label, of which labels, (N,), are numbers.
    Raises RowsError as table_of does.
    """
    columns = _column_names(features, given.shape[1])
    table, label, names = table_of(given, columns), "class", _class_names(classes)
    while label in columns:
        label += "_"
    # Whoever gives a column as a feature means it as one, also where it rises as row numbers do.
    kinds = ColumnOptions(numeric=tuple(_rising(table)), categorical=tuple(_categorical(given, columns)))
    table = table.with_columns(**{label: np.array(names)[labels]})
    return Rows(table, columns, TableOptions(label, test=0.0, columns=kinds), names)


def is_frame(given: Any) -> bool:
    """Whether it is a data frame of pandas or Polars."""
    is_theirs = type(given).__module__.partition(".")[0] in ("pandas", "polars")
    return is_theirs and hasattr(given, "shape") and hasattr(given, "columns")


def table_of(given: Any, names: Sequence[str]) -> "pl.DataFrame":
    """Return a table of an array, (N, columns), or of a data frame; its columns get these names.

    Numbers stay numbers, and texts, categories, truth values and dates what they are.
    Raises RowsError for infinite numbers, and for cells that are lists or the like.
    """
    import polars as pl

    if not is_frame(given):
        return pl.DataFrame({name: given[:, place].astype(np.float64) for place, name in enumerate(names)})
    if isinstance(given, pl.DataFrame):
        columns = [_of_polars(cells.rename(name)) for name, cells in zip(names, given, strict=True)]
    else:
        columns = [_of_pandas(given.iloc[:, place], name) for place, name in enumerate(names)]
    for cells in columns:
        if cells.dtype.is_float() and cells.is_infinite().any():
            raise RowsError(f"Input X contains infinity, in column {cells.name!r}")
    return pl.DataFrame(columns)


def _column_names(features: Sequence[str] | None, count: int) -> list[str]:
    """The features' own names where they can stand in a table, else x0, x1, …"""
    given = [] if features is None else list(features)
    sound = len({*given}) == count and all(name and name == name.strip() for name in given)
    sound = sound and not any(is_pattern(name) for name in given)
    return given if sound and all(name.isprintable() for name in given) else [f"x{i}" for i in range(count)]


def _class_names(classes: NDArray[Any]) -> list[str]:
    """A text for each class: as it is written where that tells them apart, else its number."""
    import polars as pl

    names = category_texts(pl.Series("classes", [str(one) for one in classes.tolist()])).to_list()
    sound = len({*names}) == len(names) <= MOST_NUMBERS and None not in names
    if sound and all(name.isprintable() for name in names):
        return names
    return [f"class {number}" for number in range(len(classes))]


def _categorical(given: Any, names: Sequence[str]) -> list[str]:
    """The columns of a data frame whose type says that each value is a category."""
    import polars as pl

    if not is_frame(given):
        return []
    if isinstance(given, pl.DataFrame):
        are = [kind in (pl.Categorical, pl.Enum) for kind in given.dtypes]
    else:
        are = [kind.name == "category" for kind in given.dtypes]
    return [name for name, is_one in zip(names, are, strict=True) if is_one]


def _rising(table: "pl.DataFrame") -> list[str]:
    """The columns of numbers that rise from row to row."""
    found = [cells for cells in table if cells.dtype.is_numeric()]
    return [cells.name for cells in found if bool((np.diff(numbers(cells)) > 0).all())]


def _of_polars(cells: "pl.Series") -> "pl.Series":
    import polars as pl

    if cells.dtype == pl.Duration:
        return cells.dt.total_microseconds().cast(pl.Float64) / 1e6  # in seconds, as those of pandas
    if cells.dtype == pl.Time:
        return cells.to_physical().cast(pl.Float64) / 1e9
    if cells.dtype.is_nested() or cells.dtype in (pl.Object, pl.Binary):
        raise RowsError(f"X: column {cells.name!r} holds {cells.dtype}: its cells must be strings or numbers")
    return cells


def _of_pandas(cells: "pandas.Series", name: str) -> "pl.Series":
    import polars as pl
    from pandas.api import types

    kind, missing = cells.dtype, cells.isna().to_numpy()
    if types.is_datetime64_any_dtype(kind):
        moments = cells.dt.tz_convert(None) if getattr(kind, "tz", None) is not None else cells
        return pl.Series(name, moments.to_numpy("datetime64[us]"))
    if types.is_timedelta64_dtype(kind):
        return pl.Series(name, cells.dt.total_seconds().to_numpy(np.float64))
    if types.is_numeric_dtype(kind) and not types.is_bool_dtype(kind):
        return pl.Series(name, cells.to_numpy(np.float64, na_value=np.nan))
    filled = zip(cells.astype(object), missing, strict=True)
    return pl.Series(name, [None if is_missing else _text(cell, name) for cell, is_missing in filled], pl.String)


def _text(cell: Any, name: str) -> str:
    """A cell as text, the same as where all cells of its column are of its type."""
    if isinstance(cell, list | tuple | dict | set | np.ndarray):
        kind = type(cell).__name__
        raise RowsError(f"X: column {name!r} holds a {kind}: its cells must be strings or numbers")
    if isinstance(cell, bool | np.bool_):
        return str(cell).lower()
    whole = isinstance(cell, float) and cell.is_integer()
    return str(int(cell)) if whole else str(cell)
