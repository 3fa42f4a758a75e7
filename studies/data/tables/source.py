"""A table as a source of data: its rows read, split, and stored as numbers.

The test rows are chosen by a seed that never changes, so they are the same in every study of the same file. What
the columns are is told from the training rows alone.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import DecodedImages, SplitName, digest_of_files
from mlpsearch.studies.data.stratified import TEST_SEED, split_rows
from mlpsearch.studies.data.table_columns import TableSchema, numbers, texts
from mlpsearch.studies.data.tables.files import read_table
from mlpsearch.studies.data.tables.inference import infer, remarks
from mlpsearch.studies.spec.table_options import TableOptions

if TYPE_CHECKING:
    import polars as pl

_READING = 1  # counts the ways in which tables were read: caches of an earlier one are not used
_MOST_CLASSES = 1_000
_MOST_NUMBERS = 50  # different numbers in a label: more are no classes


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows that have a label. labels: of each, a text."""

    frame: "pl.DataFrame"
    labels: "pl.Series"
    without_label: int


class TableSource:
    """A table in a file, as a source (studies.data.decoded.DataSource)."""

    def __init__(self, path: Path, options: TableOptions) -> None:
        self._path = path
        self._options = options

    def fingerprint(self, split: SplitName) -> str:  # noqa: ARG002 - one file may hold both
        """That of the files, with what the study file says of them."""
        files = [self._path] if self._options.test_file is None else [self._path, Path(self._options.test_file)]
        options = self._options
        told = [options.label, options.test_file is None and options.test, options.group, options.order]
        return f"table {_READING} {digest_of_files(*files)} {json.dumps(told)} {options.columns.model_dump_json()}"

    def check(self) -> list[str]:
        """Return what people should know of the table, a line each. Raises DataError for what is of no use."""
        rows = self._rows(self._path)
        training = self._split(rows)[0]
        schema = self._schema(rows, training)
        found = [*remarks(schema)]
        if rows.without_label:
            found.append(f"{rows.without_label:,} rows without {self._options.label!r} are left out")
        classes = self._classes(rows, training)
        few = [name for name in classes if (rows.labels == name).sum() < 2]
        if few:
            found.append(f"class {few[0]!r} has one row, which stays in training")
        if self._options.test_file is not None:
            others = self._rows(Path(self._options.test_file))
            self._numbers(others.labels, classes, self._options.test_file)
            schema.check_names(others.frame, self._options.test_file)
        return found

    def decode(self, split: SplitName) -> DecodedImages:
        """All rows of one split."""
        rows = self._rows(self._path)
        training, test = self._split(rows)
        schema, classes = self._schema(rows, training), self._classes(rows, training)
        if split == "train":
            taken = rows.frame[training], rows.labels[training]
        elif self._options.test_file is None:
            if not len(test):
                raise DataError(f"{self._path}: test = 0 holds no row out, so there is none to test on")
            taken = rows.frame[test], rows.labels[test]
        else:
            others = self._rows(Path(self._options.test_file))
            taken = others.frame, others.labels
        frame, labels = taken
        where = str(self._path if split == "train" else self._options.test_file or self._path)
        stored = schema.encoded(frame, where)
        return DecodedImages(
            images=stored,
            labels=self._numbers(labels, classes, where),
            classes=classes,
            shape=(1, stored.shape[1], 1),
            table=schema,
            groups=self._groups(frame) if split == "train" else None,
            is_ordered=self._options.order is not None,
        )

    def _rows(self, path: Path) -> _Rows:
        frame, label = read_table(path), self._options.label
        named = {label, self._options.group, self._options.order, *self._options.columns.named()} - {None}
        for name in sorted(str(one) for one in named):
            if name not in frame.columns:
                some = ", ".join(map(repr, frame.columns[:8])) + (", …" if len(frame.columns) > 8 else "")
                raise DataError(f"{path}: has no column {name!r} (it has {some})")
        labels = texts(frame[label])
        has_label = labels.is_not_null()
        without = frame.height - int(has_label.sum())
        if without == frame.height:
            raise DataError(f"{path}: no row has a {label!r}")
        return _Rows(frame.filter(has_label), labels.filter(has_label), without)

    def _split(self, rows: _Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of the training and of the test rows; the training rows in their order, if they have one."""
        count, share = rows.frame.height, self._options.test
        self._classes(rows, np.arange(count))  # what is no label of classes is said first
        everything, none = np.arange(count), np.zeros(0, np.int64)
        ranked = self._ranked(rows.frame)
        if isinstance(share, str) or share == 0:
            return everything if ranked is None else ranked, none
        held_out = max(1, round(share * count))
        if ranked is not None:
            return ranked[:-held_out], np.sort(ranked[-held_out:])
        groups = self._groups(rows.frame)
        if groups is not None:
            return split_groups(groups, held_out, TEST_SEED, f"{self._path}: {self._options.group!r}")
        _, labels = np.unique(rows.labels.to_numpy(), return_inverse=True)
        return split_rows(labels.astype(np.int64), held_out, TEST_SEED, f"{self._path}: test rows")

    def _ranked(self, frame: "pl.DataFrame") -> NDArray[np.int64] | None:
        """The rows by the column that orders them, from the smallest; rows without it come first."""
        if self._options.order is None:
            return None
        cells = frame[self._options.order]
        values = numbers(cells)
        if np.isnan(values).all() or cells.dtype.is_temporal():
            return np.asarray((texts(cells).fill_null("")).arg_sort(), np.int64)
        return np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")

    def _groups(self, frame: "pl.DataFrame") -> NDArray[np.int64] | None:
        if self._options.group is None:
            return None
        _, groups = np.unique(texts(frame[self._options.group]).fill_null("").to_numpy(), return_inverse=True)
        return groups.astype(np.int64)

    def _schema(self, rows: _Rows, training: NDArray[np.int64]) -> TableSchema:
        return infer(rows.frame[training], self._options, str(self._path))

    def _classes(self, rows: _Rows, training: NDArray[np.int64]) -> tuple[str, ...]:
        """The classes, those that are numbers in their order."""
        label, names = self._options.label, rows.labels[training].unique().to_list()
        if len(names) < 2:
            raise DataError(f"{self._path}: {label!r} is {names[0]!r} in all rows: at least 2 classes are needed")
        for name in names:  # they are shown in terminals and in reports
            if not name.isprintable():
                raise DataError(f"{self._path}: {label!r} has the class {name!r}: the name must be printable")
        values = numbers(rows.labels[training].unique())
        if np.isfinite(values).all():
            if len(names) > _MOST_NUMBERS:
                raise DataError(
                    f"{self._path}: {label!r} has {len(names):,} different numbers: that is a quantity, not a "
                    "class, and mlpsearch learns classes alone"
                )
            return tuple(name for _, name in sorted(zip(map(float, names), names, strict=True)))
        if len(names) > _MOST_CLASSES:
            raise DataError(f"{self._path}: {label!r} has {len(names):,} classes: at most {_MOST_CLASSES:,}")
        return tuple(sorted(names))

    def _numbers(self, labels: "pl.Series", classes: tuple[str, ...], where: str) -> NDArray[np.int64]:
        known = {name: number for number, name in enumerate(classes)}
        found = [known.get(label, -1) for label in labels.to_list()]
        if -1 in found:
            name = labels[found.index(-1)]
            raise DataError(f"{where}: has a class {name!r} that no training row has")
        return np.array(found, np.int64)


def split_groups(
    groups: NDArray[np.int64], held_out: int, seed: int, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two disjoint sets of rows that together are all rows; rows of one group are in one set.

    groups: (N,), numbers from 0, each of which occurs.  held_out: about how many rows to hold out: whole groups in
    the order that the seed draws, as long as that brings their number nearer.
    Returns two ascending int64 arrays, those kept and those held out. Raises DataError for a single group.
    """
    counts = np.bincount(groups)
    if len(counts) < 2:
        raise DataError(f"{where}: all rows are of one group: at least 2 are needed to split them")
    taken, total = list[int](), 0
    for group in np.random.default_rng(seed).permutation(len(counts)):
        if len(taken) < len(counts) - 1 and abs(total + counts[group] - held_out) < abs(total - held_out):
            taken.append(int(group))
            total += int(counts[group])
    if not taken:
        taken = [int(counts.argmin())]
    is_held_out = np.isin(groups, taken)
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
