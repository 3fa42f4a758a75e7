"""Classifying the rows of a file, of a table or arrays: some at a time, and on after one that is none."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import ExportError, about
from mlpsearch.models.paths import file_written_atomically
from mlpsearch.search.export.exported_data import ExportedTable
from mlpsearch.search.export.prediction import Classifier
from mlpsearch.search.export.table_rows import check_columns, check_count, stored_rows
from mlpsearch.studies.data.arrays.batches import SUFFIXES as ARRAY_SUFFIXES
from mlpsearch.studies.data.arrays.batches import array_batches
from mlpsearch.studies.data.arrays.files import read_array
from mlpsearch.studies.data.tables.batches import batches

if TYPE_CHECKING:
    import polars as pl

_IMAGES = 1_000  # at a time
_MOST_NAMED = 20  # rows without an answer
SUFFIXES = (".csv", ".json", ".jsonl")


@dataclass(frozen=True, slots=True, eq=False)
class RowPredictions:
    """What a net makes of rows that follow each other.

    classes: the names of all classes.  probabilities: (N, classes) float32; NaN where a row has no answer.
    first: the number of the first row, from 1.
    """

    classes: list[str]
    probabilities: NDArray[np.float32]
    first: int = 1

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which rows have an answer, (N,)."""
        return np.asarray(np.isfinite(self.probabilities).all(axis=1))

    @property
    def labels(self) -> list[str | None]:
        """The most probable class of each row; None where it has no answer."""
        best = self.probabilities.argmax(axis=1)
        return [self.classes[one] if is_there else None for one, is_there in zip(best, self.answered, strict=True)]

    def to_frame(self) -> "pl.DataFrame":
        """Return a row each: its number, its class, and the probability of each class; null without an answer."""
        import polars as pl

        numbers = np.arange(self.first, self.first + len(self.probabilities))
        columns: dict[str, Any] = {"row": numbers, "class": pl.Series(self.labels, dtype=pl.String)}
        columns |= {f"probability of {name}": self.probabilities[:, i] for i, name in enumerate(self.classes)}
        return pl.DataFrame(columns, nan_to_null=True)


@dataclass(slots=True, eq=False)
class Classified:
    """What the net makes of the rows of a table, some at a time; it can be gone through once.

    rows: how many there were so far.  unanswered: how many of them have no answer.
    """

    parts: Iterator[RowPredictions]
    rows: int = 0
    unanswered: int = 0

    def __iter__(self) -> Iterator[RowPredictions]:
        """Count while they pass."""
        for part in self.parts:
            self.rows += len(part.probabilities)
            self.unanswered += int((~part.answered).sum())
            yield part


def classify_file(classifier: Classifier, path: Path, tell: Callable[[str], None]) -> Classified:
    """Return what the net makes of the rows of a file. tell: is told of rows that get no answer, and why.

    Raises ExportError where the net is of images and the file holds no arrays. While rows are gone through it
    raises DataError for a file that cannot be read on, for columns that are missing or of another kind, and for
    images of another shape.
    """
    if classifier.export.data.table is not None:
        return Classified(_classified(classifier, classifier.export.data.table, path, tell))
    if not is_of_arrays(path):
        raise ExportError("the net classifies images, not the rows of a table")
    return Classified(_classified_images(classifier, path))


def is_of_arrays(path: Path) -> bool:
    """Whether the name is that of a file of arrays."""
    return path.suffix.lower() in ARRAY_SUFFIXES


def write_predictions(classified: Classified, path: Path) -> None:
    """Write them to a .csv, .json or .jsonl file: whole or not at all.

    Raises ExportError for others, and where that cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ExportError(f"{path}: must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}", path=path)
    try:
        with file_written_atomically(path) as file:
            for text in prediction_texts(classified, suffix):
                file.write(text.encode())
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})", path=path) from error


def prediction_texts(classified: Classified, suffix: str, *, ascii_only: bool = False) -> Iterator[str]:
    """Yield the text of a .csv, .json or .jsonl file, some rows at a time. ascii_only: escape all else in JSON."""
    is_first = True
    for part in classified:
        frame = part.to_frame()
        if suffix == ".csv":
            yield frame.write_csv(include_header=is_first)
        else:
            rows = [json.dumps(row, ensure_ascii=ascii_only) for row in frame.iter_rows(named=True)]
            if suffix == ".jsonl":
                yield "".join(f"{row}\n" for row in rows)
            else:
                yield ("[\n" if is_first else ",\n") + ",\n".join(rows)
        is_first = False
    if suffix == ".json":
        yield "[]\n" if is_first else "\n]\n"


def _classified(
    classifier: Classifier, table: ExportedTable, path: Path, tell: Callable[[str], None]
) -> Iterator[RowPredictions]:
    first, unanswered = 1, 0
    with closing(array_batches(path) if is_of_arrays(path) else batches(path)) as parts:
        for batch in parts:
            if first == 1:
                if is_of_arrays(path):
                    check_count(table, batch.frame.width, str(path))
                for remark in check_columns(table, batch.frame, str(path)):
                    tell(f"{path}: {remark}")
            found = stored_rows(table, batch.frame, str(path))
            shares = classifier.probabilities(found.stored)
            problems = {**found.problems, **batch.problems}
            for row in np.flatnonzero(~np.isfinite(shares).all(axis=1)).tolist():
                problems.setdefault(row, "the net gives no finite numbers for it")
            for row in sorted(problems):
                shares[row] = np.nan
                if unanswered < _MOST_NAMED:
                    tell(f"{path}: row {first + row:,}: {problems[row]}; it has no answer")
                unanswered += 1
            yield RowPredictions(classifier.classes, shares, first)
            first += batch.frame.height
    if unanswered > _MOST_NAMED:
        tell(f"{path}: {unanswered - _MOST_NAMED:,} more rows have no answer")


def _classified_images(classifier: Classifier, path: Path) -> Iterator[RowPredictions]:
    images = read_array(path)
    for start in range(0, len(images), _IMAGES):
        with about(path=path):
            shares = classifier.predict_proba(np.asarray(images[start : start + _IMAGES]))
        yield RowPredictions(classifier.classes, shares, start + 1)
