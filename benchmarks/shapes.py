"""The nets and images that benchmarks/training.py measures training on, of CIFAR-10's shape."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from mlpsearch.models.inputs.data import Split

SHAPE, CLASSES = (32, 32, 3), 10
INPUTS = 3072
RATE = 1e-3


@dataclass(frozen=True, slots=True)
class Case:
    """One shape of a net and its batches."""

    hidden_size: int
    depth: int
    batch_size: int

    @property
    def sizes(self) -> list[int]:
        """Units of each layer, the inputs included."""
        return [INPUTS, *[self.hidden_size] * (self.depth - 1), CLASSES]


@cache
def images_of(count: int) -> Split:
    """Return random images."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, INPUTS), dtype=np.uint8)
    return Split(pixels, random.integers(0, CLASSES, count), np.arange(count), SHAPE)
