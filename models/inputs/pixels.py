"""From stored pixels (bytes) to the numbers a net sees, with statistics of the training images only."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.announcements import announce
from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.poses import AS_IT_IS, Pose, poses_of
from mlpsearch.models.inputs.preprocessing import Preprocessing, row_chunks
from mlpsearch.models.threads import limited_threads

_MOST_KEPT = 4  # times the memory of the pixels, for all poses in which predictions see them


@dataclass(frozen=True, slots=True, eq=False)
class PixelPreprocessing(Preprocessing):
    """x → (x - offset) · scale, on pixels 0–255, and then, if there is a projection, its product with that.

    offset: (pixels,) float32.  scale: float.  projection: (pixels, components) float32.
    poses: over which predictions average the logits.
    """

    offset: NDArray[np.float32]
    scale: float
    projection: NDArray[np.float32] | None = None
    poses: tuple[Pose, ...] = (AS_IT_IS,)

    @property
    def inputs(self) -> int:
        """Numbers that a net gets of an image."""
        return len(self.offset) if self.projection is None else self.projection.shape[1]

    def buffer(self, size: int) -> "BatchBuffer":
        """Return memory for batches of up to `size` images."""
        return BatchBuffer(size, len(self.offset), None if self.projection is None else self.inputs)

    def batch(
        self, split: Split, rows: NDArray[np.int64], buffer: "BatchBuffer | None" = None, *, pose: Pose = AS_IT_IS
    ) -> NDArray[np.float32]:
        """Return the images of these rows, (N, inputs) float32; a buffer's next use overwrites them.

        pose: in which they are seen.
        """
        buffer = buffer or self.buffer(len(rows))
        pixels = self.pixels(split, rows, buffer)
        return self.apply(pose(pixels, split.shape), buffer)

    def pixels(self, split: Split, rows: NDArray[np.int64], buffer: "BatchBuffer") -> NDArray[np.uint8]:
        """Return the pixels of these rows, (N, pixels), in the buffer."""
        pixels = buffer.pixels[: len(rows)]
        return np.take(split.images, rows, axis=0, out=pixels, mode="clip")  # "raise" would copy through a buffer

    def apply(self, pixels: NDArray[np.uint8], buffer: "BatchBuffer") -> NDArray[np.float32]:
        """Return what a net gets of images (N, pixels), in the buffer."""
        numbers = buffer.numbers[: len(pixels)]
        np.subtract(pixels, self.offset, out=numbers)
        if self.scale != 1:
            numbers *= np.float32(self.scale)
        if self.projection is None:
            return numbers
        return np.matmul(numbers, self.projection, out=buffer.inputs[: len(pixels)])

    def is_kept(self, split: Split) -> bool:  # noqa: ARG002 - the same for all
        """Whether what a net gets of an image takes no more memory than its pixels."""
        return self.projection is not None and 4 * self.inputs <= len(self.offset)

    def keeps_views(self, split: Split) -> bool:
        """Whether what a net gets of an image in all poses takes at most four times the memory of its pixels.

        With shifts there may be a hundred poses, and each worker of a machine would keep them for itself.
        """
        return self.is_kept(split) and 4 * self.inputs * len(self.poses) <= _MOST_KEPT * len(self.offset)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return offset, scale and, if there is one, the projection."""
        arrays = {"offset": self.offset, "scale": np.array(self.scale, np.float32)}
        return arrays if self.projection is None else arrays | {"projection": self.projection}

    def seen_from_pixels(self, weights: Floats) -> Floats:
        """Return a first layer's weights, (inputs, units), as weights of the pixels, (pixels, units)."""
        return weights if self.projection is None else self.projection @ weights


class BatchBuffer:
    """Memory for batches of up to `size` images, used again for each.

    pixels: (size, pixels) uint8.  numbers: (size, pixels) float32.
    inputs: what the net gets, (size, components) float32, or the numbers themselves where `components` is None.
    """

    def __init__(self, size: int, pixels: int, components: int | None = None):
        self.pixels = np.empty((size, pixels), np.uint8)
        self.numbers = np.empty((size, pixels), np.float32)
        self.inputs = self.numbers if components is None else np.empty((size, components), np.float32)


class PixelStatistics:
    """Statistics of the training images, each computed once and when it is first needed."""

    def __init__(self, training: Split):
        self._training = training

    @cached_property
    def mean_image(self) -> NDArray[np.float32]:
        """The mean of each pixel, (pixels,)."""
        return self._exact_mean.astype(np.float32)

    @cached_property
    def deviation(self) -> float:
        """The standard deviation of all pixels about the mean image; 1 where the images are all the same."""
        total = 0.0
        for rows in row_chunks(self._training):
            centered = self._training.images[rows] - self.mean_image
            total += float(np.vdot(centered, centered))
        variance = total / (len(self._training) * self._training.inputs)
        return float(np.sqrt(variance)) or 1.0

    @cached_property
    def principal_components(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Variances, (pixels,), the largest first, and their components as columns, (pixels, pixels)."""
        announce("whitening")
        second_moments = np.zeros((self._training.inputs, self._training.inputs))
        for rows in row_chunks(self._training):
            pixels = self._training.images[rows].astype(np.float64)
            second_moments += pixels.T @ pixels  # of whole numbers under 2^53: exact, in any order
        second_moments /= len(self._training)
        second_moments -= np.outer(self._exact_mean, self._exact_mean)
        with limited_threads(1):  # more would round otherwise, and each trial may have another number of them
            variances, components = np.linalg.eigh(second_moments)
        largest = np.abs(components).argmax(axis=0)
        signs = np.sign(components[largest, np.arange(len(largest))])  # a component's own sign is arbitrary
        components *= signs
        return np.maximum(variances[::-1], 0), np.ascontiguousarray(components[:, ::-1], np.float32)

    @cached_property
    def _exact_mean(self) -> NDArray[np.float64]:
        """The mean of each pixel. The sums are of whole numbers, so they are exact."""
        total = np.zeros(self._training.inputs, np.uint64)
        for rows in row_chunks(self._training):
            total += self._training.images[rows].sum(axis=0, dtype=np.uint64)
        return total / len(self._training)

    def preprocessing(self, config: TrainConfig) -> PixelPreprocessing:
        """Return what a configuration says (see TrainConfig.preprocessing)."""
        name = config.preprocessing
        projection = self._whitening(config) if name == "whiten" else None
        offset = np.full(self._training.inputs, 127.5, np.float32) if name == "scale" else self.mean_image
        scale = 1 / 127.5 if name == "scale" else 1 / self.deviation if name == "standardize" else 1.0
        return PixelPreprocessing(offset, scale, projection, poses_of(config))

    def _whitening(self, config: TrainConfig) -> NDArray[np.float32]:
        """What projects centred pixels on the components that are kept, their mean variance 1."""
        variances, components = self.principal_components
        # At least one grey level: what varies less is the rounding of pixels to whole numbers.
        epsilon = max(config.whitening_epsilon * variances[0], 1.0)
        kept = variances[: config.components]
        scales = 1 / np.sqrt(kept + epsilon)
        scales /= np.sqrt(np.mean(kept * scales**2)) or 1.0
        projection: NDArray[np.float32] = (components[:, : config.components] * scales).astype(np.float32)
        return projection
