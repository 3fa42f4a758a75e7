"""Arrays as a source of data: images where a row has a height and a width, and tables of numbers else.

Without test arrays, the test rows are drawn by a seed that never changes, as those of tables are.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.arrays.files import array_frame
from mlpsearch.studies.data.arrays.layout import Arrays, Pair, find_arrays
from mlpsearch.studies.data.decoded import DataSource, DecodedImages, SplitName, digest_of_files
from mlpsearch.studies.data.labels import MOST_CLASSES, class_names, class_numbers
from mlpsearch.studies.data.stratified import held_out_rows
from mlpsearch.studies.data.table_columns import category_texts
from mlpsearch.studies.data.tables.source import TableSource
from mlpsearch.studies.spec.table_options import ARRAY_LABEL, TEST_SHARE, TableOptions

if TYPE_CHECKING:
    import polars as pl

_READING = 2  # counts the ways in which arrays were read: caches of an earlier one are not used


def array_source(path: Path, share: float = TEST_SHARE) -> DataSource:
    """Return the arrays of a file or folder as a source.

    share: of the rows, which is held out where there are no test arrays; where there are, another than the usual
        one is refused.
    Raises DataError, as find_arrays does.
    """
    arrays = find_arrays(path)
    if arrays.test is not None and share != TEST_SHARE:
        raise DataError(f"{path}: has x_test and y_test, and test = {share} asks for others: leave that out")
    return (ImageArrays if arrays.training.is_of_images else TableArrays)(path, arrays, share)


def label_texts(labels: NDArray[Any], where: str) -> "pl.Series":
    """Return labels, (N,) or (N, 1), as text; those that are empty or NaN are null.

    Raises DataError for text that is none.
    """
    import polars as pl

    labels = labels.reshape(-1)
    if labels.dtype.kind == "S":
        labels = _decoded(labels, where)
    if labels.dtype.kind == "U":
        return category_texts(pl.Series(ARRAY_LABEL, _valid(labels, where).tolist(), pl.String))
    if labels.dtype.kind == "f":
        return category_texts(pl.Series(ARRAY_LABEL, labels.astype(np.float64)))
    return category_texts(pl.Series(ARRAY_LABEL, labels.astype(labels.dtype.newbyteorder("="))))


def _decoded(labels: NDArray[Any], where: str) -> NDArray[Any]:
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: has a label that is not text in UTF-8") from error


def _valid(labels: NDArray[Any], where: str) -> NDArray[Any]:
    """The labels, of which each letter is one: NumPy raises anything where one is not."""
    letters = np.ascontiguousarray(labels.astype(labels.dtype.newbyteorder("="))).view(np.uint32)
    if bool(((letters > 0x10FFFF) | ((letters >= 0xD800) & (letters <= 0xDFFF))).any()):
        raise DataError(f"{where}: has a label with letters that do not exist")
    return labels


class TableArrays(TableSource):
    """Rows of numbers, as a table."""

    def __init__(self, path: Path, arrays: Arrays, share: float) -> None:
        self._arrays = arrays
        super().__init__(path, TableOptions(ARRAY_LABEL, share if arrays.test is None else f"{path} (x_test)"))

    def check(self) -> list[str]:
        """Return what people should know of the table, a line each. Raises DataError for what is of no use."""
        return [*_remarks(self._arrays), *super().check()]

    def _read(self, path: Path) -> "pl.DataFrame":
        pair = self._arrays.training if path == self._path else self._arrays.test
        assert pair is not None  # noqa: S101 - or there would be no path of it
        frame = array_frame(pair.x.read())
        return frame.with_columns(label_texts(pair.y.read(), pair.y.where).rename(ARRAY_LABEL))

    def _digest(self, *files: Path) -> str:  # noqa: ARG002 - one of them is no file
        return f"arrays {_READING} {digest_of_files(*self._arrays.files)}"


@dataclass(frozen=True, slots=True, eq=False)
class _Labelled:
    """The rows of a pair that have a label.  rows: their numbers.  labels: of each, a text."""

    pair: Pair
    rows: NDArray[np.int64]
    labels: "pl.Series"

    def taken(self, some: NDArray[np.int64]) -> "_Labelled":
        return _Labelled(self.pair, self.rows[some], self.labels[some])


class ImageArrays:
    """Images in arrays, as a source."""

    def __init__(self, path: Path, arrays: Arrays, share: float) -> None:
        self._path = path
        self._arrays = arrays
        self._share = share

    def fingerprint(self, split: SplitName) -> str:  # noqa: ARG002 - one file may hold both
        """That of the files, with the share of test images."""
        return f"images in arrays {_READING} {digest_of_files(*self._arrays.files)} {self._share}"

    def check(self) -> list[str]:
        """Return what people should know, a line each. Raises DataError for labels that do not fit."""
        training, test = self._splits()
        classes = self._classes(training)
        class_numbers(test.labels, classes, test.pair.y.where)
        labels = self._arrays.training.y
        without = labels.shape[0] - len(_labelled(self._arrays.training).rows)
        remarks = _remarks(self._arrays)
        return [*remarks, f"{without:,} images without a label are left out"] if without else remarks

    def decode(self, split: SplitName) -> DecodedImages:
        """All images of one split. Raises DataError for damaged arrays and labels that do not fit."""
        training, test = self._splits()
        classes = self._classes(training)
        wanted = training if split == "train" else test
        labels = class_numbers(wanted.labels, classes, wanted.pair.y.where)
        images = np.ascontiguousarray(wanted.pair.x.read()[wanted.rows])
        return DecodedImages(images.reshape(len(images), -1), labels, classes, wanted.pair.image_shape)

    def _splits(self) -> tuple[_Labelled, _Labelled]:
        everything = _labelled(self._arrays.training)
        if self._arrays.test is not None:
            return everything, _labelled(self._arrays.test)
        labels = class_numbers(everything.labels, self._classes(everything), str(self._path))
        held_out = held_out_rows(labels.tolist(), self._share, f"{self._path}: test images")
        is_test = np.isin(np.arange(len(labels)), [*held_out])
        return everything.taken(np.flatnonzero(~is_test)), everything.taken(np.flatnonzero(is_test))

    def _classes(self, rows: _Labelled) -> tuple[str, ...]:
        return class_names(rows.labels, ARRAY_LABEL, str(self._path), most_numbers=MOST_CLASSES)


def _labelled(pair: Pair) -> _Labelled:
    labels = label_texts(pair.y.read(), pair.y.where)
    rows = np.flatnonzero(labels.is_not_null().to_numpy())
    if not len(rows):
        raise DataError(f"{pair.y.where}: has no label")
    return _Labelled(pair, rows, labels[rows])


def _remarks(arrays: Arrays) -> list[str]:
    found = []
    if arrays.test is not None:
        found.append(f"x_test and y_test are the test split, {arrays.test.x.shape[0]:,} rows")
    if arrays.left_out:
        found.append(f"passed over: {', '.join(map(repr, arrays.left_out[:8]))}")
    return found
