"""In which poses a prediction sees an image: as it is, mirrored, moved. All are made on bytes, for both nets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.augmentation import Shape, mirrored


@dataclass(frozen=True, slots=True)
class Pose:
    """How an image is seen. mirror: left and right exchanged."""

    mirror: bool = False

    def __call__(self, pixels: NDArray[np.uint8], shape: Shape) -> NDArray[np.uint8]:
        """Return images (N, inputs) in this pose. shape: (height, width, channels) of an image."""
        return mirrored(pixels, shape) if self.mirror else pixels


AS_IT_IS = Pose()


def poses_of(config: TrainConfig) -> tuple[Pose, ...]:
    """Return the poses over which predictions average the logits."""
    return (AS_IT_IS, Pose(mirror=True)) if config.flip_averaging else (AS_IT_IS,)
