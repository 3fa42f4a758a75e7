"""Images and labels as arrays: the form in which both nets' training sees every data set."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Column(NamedTuple):
    """One column of a table as it is stored.

    categories: how many there are; 0 for a column of numbers.
    has_missing: whether some training row has no number there; a missing category is a category.
    """

    categories: int
    has_missing: bool


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Some rows of a larger array of images, or of a table: the training, the validation or the test split.

    The images are shared and stay as they are on disk (bytes, memory-mapped where there is a file): a split
    costs only its row numbers, and pixels become numbers with a fraction only when a batch is made.

    images: (all images, inputs), uint8 pixels 0–255, each row one image in (height, width, channel) order.
    labels: (all images,), int64 class numbers from 0.
    rows: (images of this split,), int64 indices into both, ascending.
    shape: (height, width, channels) of an image; (1, columns, 1) of a table.
    columns: of a table, whose `images` are float64 rows: numbers, NaN where one is missing, and the numbers of
        categories, -1 for one that no training row has. None for images.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    shape: tuple[int, int, int]
    columns: tuple[Column, ...] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def inputs(self) -> int:
        """Pixels of an image, or columns of a table."""
        return int(self.images.shape[1])

    def sample(self, count: int) -> "Split":
        """Return `count` of the images, or all where there are fewer; of each class its share, to within one.

        Deterministic: the rows are put in order of class, and taken at even distances, which need not be whole.
        """
        if count >= len(self):
            return self
        by_class = np.argsort(self.labels[self.rows], kind="stable")
        taken = np.sort(by_class[np.arange(count) * len(self) // count])
        return replace(self, rows=self.rows[taken])
