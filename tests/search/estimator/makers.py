"""Small searches, and rows whose classes are easy to tell apart."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch import MLPSearchClassifier


def tiny(**options: Any) -> MLPSearchClassifier:
    """A search that ends by its trials, which take no time."""
    return MLPSearchClassifier(**({"trials": 2, "seconds": None, "epochs": 3, "random_state": 0} | options))


def apart(classes: NDArray[Any], each: int = 30) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Rows of each class around a corner of its own, (N, classes), and their classes."""
    numbers = np.tile(np.arange(len(classes)), each)
    noise = np.random.default_rng(0).normal(0, 0.05, (len(numbers), len(classes)))
    return np.eye(len(classes))[numbers] + noise, classes[numbers]
