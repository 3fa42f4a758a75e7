"""What may be said of a few training runs that differ in nothing but their seed."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def mean(values: Sequence[float]) -> float:
    """Return the mean."""
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation, estimated from a sample (n - 1); None for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def paired_p_value(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the two-sided p-value of a paired t-test (Student 1908): how often chance alone differs as much.

    first, second: one value a seed, of the same seeds in the same order.  None where there are fewer than two.
    """
    from scipy.stats import ttest_rel

    differences = np.subtract(first, second)
    if len(differences) < 2:
        return None
    if np.ptp(differences) == 0:  # the test divides by their spread
        return 1.0 if differences[0] == 0 else 0.0
    return float(ttest_rel(first, second).pvalue)


def accuracy_interval(correct: NDArray[np.bool_]) -> tuple[float, float]:
    """Return a 95% interval of the accuracy that a configuration reaches on new images with a new seed's mean.

    correct: (seeds, images), at least two seeds; whether each seed's net was right about each image.

    Seeds and images are both samples, so the variances of the mean from both are added: of the seeds' accuracies
    with Student's t, of the images' shares of right answers with the normal distribution.
    """
    from scipy.stats import norm, t

    seeds, images = correct.shape
    by_seed, by_image = correct.mean(axis=1), correct.mean(axis=0)
    of_seeds = t.ppf(0.975, seeds - 1) * by_seed.std(ddof=1) / math.sqrt(seeds)
    of_images = norm.ppf(0.975) * by_image.std(ddof=1) / math.sqrt(images)
    margin = math.hypot(of_seeds, of_images)
    center = float(correct.mean())
    return max(0.0, center - margin), min(1.0, center + margin)


def expected_maximum(count: int) -> float:
    """Return the mean of the highest of so many independent draws from N(0, 1); count: at least 1."""
    from scipy.integrate import quad
    from scipy.stats import norm

    value, _ = quad(lambda x: x * count * norm.pdf(x) * norm.cdf(x) ** (count - 1), -10, 10)
    return float(value)
