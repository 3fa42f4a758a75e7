"""The exponential moving average of a net's weights.

After step t, from 1, each averaged array moves towards the trained one:

    ā ← d · ā + (1 - d) · w        d = min(averaging, t / (t + 9))

It averages over about the last 1 / (1 - averaging) steps. While there are fewer, d is smaller, so that the initial
weights are soon forgotten. The average of weights is Polyak & Juditsky's (1992, https://doi.org/10.1137/0330046);
the smaller d at the start is that of TensorFlow's ExponentialMovingAverage.
"""

import numpy as np

from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig


def new_share(config: TrainConfig, step: int) -> float:
    """Return 1 - d after a step, from 1."""
    return 1 - min(config.averaging, step / (step + 9))


def average(averages: Floats, arrays: Floats, share: float, scratch: Floats) -> None:
    """Move the averages towards the arrays by that share, in place; scratch, of the same shape, is overwritten."""
    np.subtract(arrays, averages, out=scratch)
    scratch *= share
    averages += scratch
