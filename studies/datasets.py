"""The images that a search works on: those for training, of which some are split off for validation."""

import os
from dataclasses import dataclass
from pathlib import Path

from models.data import Split
from models.files import expanded
from studies.sources import DATASETS, open_split
from studies.stratified import split_rows

__all__ = ["DATASETS", "ENVIRONMENT", "TrainingData", "load_training", "own_copy"]

ENVIRONMENT = "MLPSEARCH_DATA"


@dataclass(frozen=True, slots=True, eq=False)
class TrainingData:
    """What a search may see of a data set.

    training, validation: disjoint; together all images of train. They share the memory-mapped images.
    classes: the name of each class number.
    shape: (height, width, channels) of every image.
    fingerprint: SHA-256 of all images of train, before the split, in hexadecimal digits; the same for the
        same images, labels and class names, whatever form they came in.
    """

    training: Split
    validation: Split
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    fingerprint: str


def own_copy(dataset: str, recorded: str | None) -> Path | None:
    """Return where this machine has the images of a data set; None where they are found or downloaded by its name.

    That is the environment's MLPSEARCH_DATA, else the recorded path if it is there. The digits need no path.
    """
    given = None if dataset == "digits" else os.environ.get(ENVIRONMENT)
    path = given or recorded
    if path is None:
        return None
    # The images of a data set without a name are nowhere else: whoever looks there says that they are missing.
    return expanded(path) if given or dataset == "images" or os.path.exists(path) else None  # noqa: PTH110 - as in catalog


def load_training(dataset: str, data: Path | None, *, validation: int, split_seed: int) -> TrainingData:
    """The training images of a data set, from the cache or decoded into it.

    dataset: one of DATASETS.
    data: the folder or archive to take it from; None where the data set is found or downloaded by its name.
    validation: how many images to split off, stratified: each class gives its share, rounded by largest
        remainder (classes of one size differ by at most one), and keeps at least one image for training.
    split_seed: from 0; decides which images those are.

    Raises DataError for images that are missing, corrupt or not allowed, and for a validation split that is
    too small or too large.
    """
    cached = open_split(dataset, data, "train")
    rows, validation_rows = split_rows(cached.labels, validation, split_seed, "validation")
    return TrainingData(
        training=Split(cached.images, cached.labels, rows, cached.shape),
        validation=Split(cached.images, cached.labels, validation_rows, cached.shape),
        classes=cached.classes,
        shape=cached.shape,
        fingerprint=cached.fingerprint,
    )
