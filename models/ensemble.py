"""What several nets say together, and how far probabilities can be trusted.

The nets' average is the mean of their probabilities, p = 1/M · Σ softmax(zₘ) (Lakshminarayanan et al. 2017,
https://arxiv.org/abs/1612.01474). It is kept as logarithms in float64, which may stand wherever logits do, for
softmax(log p) = p.
"""

import math
from collections.abc import Iterable, Sequence
from functools import reduce

import numpy as np

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.scores import Array, finite, log_probabilities

CALIBRATION_BINS = 15
_STEEPEST = 2.0**40  # what 1 / T is looked for up to, and the inverse of what down to


def average_log_probabilities(nets: Iterable[Floats], weights: Sequence[float] | None = None) -> Array:
    """Return the logarithms of the nets' average probabilities, (N, classes), float64.

    nets: the logits of each, (N, classes), of at least one net.  Of one net it is the net's own log softmax.
    weights: of each, above 0, together 1; None: all weigh the same.
    """
    logarithms = [log_probabilities(finite(logits)) for logits in nets]
    if weights is None:
        return np.asarray(reduce(np.logaddexp, logarithms) - math.log(len(logarithms)))
    weighted = [one + math.log(weight) for one, weight in zip(logarithms, weights, strict=True)]
    return np.asarray(reduce(np.logaddexp, weighted))


def average_probabilities(nets: Iterable[Floats], weights: Sequence[float]) -> Array:
    """Return the nets' average probabilities, (N, classes), float64; NaN where those of one net are.

    nets: the probabilities of each, (N, classes).  weights: of each, together 1.
    """
    weighted = (weight * np.asarray(one, np.float64) for one, weight in zip(nets, weights, strict=True))
    return np.asarray(reduce(np.add, weighted))


def fitted_temperature(logits: Array, labels: Labels) -> float | None:
    """Return the temperature T > 0 that makes the log loss of softmax(logits / T) on these rows smallest.

    logits: (N, classes), finite, or logarithms of probabilities.  labels: (N,).  T above 1 makes the probabilities
    less sure, T below 1 surer; which class is the most probable stays (Guo et al. 2017,
    https://arxiv.org/abs/1706.04599).

    The loss is convex in β = 1 / T, with the slope mean(Σₖ pₖ zₖ - z[y]), so halving finds the β where the slope
    changes its sign, to the last bit. None where it never does: where all rows are right, the loss falls for ever
    as T nears 0, and where the logits know no more than chance, as T grows.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    rows = np.arange(len(labels))

    def slope(beta: float) -> float:
        weights = np.exp(beta * shifted)
        expected = (weights * shifted).sum(axis=1) / weights.sum(axis=1)
        return float(np.mean(expected - shifted[rows, labels]))

    low, high = 1 / _STEEPEST, _STEEPEST
    if not slope(low) < 0 < slope(high):
        return None
    while low < (middle := math.sqrt(low * high)) < high:
        low, high = (low, middle) if slope(middle) >= 0 else (middle, high)
    return 1 / high


def calibration_error(logits: Array, labels: Labels) -> float:
    """Return the expected calibration error, 0 to 1: how far confidence and accuracy are apart.

    logits: (N, classes), or logarithms of probabilities.  labels: (N,), of at least one row.

    The rows go into 15 bins of the same width by their confidence, the probability of their most probable class.
    The error is the distance between the mean confidence of a bin and the share of its rows that are right, the
    mean over the bins weighted with their rows (Naeini et al. 2015; Guo et al. 2017, section 2). A confidence on
    the edge of two bins belongs to the lower one. Of few rows the error is well above 0 also where the
    probabilities are right.
    """
    shares = np.exp(log_probabilities(logits).max(axis=1))
    surplus = shares - (logits.argmax(axis=1) == labels)  # confidence less accuracy, summed up in each bin
    bins = np.clip(np.ceil(shares * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)
    return float(np.abs(np.bincount(bins, surplus, CALIBRATION_BINS)).sum() / len(labels))
