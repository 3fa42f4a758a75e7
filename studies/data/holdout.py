"""The only opener of a test split. Nothing that searches may import this module."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpsearch.models.inputs.data import Split
from mlpsearch.studies.data.duplicates import count_known, row_hashes
from mlpsearch.studies.data.sources import open_beside, open_split
from mlpsearch.studies.spec.image_options import DataOptions


@dataclass(frozen=True, slots=True, eq=False)
class TestData:
    """The test split of a data set.

    test: all its images, memory-mapped.
    classes: the name of each class number, as in training.
    shape: (height, width, channels) of every image, as in training.
    fingerprint: SHA-256 of the test images, labels, class names and shape, in hexadecimal digits.
    also_in_training: how many of the test images are, pixel by pixel, also training or validation images.
    """

    test: Split
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    fingerprint: str
    also_in_training: int


def open_test_split(dataset: str, data: Path | None, options: DataOptions | None = None) -> TestData:
    """The test images of a data set, from the cache or decoded into it.

    dataset, data, options: as they were given to studies.datasets.load_training.
    Raises DataError for images that are missing, corrupt, not allowed, or unlike the training images.
    """
    training = open_split(dataset, data, "train", options)  # in the cache since the search
    cached = open_beside(dataset, data, "test", training, options)
    seen = [row_hashes(training.images)]
    if training.validation_folder is not None:
        seen.append(row_hashes(open_beside(dataset, data, "validation", training, options).images))
    rows = np.arange(len(cached.labels), dtype=np.int64)
    columns = None if cached.table is None else cached.table.stored()
    test = Split(cached.images, cached.labels, rows, cached.shape, columns)
    known = count_known(row_hashes(cached.images), seen)
    return TestData(test, cached.classes, cached.shape, cached.fingerprint, known)
