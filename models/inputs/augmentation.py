"""Training images that are mirrored and moved, each time otherwise: on bytes, a batch at a time, for both nets."""

from math import prod

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.draws import flips_and_shifts

Shape = tuple[int, int, int]


def mirrored(pixels: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
    """Return the mirror images, left and right exchanged, of images (N, inputs).

    shape: (height, width, channels) of an image.
    """
    return pixels.reshape(-1, *shape)[:, :, ::-1].reshape(-1, prod(shape))


class Augmentation:
    """Mirrors and moves the images of a batch, as the configuration's flip and shift say.

    shape: (height, width, channels) of an image.  size: images of the largest batch.
    """

    def __init__(self, config: TrainConfig, shape: Shape, size: int):
        height, width, channels = shape
        self._config = config
        self._shape = shape
        margin = config.shift
        self._framed = np.empty((size, height + 2 * margin, width + 2 * margin, channels), np.uint8)

    def __call__(self, pixels: NDArray[np.uint8], epoch: int, batch: int) -> None:
        """Change the images (N, inputs) of a batch, from 0, of an epoch, from 1, in place."""
        flips, shifts = flips_and_shifts(len(pixels), self._config, epoch, batch)
        if self._config.flip:
            pixels[flips] = mirrored(pixels[flips], self._shape)
        if self._config.shift:
            pixels[...] = self._moved(pixels, shifts)

    def _moved(self, pixels: NDArray[np.uint8], shifts: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Each image, moved down and right: a window of its size in the image framed by its own edges."""
        margin, (height, width, channels) = self._config.shift, self._shape
        framed = self._framed[: len(pixels)]
        inner = framed[:, margin:-margin]
        inner[:, :, margin:-margin] = pixels.reshape(-1, *self._shape)
        inner[:, :, :margin] = inner[:, :, margin : margin + 1]
        inner[:, :, -margin:] = inner[:, :, -margin - 1 : -margin]
        framed[:, :margin] = framed[:, margin : margin + 1]
        framed[:, -margin:] = framed[:, -margin - 1 : -margin]
        image, row, column, _ = framed.strides
        windows = as_strided(
            framed,
            (len(framed), 2 * margin + 1, 2 * margin + 1, height, width * channels),
            (image, row, column, row, 1),
            writeable=False,
        )
        down, right = (margin - shifts).T
        moved: NDArray[np.uint8] = windows[np.arange(len(framed)), down, right].reshape(-1, prod(self._shape))
        return moved
