"""Starting points and ranges that are good on many data sets, and cheap: how a table of results says them.

The table has a row for each configuration and a column for each data set; every configuration was trained on every
data set. To judge points on a data set, choose them without its column.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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


def scores_of(shares: Array, log_seconds: Array, *, price: float, least: float) -> Array:
    """What each configuration is worth on each data set in random trials, and what it costs, as logarithms.

    It is -log(share) - price * log(seconds / median seconds).
    """
    return -np.log(np.maximum(shares, least)) - price * (log_seconds - np.median(log_seconds, axis=0))


def starting_points(
    shares: Array, log_seconds: Array, count: int = 5, *, price: float = 0.6, least: float = 1 / 3000
) -> list[int]:
    """Choose the rows of `count` starting points, the one to try first at the front.

    Each point is the one that raises most the best score of the points so far, on average over the data sets.

    shares: (configurations, data sets), the share of configurations at least as good, above 0 and at most 1.
    log_seconds: (configurations, data sets), the natural logarithm of the seconds of one training; the unit plays
        no part.
    price: 0 chooses by shares alone.
    least: shares below it count as equal, so that no single data set's best configuration outweighs the others.
    """
    scores = scores_of(shares, log_seconds, price=price, least=least)
    best = np.full(scores.shape[1], -np.inf)
    chosen: list[int] = []
    for _ in range(min(count, len(scores))):
        means = np.maximum(scores, best).mean(axis=1)
        means[chosen] = -np.inf
        chosen.append(int(np.argmax(means)))
        best = np.maximum(best, scores[chosen[-1]])
    return chosen


def narrower_ranges(
    values: Array,
    shares: Array,
    log_seconds: Array,
    *,
    price: float = 0.6,
    best: float = 0.02,
    least: float = 1 / 3000,
) -> Array:
    """The range of each field in which nine in ten of the best configurations lie: (fields, 2), low and high.

    The best are those of the highest scores (starting_points), on average over the data sets.

    values: (configurations, fields), numbers.
    best: the share of the configurations that count as the best.
    """
    means = scores_of(shares, log_seconds, price=price, least=least).mean(axis=1)
    rows = np.argsort(-means, kind="stable")[: max(1, round(best * len(values)))]
    return np.quantile(values[rows], (0.05, 0.95), axis=0).T
