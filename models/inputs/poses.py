"""In which poses a prediction sees an image: as it is, mirrored, moved. All are made of bytes, for both nets."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.augmentation import Shape, mirrored


@dataclass(frozen=True, slots=True)
class Pose:
    """How an image is seen: mirrored first, left and right exchanged, and then moved down and right.

    down, right: pixels; its edge pixels fill the gap.
    """

    mirror: bool = False
    down: int = 0
    right: int = 0

    def __call__(self, pixels: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
        """Return images (N, inputs) in this pose. shape: (height, width, channels) of an image."""
        seen = mirrored(pixels, shape) if self.mirror else pixels
        return self._moved(seen, shape) if self.down or self.right else seen

    def _moved(self, pixels: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
        height, width, _ = shape
        images = pixels.reshape(-1, *shape).take(sources(height, self.down), axis=1)
        return images.take(sources(width, self.right), axis=2).reshape(pixels.shape)


AS_IT_IS = Pose()


def poses_of(config: TrainConfig) -> tuple[Pose, ...]:
    """Return the poses over which predictions average the logits."""
    mirror, shifts = (False, True)[: 1 + config.flip_averaging], shifts_of(config)
    return tuple(Pose(*pose) for pose in product(mirror, shifts, shifts))


def shifts_of(config: TrainConfig) -> range:
    """Return by how many pixels predictions move images, in both directions."""
    return range(-config.shift_averaging, config.shift_averaging + 1)


def sources(size: int, by: int) -> NDArray[np.int64]:
    """Return the old place of each row (or column) of an image that is moved, (size,)."""
    return np.clip(np.arange(size) - by, 0, size - 1)
