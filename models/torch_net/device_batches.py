"""The batches of models/inputs/batches.py, made on a torch device on which all training pixels lie.

The same draws and the same arithmetic, so the same batches; nothing waits for the device.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.draws import batch_order, flips_and_shifts
from mlpsearch.models.inputs.batches import SAMPLE
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelPreprocessing
from mlpsearch.models.inputs.preprocessing import Preprocessing


class DeviceBatches:
    """The training images as a net on a device sees them, batch by batch."""

    def __init__(self, training: Split, config: TrainConfig, preprocessing: Preprocessing, device: torch.device):
        self._config = config
        self._shape = training.shape
        self._device = device
        self._size = min(config.batch_size, len(training))
        self._labels = self._moved(training.labels)
        self._rows = self._moved(training.rows)
        self._sampled = self._moved(training.sample(SAMPLE).rows)
        self._pixels: PixelPreprocessing | None = None
        if isinstance(preprocessing, PixelPreprocessing):
            self._pixels = preprocessing
            self._images = self._moved(training.images)
            self._offset = self._moved(preprocessing.offset)
            self._scale = np.float32(preprocessing.scale).item()
            self._projection = None if preprocessing.projection is None else self._moved(preprocessing.projection)
        else:  # what a net gets of a table's rows is made once
            whole = replace(training, rows=np.arange(len(training.images)))
            self._images = self._moved(preprocessing.everything(whole))

    def __len__(self) -> int:
        """Batches of an epoch; the last holds what is left."""
        return -(-len(self._rows) // self._size)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images, labels) of each batch of an epoch, from 1."""
        order = torch.from_numpy(batch_order(len(self._rows), self._config, epoch))
        rows = self._rows[to_device(order, self._device)]
        drawn = self._draws(epoch) if self._config.flip or self._config.shift else None
        for start in range(0, len(rows), self._size):
            batch = slice(start, start + self._size)
            pixels = self._images[rows[batch]]
            if drawn is not None:
                pixels = self._augmented(pixels, *(one[batch] for one in drawn))
            yield self._preprocessed(pixels), self._labels[rows[batch]]

    def sample(self) -> Tensor:
        """Return some thousand training images, not augmented."""
        return self._preprocessed(self._images[self._sampled])

    def _draws(self, epoch: int) -> tuple[Tensor, Tensor]:
        """Of all images of an epoch at once, for each copy to the device takes its time."""
        images, size = len(self._rows), self._size
        sizes = [min(size, images - start) for start in range(0, images, size)]
        draws = [flips_and_shifts(count, self._config, epoch, batch) for batch, count in enumerate(sizes)]
        flips, shifts = (torch.from_numpy(np.concatenate(one)) for one in zip(*draws, strict=True))
        return to_device(flips & self._config.flip, self._device), to_device(shifts, self._device)

    def _augmented(self, pixels: Tensor, flips: Tensor, shifts: Tensor) -> Tensor:
        """Each pixel comes from where flip and shift say; edge pixels fill the gaps."""
        height, width, _ = self._shape
        rows = torch.arange(height, device=self._device) - shifts[:, :1]  # (N, height)
        columns = torch.arange(width, device=self._device) - shifts[:, 1:]  # (N, width)
        rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
        columns = torch.where(flips[:, None], width - 1 - columns, columns)
        images = torch.arange(len(pixels), device=self._device)[:, None, None]
        framed = pixels.reshape(-1, *self._shape)[images, rows[:, :, None], columns[:, None, :]]
        return framed.reshape(len(pixels), -1)

    def _preprocessed(self, pixels: Tensor) -> Tensor:
        if self._pixels is None:
            return pixels
        numbers = pixels - self._offset
        if self._scale != 1:
            numbers *= self._scale
        return numbers if self._projection is None else numbers @ self._projection

    def _moved(self, array: NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array).to(self._device)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return the tensor on a device; the host goes on while it is on its way there.

    Not for a whole data set: the memory that it leaves from stays locked.
    """
    if device.type == "cuda" and not tensor.is_cuda:
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
