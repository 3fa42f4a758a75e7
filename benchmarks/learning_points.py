"""Starting points and ranges that are good on many data sets: how a table of results says them.

The table has a row for each configuration and a column for each data set; every configuration was trained on every
data set. To judge points on a data set, choose them without its column.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PRICE = 0.6  # of the logarithm of the seconds
_NEAR = 0.02  # of the best score: what lacks less is hardly worse
_LEAST = 1 / 3000  # shares below it count as equal, so that no data set's best configuration outweighs the others


def shares_at_least_as_good(scores: Array) -> Array:
    """The share of configurations that are at least as good as each, by data set.

    scores: (configurations, data sets), finite, larger is better.
    Returns shares from 1 / configurations for a single best one to 1 for the worst, of the same shape.
    """
    shares = np.empty(scores.shape)
    for column, values in enumerate(scores.T):
        worse = np.searchsorted(np.sort(values), values, side="left")
        shares[:, column] = 1 - worse / len(values)
    return shares


def nearness(scores: Array) -> Array:
    """How near each configuration comes to the best one, by data set: what it is worth where trials are counted.

    It is -log(1 + what it lacks / 2% of the best score): 0 for the best.

    scores: (configurations, data sets), of which the best are above 0; larger is better.
    """
    best = scores.max(axis=0)
    lacking: Array = (best - scores) / (_NEAR * best)
    return -np.log1p(lacking)


def worth_for_its_time(scores: Array, log_seconds: Array, *, price: float = PRICE) -> Array:
    """What each configuration is worth where seconds are counted, by data set.

    It is -log(share of configurations at least as good) - price * log(seconds / median seconds): the random trials
    that it stands for, and what it costs.

    scores: (configurations, data sets), larger is better.
    log_seconds: of the same shape, the natural logarithm of the seconds of one training; the unit plays no part.
    """
    shares = np.maximum(shares_at_least_as_good(scores), _LEAST)
    return -np.log(shares) - price * (log_seconds - np.median(log_seconds, axis=0))


def starting_points(worth: Array, count: int = 5) -> list[int]:
    """Choose the rows of `count` starting points, the one to try first at the front.

    Each point is the one that raises most what the best of the points so far is worth, on average over the data
    sets.

    worth: (configurations, data sets), larger is better.
    """
    best = np.full(worth.shape[1], -np.inf)
    chosen: list[int] = []
    for _ in range(min(count, len(worth))):
        means = np.maximum(worth, best).mean(axis=1)
        means[chosen] = -np.inf
        chosen.append(int(np.argmax(means)))
        best = np.maximum(best, worth[chosen[-1]])
    return chosen


def narrower_ranges(values: Array, worth: Array, *, best: float = 0.02) -> Array:
    """The range of each field in which nine in ten of the best configurations lie: (fields, 2), low and high.

    The best are those that are worth most, on average over the data sets.

    values: (configurations, fields), numbers.
    worth: (configurations, data sets), larger is better.
    best: the share of the configurations that count as the best.
    """
    rows = np.argsort(-worth.mean(axis=1), kind="stable")[: max(1, round(best * len(values)))]
    return np.quantile(values[rows], (0.05, 0.95), axis=0).T
