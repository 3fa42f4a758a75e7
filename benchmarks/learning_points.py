"""Starting points that are good on many data sets, and cheap: the rule that chooses them from a table of results.

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


def starting_points(
    shares: Array, log_seconds: Array, count: int = 5, *, price: float = 0.6, least: float = 1 / 3000
) -> list[int]:
    """Choose the rows of `count` starting points, the one to try first at the front.

    A configuration's score on a data set is -log(share) - price * log(seconds): what it is worth in random trials,
    and what it costs. Each point is the one that raises most the best score of the points so far, on average over
    the data sets.

    shares: (configurations, data sets), the share of configurations at least as good, above 0 and at most 1.
    log_seconds: (configurations, data sets), the natural logarithm of the seconds of one training; the unit plays
        no part.
    price: 0 chooses by shares alone.
    least: shares below it count as equal, so that no single data set's best configuration outweighs the others.
    """
    scores = -np.log(np.maximum(shares, least)) - price * (log_seconds - np.median(log_seconds, axis=0))
    best = np.full(scores.shape[1], -np.inf)
    chosen: list[int] = []
    for _ in range(min(count, len(scores))):
        means = np.maximum(scores, best).mean(axis=1)
        means[chosen] = -np.inf
        chosen.append(int(np.argmax(means)))
        best = np.maximum(best, scores[chosen[-1]])
    return chosen
