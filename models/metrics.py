"""Accuracy, how sure it is, and which classes are taken for which."""

import math

import numpy as np
from numpy.typing import NDArray

from models.data import Split
from models.net import Labels, Net
from models.preprocessing import Preprocessing


def predict_split(net: Net, split: Split, preprocessing: Preprocessing) -> Labels:
    """Return the predicted class of each image of the split, in its order, (N,)."""
    return np.concatenate([net.predict(images) for images, _ in preprocessing.chunks(split)])


def accuracy(predictions: Labels, split: Split) -> float:
    """Return the share of correct predictions, 0 to 1."""
    return float(np.mean(predictions == split.labels[split.rows]))


def confusion_matrix(predictions: Labels, labels: Labels, classes: int) -> NDArray[np.int64]:
    """Return counts, (true class, predicted class)."""
    return np.bincount(labels * classes + predictions, minlength=classes**2).reshape(classes, classes)


def wilson_interval(correct: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion, by default of 95%.

    Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953. It stays within 0–1, sound at both ends.
    """
    share = correct / total
    center = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    margin = z / (1 + z**2 / total) * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    # Rounding must not leave the share itself outside, as it can at 0 and at 1.
    return min(share, max(0.0, center - margin)), max(share, min(1.0, center + margin))
