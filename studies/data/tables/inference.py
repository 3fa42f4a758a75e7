"""What the columns of a table are, from its training rows alone, and what no net can use."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.table_columns import (
    MISSING,
    TableColumn,
    TableSchema,
    UnclearColumnError,
    are_numbers,
    category_texts,
    days_of,
    is_unreadable,
    numbers,
    refuse_pattern,
    texts,
)
from mlpsearch.studies.spec.table_options import ColumnOptions, TableOptions

if TYPE_CHECKING:
    import polars as pl

_FEW = 3  # training rows: categories of fewer share one number
_MOST_CATEGORIES = 1_000
_ROW_NUMBERS = 20  # rows: fewer may rise by chance
_TEXT_SHARE = 0.5  # of the rows: so many categories are text
_MOST_NAMED = 8  # columns that are left out
_DATES = (  # of these nobody can be wrong about day and month
    ("%Y-%m-%d", r"^\d{4}-\d{2}-\d{2}$"),
    ("%Y-%m-%d %H:%M:%S", r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$"),
    ("%Y-%m-%dT%H:%M:%S", r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}$"),
    ("%Y/%m/%d", r"^\d{4}/\d{2}/\d{2}$"),
)
_OTHER_DATES = (
    r"^\d{1,2}[./-]\d{1,2}[./-](\d{2}|\d{4})$",
    r"^\p{L}{3,9}\.? \d{1,2},? \d{4}$",
    r"^\d{1,2}\.? \p{L}{3,9}\.? \d{4}$",
)
_THOUSANDS = r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$"  # 1,234 may also be a number with a decimal comma
_FORMS = (*(pattern for _, pattern in _DATES), *_OTHER_DATES)
_MOSTLY = 0.9  # numbers among the cells of a column of numbers in which somebody wrote something else


def infer(rows: "pl.DataFrame", training: NDArray[np.int64], options: TableOptions, where: str) -> TableSchema:
    """Return the columns of the training rows.

    training: their numbers among the rows.  where: the table, for messages.

    Raises DataError where none is left that a net can use, and for dates whose format is not certain.
    """
    columns, left_out = list[TableColumn](), dict[str, str]()
    aside = dict.fromkeys(options.columns.ignore, "ignored")
    aside |= {options.label: "the label"} | ({options.group: "the group"} if options.group else {})
    for name in rows.columns:
        if name in aside:
            if name != options.label:
                left_out[name] = aside[name]
            continue
        refuse_pattern(name, where)
        found = _column(rows[name].gather(training), options.columns, where)
        if isinstance(found, str):
            left_out[name] = found
        else:
            columns.append(found)
    if not columns:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items()) or "it has no other column"
        raise DataError(f"{where}: nothing is left to learn from ({reasons})")
    return TableSchema(label=options.label, columns=columns, left_out=left_out)


def remarks(schema: TableSchema) -> Iterator[str]:
    """Yield what people should know of the columns, a line each."""
    count = len(schema.columns)
    yield f"{count:,} column{'' if count == 1 else 's'}: {schema.kinds()}"
    for name, why in [*schema.left_out.items()][:_MOST_NAMED]:
        yield f"column {name!r} is left out: {why}"
    if len(schema.left_out) > _MOST_NAMED:
        yield f"{len(schema.left_out) - _MOST_NAMED:,} more columns are left out"


_HELD = {  # by Polars' types
    "List": "lists",
    "Array": "lists",
    "Struct": "records",
    "Binary": "bytes",
    "Duration": "durations",
}


def _column(cells: "pl.Series", options: ColumnOptions, where: str) -> TableColumn | str:
    """The column; or why it is left out."""
    name = cells.name
    if is_unreadable(cells.dtype):
        return f"it holds {_HELD.get(cells.dtype.base_type().__name__, 'objects')}, which no net can use"
    if name in options.dates:
        return _date(cells, options.dates[name])
    if name in options.numeric:
        return _number(cells, numbers(cells), is_certain=True)
    if name in options.categorical:
        return _category(cells, category_texts(cells), is_certain=True)
    if cells.dtype.is_temporal():
        return _date(cells, "")
    if cells.dtype.is_numeric():
        return _number(cells, numbers(cells))
    return _of_text(cells, where)


def _of_text(cells: "pl.Series", where: str) -> TableColumn | str:
    text = texts(cells)
    given = text.drop_nulls()
    if given.is_empty():
        return "all its cells are empty"
    if are_numbers(cells):
        return _number(cells, numbers(cells))
    _refuse_thousands(given, where)
    if are_numbers(cells, decimal_comma=True):
        return _number(cells, numbers(cells, decimal_comma=True), decimal_comma=True)
    for format_, pattern in _DATES:
        if given.str.contains(pattern).all():
            return _date(cells, format_)
    if given.str.contains("|".join(_FORMS)).all():
        _refuse_dates(given, where)
    return _category(cells, category_texts(cells), is_certain=False)


def _refuse_thousands(given: "pl.Series", where: str) -> None:
    """Raise where all is numbers, and each comma among them may stand between thousands."""
    with_comma = given.str.contains(",", literal=True)
    first = given.filter(with_comma).first()
    if first is None or not given.filter(with_comma).str.contains(_THOUSANDS).all():
        return
    if are_numbers(given.filter(~with_comma)):
        raise UnclearColumnError(
            f"{where}: column {given.name!r} has numbers like {first!r}, whose comma may stand between thousands "
            "or before decimals: write them without commas, or leave the column out with columns.ignore",
            given.name,
        )


def _refuse_dates(given: "pl.Series", where: str) -> NoReturn:
    """Raise for dates of a form whose day and month are not certain, or of several forms."""
    name, first = given.name, given[0]
    own = next(form for form in _FORMS if given[:1].str.contains(form).all())
    others = given.filter(~given.str.contains(own))
    if len(others):
        raise UnclearColumnError(
            f"{where}: column {name!r} has dates of several forms, like {first!r} and {others[0]!r}: write them "
            "in one form, or leave the column out with columns.ignore",
            name,
        )
    key = name if name.isidentifier() else json.dumps(name)
    raise UnclearColumnError(
        f"{where}: column {name!r} has dates like {first!r}: say which is the day, with "
        f'columns.dates = {{ {key} = "%d/%m/%Y" }} or the like',
        name,
    )


def _number(
    cells: "pl.Series", values: NDArray[np.float64], *, decimal_comma: bool = False, is_certain: bool = False
) -> TableColumn | str:
    given = values[np.isfinite(values)]
    if len(given) == 0:
        return "no cell is a number"
    if given.min() == given.max() and len(given) == len(values):
        return f"all its cells are {given[0]:g}"
    if not is_certain and _are_row_numbers(values):
        return "its cells are row numbers"
    has_missing = len(given) < len(values)
    return TableColumn(name=cells.name, kind="number", has_missing=has_missing, decimal_comma=decimal_comma)


def _are_row_numbers(values: NDArray[np.float64]) -> bool:
    """Whether they are whole and rise from row to row, with hardly more gaps than the test rows leave."""
    if len(values) < _ROW_NUMBERS or not 0 < values[-1] - values[0] < 2 * len(values):
        return False
    return bool((np.diff(values) > 0).all() and not (values % 1).any())


def _date(cells: "pl.Series", format_: str) -> TableColumn | str:
    days = days_of(cells, format_)
    given = days[np.isfinite(days)]
    if len(given) == 0:
        return f"no cell is a date of the format {format_}"
    first, missing = int(np.floor(given.min())), bool(len(given) < len(days))
    return TableColumn(name=cells.name, kind="date", has_missing=missing, format=format_, first=first)


def _category(cells: "pl.Series", text: "pl.Series", *, is_certain: bool) -> TableColumn | str:
    counts = dict(text.fill_null(MISSING).value_counts().iter_rows())
    if len(counts) == 1:
        return f"all its cells are {next(iter(counts))!r}" if MISSING not in counts else "all its cells are empty"
    if not is_certain and len(counts) > max(20, _TEXT_SHARE * len(text)):
        others = text.filter(np.isnan(numbers(cells))).drop_nulls()
        if len(others) < (1 - _MOSTLY) * len(text):
            named = f"columns.numeric = [{json.dumps(cells.name)}]"
            return (
                f"{len(others):,} of its {len(text):,} cells are no numbers, like {others[0]!r}; with {named} it "
                "is one of numbers, and they are empty"
            )
        return f"it is text, with {len(counts):,} different values in {len(text):,} rows"
    if len(counts) > _MOST_CATEGORIES:
        return f"it has {len(counts):,} categories, more than {_MOST_CATEGORIES:,}"
    rare = sorted(name for name, count in counts.items() if count < _FEW and name != MISSING)
    together = rare if len(rare) > 1 else []
    categories = sorted(counts.keys() - set(together))
    return TableColumn(name=cells.name, kind="category", categories=categories, together=together)
