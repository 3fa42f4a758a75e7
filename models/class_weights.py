"""How much a training row of each class counts in the loss."""

import numpy as np

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.config import TrainConfig


def class_weights(labels: Labels, config: TrainConfig) -> Floats | None:
    """Return the weight of each class number up to the largest that occurs, float64; None where all weigh 1.

    labels: (N,), of the training rows.
    "balanced" is N / (K · n) for each of the K classes that occur, where n rows are of the class: all classes
    weigh the same in all, and rows 1 in the mean. A class without training rows weighs 0: no step meets it.
    """
    if config.class_weights == "none":
        return None
    counts = np.bincount(labels)
    weights, occurs = np.zeros(len(counts)), counts > 0
    weights[occurs] = len(labels) / (occurs.sum() * counts[occurs])
    return weights
