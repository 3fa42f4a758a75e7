"""From the labels of rows to classes: their names in order, and their numbers."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.table_columns import numbers

if TYPE_CHECKING:
    import polars as pl

MOST_CLASSES = 1_000
MOST_NUMBERS = 50  # different numbers in a label: more are no classes


def class_names(
    labels: "pl.Series", label: str, where: str, *, most_numbers: int = MOST_NUMBERS
) -> tuple[str, ...]:
    """Return the classes that the labels of training rows name, those that are numbers in their order.

    labels: texts.  label, where: what the labels are called, and where they are from, for messages.
    most_numbers: so many different numbers may be classes.
    Raises DataError for a single class, too many, names that cannot be printed, and a quantity.
    """
    names = labels.unique().to_list()
    if len(names) < 2:
        raise DataError(f"{where}: {label!r} is {names[0]!r} in all rows: at least 2 classes are needed")
    for name in names:  # they are shown in terminals and in reports
        if not name.isprintable():
            raise DataError(f"{where}: {label!r} has the class {name!r}: the name must be printable")
    if np.isfinite(numbers(labels.unique())).all():
        if len(names) > most_numbers:
            raise DataError(
                f"{where}: {label!r} has {len(names):,} different numbers: that is a quantity, not a "
                "class, and mlpsearch learns classes alone"
            )
        return tuple(name for _, name in sorted(zip(map(float, names), names, strict=True)))
    if len(names) > MOST_CLASSES:
        raise DataError(f"{where}: {label!r} has {len(names):,} classes: at most {MOST_CLASSES:,} can be learnt")
    return tuple(sorted(names))


def class_numbers(labels: "pl.Series", classes: tuple[str, ...], where: str) -> NDArray[np.int64]:
    """Return the number of each row's class, (N,). Raises DataError for a class that is none of these."""
    import polars as pl

    found = labels.replace_strict(list(classes), range(len(classes)), default=-1, return_dtype=pl.Int64)
    unknown = labels.filter(found == -1)
    if len(unknown):
        raise DataError(f"{where}: has a class {unknown[0]!r} that no training row has: leave such rows out")
    return found.to_numpy().astype(np.int64)
