"""From stored pixels (bytes) to the numbers a net sees, with statistics of the training images only."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.data import Split
from models.net import Labels

_CHUNK = 1_000  # images; bounds the memory of every pass over a split


@dataclass(frozen=True, slots=True, eq=False)
class Preprocessing:
    """x → (x - offset) · scale, on pixels 0–255.

    offset: (inputs,) float32.  scale: float.
    """

    offset: NDArray[np.float32]
    scale: float

    def batch(
        self, split: Split, rows: NDArray[np.int64], buffer: "BatchBuffer | None" = None
    ) -> NDArray[np.float32]:
        """Return the images of these rows, (N, inputs) float32; a buffer's next use overwrites them."""
        pixels, numbers = (buffer or BatchBuffer(len(rows), split.inputs)).arrays(len(rows))
        np.take(split.images, rows, axis=0, out=pixels, mode="clip")  # "raise" would copy through a buffer
        np.subtract(pixels, self.offset, out=numbers)
        if self.scale != 1:
            numbers *= np.float32(self.scale)
        return numbers

    def chunks(self, split: Split) -> Iterator[tuple[NDArray[np.float32], Labels]]:
        """Yield (images, labels) of the whole split, in order; each chunk overwrites the one before."""
        buffer = BatchBuffer(min(_CHUNK, len(split)), split.inputs)
        for rows in _row_chunks(split):
            yield self.batch(split, rows, buffer), split.labels[rows]


class BatchBuffer:
    """Memory for batches of up to `size` images, used again for each."""

    def __init__(self, size: int, inputs: int):
        self._pixels = np.empty((size, inputs), np.uint8)
        self._numbers = np.empty((size, inputs), np.float32)

    def arrays(self, count: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Return the first `count` rows of both."""
        return self._pixels[:count], self._numbers[:count]


class PixelStatistics:
    """Statistics of the training images, each computed once and when it is first needed."""

    def __init__(self, training: Split):
        self._training = training

    @cached_property
    def mean_image(self) -> NDArray[np.float32]:
        """The mean of each pixel, (inputs,). The sums are of whole numbers, so they are exact."""
        total = np.zeros(self._training.inputs, np.uint64)
        for rows in _row_chunks(self._training):
            total += self._training.images[rows].sum(axis=0, dtype=np.uint64)
        return (total / len(self._training)).astype(np.float32)

    @cached_property
    def deviation(self) -> float:
        """The standard deviation of all pixels about the mean image; 1 where the images are all the same."""
        total = 0.0
        for rows in _row_chunks(self._training):
            centered = self._training.images[rows] - self.mean_image
            total += float(np.vdot(centered, centered))
        variance = total / (len(self._training) * self._training.inputs)
        return float(np.sqrt(variance)) or 1.0

    def preprocessing(self, name: str) -> Preprocessing:
        """Return "center", "standardize" or "scale" (see TrainConfig.preprocessing)."""
        if name == "scale":
            return Preprocessing(np.full(self._training.inputs, 127.5, np.float32), 1 / 127.5)
        return Preprocessing(self.mean_image, 1 / self.deviation if name == "standardize" else 1.0)


def _row_chunks(split: Split) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(split), _CHUNK):
        yield split.rows[start : start + _CHUNK]
