"""The images that a search works on: those for training, of which some are split off for validation."""

import hashlib
import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.paths import expanded
from mlpsearch.studies.data.decoded import SealedCounts
from mlpsearch.studies.data.duplicates import count_known, row_hashes
from mlpsearch.studies.data.folds import grouped_folds, stratified_folds
from mlpsearch.studies.data.image_cache import CachedImages
from mlpsearch.studies.data.sources import DATASETS, check_images, dataset_of, open_beside, open_split
from mlpsearch.studies.data.stratified import split_groups, split_rows
from mlpsearch.studies.data.table_columns import TableSchema
from mlpsearch.studies.spec.image_options import DataOptions
from mlpsearch.studies.spec.keys import VALIDATION
from mlpsearch.studies.spec.table_options import BUNDLED_TABLES, OWN_DATA

__all__ = [
    "DATASETS",
    "ENVIRONMENT",
    "TrainingData",
    "check_images",
    "dataset_of",
    "load_training",
    "own_copy",
    "own_validation",
    "why_changed",
]

ENVIRONMENT = "MLPSEARCH_DATA"
_READ_OTHERWISE = (
    "is the validation split",
    "are turned",
    "have transparency",
)  # in remarks, by versions up to 0.1
TABLE_VALIDATION = 0.2  # of a table's training rows, where a study file does not say how many
FOLDS = 5  # that few images or rows are judged by, if nobody says how many
LOPSIDED = 0.7  # the share of the largest class above which an accuracy says little


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """What a search may see of a data set.

    training, validation: disjoint; together all images of train, whose memory-mapped images they share. Where the
        data set has a validation split of its own, each has all images of its folder.
    classes: the name of each class number.
    shape: (height, width, channels) of every image.
    fingerprint: SHA-256 of all images of train, before the split, in hexadecimal digits; the same for the
        same images, labels and class names, whatever form they came in. A validation split of the data set's own
        counts too.
    validation_folder: the folder of the data set's own validation split; None where it was split off train.
    table: the columns of a table; None for images.
    folds: (all rows of train,), int64, the fold that each is in, from 0; training and validation are then those of
        one fold. None where there is one validation split.
    remarks: of a table, what people should know of it, a line each.
    sealed: of a table, what may be known of the rows that nothing here sees.
    is_ordered: of a table, whether the newest rows are the validation; then there are no folds.
    """

    training: Split
    validation: Split
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    fingerprint: str
    validation_folder: str | None = None
    table: TableSchema | None = None
    folds: NDArray[np.int64] | None = None
    remarks: tuple[str, ...] = ()
    sealed: SealedCounts | None = None
    is_ordered: bool = False

    def class_counts(self) -> NDArray[np.int64]:
        """Return how many images or rows of each class are among those for training and validation."""
        labels = np.concatenate([split.labels[split.rows] for split in (self.training, self.validation)])
        return np.bincount(labels, minlength=len(self.classes))

    def fold(self, number: int) -> "TrainingData":
        """Return the data of a fold, from 0: its rows for validation, all others for training."""
        assert self.folds is not None  # noqa: S101 - only a study with folds has numbers of them
        is_held_out = self.folds == number
        return replace(
            self,
            training=replace(self.training, rows=np.flatnonzero(~is_held_out)),
            validation=replace(self.validation, rows=np.flatnonzero(is_held_out)),
        )


def own_copy(dataset: str, recorded: str | None) -> Path | None:
    """Return where this machine has the images of a data set; None where they are found or downloaded by its name.

    That is the environment's MLPSEARCH_DATA, else the recorded path if it is there. What comes with scikit-learn
    needs no path.
    """
    given = None if dataset in ("digits", *BUNDLED_TABLES) else os.environ.get(ENVIRONMENT)
    path = given or recorded
    if path is None:
        return None
    # What has no name is nowhere else: whoever looks there says that it is missing.
    is_there = dataset in OWN_DATA or os.path.exists(path)  # noqa: PTH110 - as in catalog
    return expanded(path) if given or is_there else None


def why_changed(dataset: str, data: Path | None, options: DataOptions | None) -> str:
    """Return why images may have another fingerprint than under an earlier version, as part of an error."""
    if dataset in ("table", "arrays", *BUNDLED_TABLES):  # which earlier versions did not read
        return ""
    try:
        remarks = check_images(dataset, data, options)
    except DataError:
        return ""
    told = [remark for remark in remarks if any(words in remark for words in _READ_OTHERWISE)]
    if not told:
        return ""
    return f"; {'; '.join(told)} (versions up to 0.1 read such images otherwise: then make a new study)"


def remarks_on(data: TrainingData) -> list[str]:
    """Return remarks for people on a table, folds, or a validation split of the data set's own, a line each."""
    if data.folds is not None:
        count, size = int(data.folds.max()) + 1, len(data.validation)
        said = f"{count} folds of about {size:,}: each is the validation split once, all others train"
        return [*data.remarks, said]
    if data.validation_folder is None:
        return [*data.remarks]
    known, total = validation_in_training(data), len(data.validation)
    if not known:
        return []
    where = f"images in {data.validation_folder}/ are also in train/"
    return [f"{known:,} of {total:,} {where}: they favour what is learnt by heart"]


def validation_in_training(data: TrainingData) -> int:
    """Return how many validation images or rows are training images or rows as well, but for the label."""
    validation, training = (row_hashes(split.images, split.rows) for split in (data.validation, data.training))
    return count_known(validation, [training])


def load_training(
    dataset: str,
    data: Path | None,
    *,
    validation: float | None,
    split_seed: int,
    options: DataOptions | None = None,
    folds: int | None = None,
) -> TrainingData:
    """Return the training images of a data set, from the cache or decoded into it.

    dataset: one of DATASETS.
    data: the folder or archive to take it from; None where the data set is found or downloaded by its name.
    options: how a table, or images of the user's own, are read.
    validation: how many images to split off, or which share of a table's rows, stratified: each class gives its
        share, rounded by largest remainder (classes of one size differ by at most one), and keeps at least one
        image for training. None for the data set's own validation split, or VALIDATION images where it has none.
    split_seed: from 0; decides which images those are.
    folds: in place of `validation`, how many folds to deal the rows out to; the first is returned.

    Raises DataError for images that are missing, corrupt or not allowed, for a validation split that is too small
    or too large, for more folds than rows, and for a number where the data set has a validation split of its own.
    """
    cached = open_split(dataset, data, "train", options)
    if cached.validation_folder is not None:
        own = open_beside(dataset, data, "validation", cached, options)
        _refuse_a_second_split(data, cached, own, folds=folds, validation=validation)
        return _with_own_validation(cached, own)
    columns = None if cached.table is None else cached.table.stored()
    whole = Split(cached.images, cached.labels, np.arange(len(cached.labels)), cached.shape, columns)
    data_of = partial(
        TrainingData,
        classes=cached.classes,
        shape=cached.shape,
        fingerprint=cached.fingerprint,
        table=cached.table,
        remarks=tuple(f"{data or dataset}: {remark}" for remark in cached.remarks),
        sealed=cached.sealed,
        is_ordered=cached.is_ordered,
    )
    if folds is not None:
        return data_of(whole, whole, folds=_folds(cached, folds, split_seed)).fold(0)
    rows, validation_rows = _rows(cached, validation, split_seed)
    return data_of(replace(whole, rows=rows), replace(whole, rows=validation_rows))


def own_validation(dataset: str, data: Path | None, options: DataOptions | None = None) -> str | None:
    """Return the folder of a data set's own validation split; None where there is none. Raises DataError."""
    return open_split(dataset, data, "train", options).validation_folder


def _refuse_a_second_split(
    data: Path | None, cached: CachedImages, own: CachedImages, **asked: float | None
) -> None:
    """Raise DataError where images of train are asked for beside a validation split of the data set's own."""
    for key, value in asked.items():
        if value is not None:
            raise DataError(
                f"{data}: has a validation split, {cached.validation_folder}/ with {len(own.labels):,} images, "
                f"and {key} = {value} asks for images of train: leave that out, or take the folder away",
                key=key,
                path=data,
            )


def _folds(cached: CachedImages, folds: int, seed: int) -> NDArray[np.int64]:
    if cached.groups is not None:
        return grouped_folds(np.asarray(cached.groups), cached.labels, folds, seed)
    return stratified_folds(cached.labels, folds, seed)


def _rows(
    cached: CachedImages, validation: float | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows for training and for validation."""
    total = len(cached.labels)
    if validation is None:
        validation = VALIDATION if cached.table is None else TABLE_VALIDATION
    count = validation if isinstance(validation, int) else max(1, round(validation * total))
    if cached.is_ordered:
        if count >= total:
            raise DataError(f"validation = {count}: must be below the {total:,} rows")
        return np.arange(total - count), np.arange(total - count, total)
    if cached.groups is not None:
        return split_groups(np.asarray(cached.groups), count, seed, "group")
    return split_rows(cached.labels, count, seed, "validation")


def _with_own_validation(cached: CachedImages, own: CachedImages) -> TrainingData:
    return TrainingData(
        training=_whole(cached),
        validation=_whole(own),
        classes=cached.classes,
        shape=cached.shape,
        fingerprint=hashlib.sha256(f"{cached.fingerprint} {own.fingerprint}".encode()).hexdigest(),
        validation_folder=cached.validation_folder,
    )


def _whole(cached: CachedImages) -> Split:
    return Split(cached.images, cached.labels, np.arange(len(cached.labels), dtype=np.int64), cached.shape)
