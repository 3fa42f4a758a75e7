"""A table as a source of data: its rows read, split, and stored as numbers.

The test rows are chosen by a seed that never changes, so they are the same in every study of the same file. What
the columns are is told from the training rows alone. The training rows are read together with the test rows; of
these, nothing but SealedCounts goes with them.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import DecodedImages, SealedCounts, SplitName, digest_of_files
from mlpsearch.studies.data.duplicates import count_known, row_hashes
from mlpsearch.studies.data.labels import MOST_NUMBERS, class_names, class_numbers
from mlpsearch.studies.data.stratified import TEST_SEED, split_groups, split_rows
from mlpsearch.studies.data.table_columns import (
    TableSchema,
    category_texts,
    days_of,
    numbers,
    refuse_pattern,
    texts,
)
from mlpsearch.studies.data.tables.files import is_number, read_table
from mlpsearch.studies.data.tables.inference import infer, remarks
from mlpsearch.studies.spec.table_options import TableOptions

if TYPE_CHECKING:
    import polars as pl

_READING = 4  # counts the ways in which tables were read: caches of an earlier one are not used
_YEAR_FIRST = r"^\d{4}[-/]\d{2}"


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows of a file that have a label. labels: of each, a text, the same from every type of file."""

    file: Path
    frame: "pl.DataFrame"
    labels: "pl.Series"
    without_label: int


class TableSource:
    """A table in a file, as a source (studies.data.decoded.DataSource).

    What has its rows elsewhere overrides _read and _digest.
    """

    def __init__(self, path: Path, options: TableOptions) -> None:
        self._path = path
        self._options = _with_own_test_file(path, options)

    def fingerprint(self, split: SplitName) -> str:  # noqa: ARG002 - one file may hold both
        """That of the files, with what the study file says of them."""
        files = [self._path] if self._options.test_file is None else [self._path, Path(self._options.test_file)]
        options = self._options
        told = [options.label, options.test_file is None and options.test, options.group, options.order]
        return f"table {_READING} {self._digest(*files)} {json.dumps(told)} {options.columns.model_dump_json()}"

    def check(self) -> list[str]:
        """Nothing: decoding the training rows looks at all there is, and its remarks are kept with them."""
        return []

    def decode(self, split: SplitName) -> DecodedImages:
        """All rows of one split; of "train" with remarks, and with what may be known of the test rows.

        Raises DataError for what is of no use, in the test rows too.
        """
        rows = self._rows(self._path)
        training, test = self._split(rows)
        schema, classes = (
            infer(rows.frame, training, self._options, str(self._path)),
            self._classes(rows, training),
        )
        if self._options.test_file is not None:
            others = self._rows(Path(self._options.test_file))
            test = np.arange(others.frame.height)
        else:
            others = rows
        if split != "train" and not len(test):
            raise DataError(f"{self._path}: test = 0 holds no row out, so there is none to test on")
        held_out = self._decoded(others, test, schema, classes)
        if split != "train":
            return held_out
        decoded = self._decoded(rows, training, schema, classes)
        groups = self._groups(rows.frame)
        return DecodedImages(
            images=decoded.images,
            labels=decoded.labels,
            classes=classes,
            shape=decoded.shape,
            table=schema,
            groups=None if groups is None else np.unique(groups[training], return_inverse=True)[1],
            is_ordered=self._options.order is not None,
            remarks=(*remarks(schema), *self._remarks(rows, training, decoded)),
            sealed=_sealed(decoded, held_out, self._in_training_groups(rows, training, others, test)),
        )

    def _decoded(
        self, rows: _Rows, taken: NDArray[np.int64], schema: TableSchema, classes: tuple[str, ...]
    ) -> DecodedImages:
        stored = schema.encoded(rows.frame, str(rows.file), taken)
        labels = class_numbers(rows.labels[taken], classes, str(rows.file))
        return DecodedImages(stored, labels, classes, (1, stored.shape[1], 1), table=schema)

    def _remarks(self, rows: _Rows, taken: NDArray[np.int64], training: DecodedImages) -> Iterator[str]:
        if rows.without_label:
            verbs = ("row has", "is") if rows.without_label == 1 else ("rows have", "are")
            yield f"{rows.without_label:,} {verbs[0]} no {self._options.label!r}, and {verbs[1]} left out"
        yield from self._unread(rows.frame, taken)
        counts = np.bincount(training.labels, minlength=len(training.classes))
        for place in np.flatnonzero(counts == 1)[:1]:
            name = training.classes[place]
            if int((rows.labels == name).sum()) == 1:
                yield f"class {name!r} has one row, which stays in training"

    def _unread(self, frame: "pl.DataFrame", training: NDArray[np.int64]) -> Iterator[str]:
        """What is none in columns that a person has called numbers or dates."""
        said = self._options.columns
        asked = [(name, "number", numbers) for name in said.numeric]
        asked += [(name, f"date like {one}", partial(days_of, format=one)) for name, one in said.dates.items()]
        for name, kind, values_of in asked:
            cells = frame[name].gather(training)
            others = texts(cells).filter(np.isnan(values_of(cells))).drop_nulls()
            if len(others):
                what = f"{others[0]!r} is no {kind} and counts as empty"
                yield f"column {name!r}: {what}, in {len(others):,} cells in all"

    def _read(self, path: Path) -> "pl.DataFrame":
        return read_table(path)

    def _digest(self, *files: Path) -> str:
        return digest_of_files(*files)

    def _rows(self, path: Path) -> _Rows:
        frame, label = self._read(path), self._options.label
        named = {label, self._options.group, self._options.order, *self._options.columns.named()} - {None}
        for name in sorted(str(one) for one in named):
            if name not in frame.columns:
                raise DataError(f"{path}: has no column {name!r} ({_what_it_has(frame.columns)})")
        for used in (label, self._options.group, self._options.order):
            refuse_pattern(used or "", str(path))
        try:
            labels = category_texts(frame[label])
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        without = labels.null_count()
        if without == frame.height:
            raise DataError(f"{path}: no row has a {label!r}")
        if without:
            has_label = labels.is_not_null()
            frame, labels = frame.filter(has_label), labels.filter(has_label)
        return _Rows(path, frame, labels, without)

    def _split(self, rows: _Rows) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The numbers of the training and of the test rows; the training rows in their order, if they have one."""
        count, share = rows.frame.height, self._options.test
        everything, none = np.arange(count), np.zeros(0, np.int64)
        self._classes(rows, everything)  # what is no label of classes is said first
        ranked = self._ranked(rows.frame)
        if isinstance(share, str) or share == 0:
            return everything if ranked is None else ranked, none
        held_out = max(1, round(share * count))
        if ranked is not None:
            return ranked[:-held_out], np.sort(ranked[-held_out:])
        groups = self._groups(rows.frame)
        if groups is not None:
            return split_groups(groups, held_out, TEST_SEED, f"{self._path}: {self._options.group!r}")
        return split_rows(_places(rows.labels), held_out, TEST_SEED, f"{self._path}: test rows")

    def _ranked(self, frame: "pl.DataFrame") -> NDArray[np.int64] | None:
        """The rows by the column that orders them, from the smallest; rows without it come first."""
        name = self._options.order
        if name is None:
            return None
        cells, formats = frame[name], self._options.columns.dates
        if texts(cells).is_null().all():
            raise DataError(f"{self._path}: order = {name!r}: all its cells are empty, so no row is the newest")
        values = days_of(cells, formats[name]) if name in formats else numbers(cells)
        if name not in formats and (np.isnan(values).all() or cells.dtype.is_temporal()):
            text = texts(cells)
            unclear = text.filter(~text.str.contains(_YEAR_FIRST).fill_null(True))
            if len(unclear):
                raise DataError(
                    f"{self._path}: order = {name!r}: has {unclear[0]!r}, and it is not certain what is later: "
                    "write dates like 2024-01-31, or say their format under columns.dates"
                )
            return np.asarray(text.fill_null("").arg_sort(), np.int64)
        return np.argsort(np.where(np.isnan(values), -np.inf, values), kind="stable")

    def _groups(self, frame: "pl.DataFrame") -> NDArray[np.int64] | None:
        name = self._options.group
        return None if name is None else _places(category_texts(frame[name]).fill_null(""))

    def _in_training_groups(
        self, rows: _Rows, training: NDArray[np.int64], others: _Rows, test: NDArray[np.int64]
    ) -> int:
        """How many test rows are of a group that has training rows; only a test file of its own has any."""
        name = self._options.group
        if name is None:
            return 0
        known = category_texts(rows.frame[name].gather(training)).drop_nulls()
        return int(category_texts(others.frame[name].gather(test)).drop_nulls().is_in(known.implode()).sum())

    def _classes(self, rows: _Rows, training: NDArray[np.int64]) -> tuple[str, ...]:
        """The classes of these rows, those that are numbers in their order."""
        labels, label = rows.labels[training], self._options.label
        classes = class_names(labels, label, str(self._path))
        if len(classes) > MOST_NUMBERS and 2 * len(classes) > len(labels):
            raise DataError(
                f"{self._path}: {label!r} has {len(classes):,} different values in {len(labels):,} rows: a class "
                "needs several rows"
            )
        return classes


def _what_it_has(names: list[str]) -> str:
    some = ", ".join(map(repr, names[:8])) + (", …" if len(names) > 8 else "")
    has_header = not any(map(is_number, names))
    return f"it has {some}" if has_header else f"its first row, which names the columns, is {some}"


def _sealed(training: DecodedImages, held_out: DecodedImages, in_training_groups: int) -> SealedCounts:
    known = count_known(row_hashes(held_out.images), [row_hashes(training.images)])
    counts = np.bincount(held_out.labels, minlength=len(training.classes))
    missing = tuple(training.classes[place] for place in np.flatnonzero(counts == 0) if len(held_out.labels))
    return SealedCounts(
        rows=len(held_out.labels),
        also_in_training=known,
        missing_classes=missing,
        in_training_groups=in_training_groups,
    )


def _places(text: "pl.Series") -> NDArray[np.int64]:
    """Of each text, its place among the different ones in order, from 0."""
    return text.rank("dense").to_numpy().astype(np.int64) - 1


def _with_own_test_file(data: Path, options: TableOptions) -> TableOptions:
    """With the test file beside the table, where it is not at the path that another machine, or time, had."""
    if options.test_file is None:
        return options
    beside = data.parent / PurePath(options.test_file).name
    is_moved = not os.path.exists(options.test_file) and beside.is_file()  # noqa: PTH110 - False for any error
    return replace(options, test=str(beside)) if is_moved else options
