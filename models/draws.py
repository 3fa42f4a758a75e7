"""All random draws of a training run, the same for both nets.

Each is a function of the seed and of what it is drawn for. So training can go on from any epoch, with no random
state to keep, and one draw more or less somewhere changes nothing elsewhere.
"""

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig

INITIALIZATION, BATCH_ORDER, AUGMENTATION, DROPOUT = range(4)


def generator(config: TrainConfig, purpose: int, *key: int) -> np.random.Generator:
    """Return the generator for one purpose, one of those above, and one use of it."""
    return np.random.default_rng([config.seed, purpose, *key])


def batch_order(images: int, config: TrainConfig, epoch: int) -> NDArray[np.int64]:
    """Return the order in which an epoch (from 1) visits the images: a permutation of 0 … images-1."""
    return generator(config, BATCH_ORDER, epoch).permutation(images)


def flips_and_shifts(
    images: int, config: TrainConfig, epoch: int, batch: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which images of a batch are mirrored, (N,), and how far each is moved down and right, (N, 2)."""
    random = generator(config, AUGMENTATION, epoch, batch)
    return random.random(images) < 0.5, random.integers(-config.shift, config.shift, (images, 2), endpoint=True)


class DropoutMasks:
    """The masks of each step, in memory that the next step's overwrite.

    sizes: units from the input to the output.  dtype: of the masks.
    """

    def __init__(self, config: TrainConfig, sizes: list[int], dtype: type[np.floating]):
        self._config = config
        hidden = len(sizes) - 2
        self._rates = [config.input_dropout, *[config.dropout] * hidden]
        self._sizes = sizes[:-1]
        self._dtype = dtype
        self._numbers = np.empty(0, np.float32)
        self._masks: list[Floats] = []

    def __call__(self, step: int, images: int) -> list[Floats | None]:
        """Return a mask for the inputs and one for each hidden layer, (N, units); None where nothing is dropped.

        A mask is 0 at what is dropped and 1 / (1 - rate) at what stays, so that sums keep their expectation.
        """
        if not any(self._rates):
            return [None] * len(self._rates)
        self._make_room(images)
        random = generator(self._config, DROPOUT, step)
        return [
            self._draw(random, rate, mask[:images]) if rate else None
            for rate, mask in zip(self._rates, self._masks, strict=True)
        ]

    def _draw(self, random: np.random.Generator, rate: float, mask: Floats) -> Floats:
        numbers = self._numbers[: mask.size].reshape(mask.shape)
        random.random(out=numbers, dtype=np.float32)
        np.greater_equal(numbers, rate, out=mask)
        mask *= 1 / (1 - rate)
        return mask

    def _make_room(self, images: int) -> None:
        if not self._masks or len(self._masks[0]) < images:
            self._masks = [
                np.empty((images, size if rate else 0), self._dtype)
                for size, rate in zip(self._sizes, self._rates, strict=True)
            ]
            self._numbers = np.empty(max(mask.size for mask in self._masks), np.float32)
