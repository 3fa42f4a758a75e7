"""Batches that compiled steps make themselves, where images are rows of an array, or pixels as they are stored."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.arrays import Labels
from mlpsearch.models.inputs.batches import Batches
from mlpsearch.models.inputs.pixels import PixelPreprocessing
from mlpsearch.models.numpy_net.compiled_step import Step


class CompiledBatches(Batches):
    """Batches, whose epochs also say which rows they show."""

    def epoch(self, epoch: int) -> "Epoch":
        """Return an iterator over (images, labels) of each batch of an epoch, from 1, as that of Batches."""
        return Epoch(self, self._order(epoch), epoch)

    def describe(self, step: Step) -> bool:
        """Tell a step where the rows are; return whether it can make batches of them."""
        training = self._training
        step.batch_size = self._size
        step.stored_rows, step.stored_labels = training.rows.ctypes.data, training.labels.ctypes.data
        step.numbers = step.pixels = step.offset = None
        if not (_is_plain(training.rows, np.int64) and _is_plain(training.labels, np.int64)):
            return False
        if training.rows.min() < 0 or training.rows.max() >= min(len(training.images), len(training.labels)):
            return False  # to be found by what makes batches in Python
        if self._projected is not None:
            step.numbers = self._projected.ctypes.data
            return _is_plain(self._projected, np.float32)
        how = self._preprocessing
        if not isinstance(how, PixelPreprocessing) or how.projection is not None or self._augmentation is not None:
            return False
        step.pixels, step.offset, step.scale = training.images.ctypes.data, how.offset.ctypes.data, how.scale
        return _is_plain(training.images, np.uint8) and _is_plain(how.offset, np.float32)


class Epoch(Iterator[tuple[NDArray[np.float32], Labels]]):
    """The batches of one epoch that are left; steps that make batches themselves skip them here.

    order: the places of all rows of the epoch.  batch: the next, from 0.
    """

    def __init__(self, batches: CompiledBatches, order: NDArray[np.int64], epoch: int):
        self.batches = batches
        self.order = order
        self.batch = 0
        self._epoch = epoch

    def __next__(self) -> tuple[NDArray[np.float32], Labels]:
        if self.batch == len(self.batches):
            raise StopIteration
        self.batch += 1
        return self.batches._batch(self.order, self._epoch, self.batch - 1)


def _is_plain(array: NDArray[np.generic], dtype: type[np.generic]) -> bool:
    return array.dtype == dtype and array.flags.c_contiguous
