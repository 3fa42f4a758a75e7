"""The only opener of a test split. Nothing that searches may import this module."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.data import Split
from models.errors import DataError
from studies.sources import open_split


@dataclass(frozen=True, slots=True, eq=False)
class TestData:
    """The test split of a data set.

    test: all its images, memory-mapped.
    classes: the name of each class number, as in training.
    shape: (height, width, channels) of every image, as in training.
    fingerprint: SHA-256 of the test images, labels, class names and shape, in hexadecimal digits.
    """

    test: Split
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    fingerprint: str


def open_test_split(dataset: str, data: Path | None) -> TestData:
    """The test images of a data set, from the cache or decoded into it.

    dataset, data: as they were given to studies.datasets.load_training.
    Raises DataError for images that are missing, corrupt, not allowed, or unlike the training images.
    """
    cached = open_split(dataset, data, "test")
    training = open_split(dataset, data, "train")  # in the cache since the search
    if (cached.classes, cached.shape) != (training.classes, training.shape):
        raise DataError(
            f"{data or dataset}: test images of shape {cached.shape} (height, width, channels), "
            f"training images of {training.shape}: must be the same"
        )
    rows = np.arange(len(cached.labels), dtype=np.int64)
    test = Split(cached.images, cached.labels, rows, cached.shape)
    return TestData(test, cached.classes, cached.shape, cached.fingerprint)
