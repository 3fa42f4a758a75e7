"""Which of several nets to average, and how often each: greedy selection with replacement.

In each round the net joins whose probabilities make the average of all that have joined so far best on some rows
with known classes; one may join again and again. The best round counts, the first of equals (Caruana et al.
2004, Ensemble selection from libraries of models, https://doi.org/10.1145/1015330.1015432, without their bagging).

The rows that choose flatter the choice. So it is made three times: on all rows, and on each half of them to be
scored on the other half, which had no say.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.arrays import Labels
from mlpsearch.models.ensemble import average_log_probabilities
from mlpsearch.models.scores import LOG_LOSS, Array, Metric

ROUNDS = 25
_DIGITS = 12  # after the point, of scores and losses; what is less apart is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """How often each net was chosen, (nets,) int64.

    score: of their average on the rows that chose them, by the metric.
    unseen: the mean of what a choice by each half of the rows reaches on the other half; None where a half has no
        such score.
    """

    counts: NDArray[np.int64]
    score: float
    unseen: float | None


def select(log_probabilities: Array, labels: Labels, metric: Metric) -> Selection:
    """Choose nets for the best score of their average, by up to ROUNDS joins.

    log_probabilities: (nets, rows, classes), finite, of rows of these classes (rows,).
    """
    counts = greedy_counts(log_probabilities, labels, metric)
    score = metric.score(_average(log_probabilities, counts), labels)
    return Selection(counts, score, _unseen(log_probabilities, labels, metric))


def greedy_counts(log_probabilities: Array, labels: Labels, metric: Metric) -> NDArray[np.int64]:
    """Return how often each net is chosen, (nets,).

    Of nets that make the average score the same, the one joins that makes its log loss lower, the first of equals.
    """
    counts = np.zeros(len(log_probabilities), np.int64)
    best, best_counts = (np.inf, np.inf), counts
    total = np.full(log_probabilities.shape[1:], -np.inf)  # log Σ p of those that have joined
    for _ in range(ROUNDS):
        ranks = [_rank(metric, np.logaddexp(total, one), labels) for one in log_probabilities]
        first = np.flatnonzero(np.equal(ranks, min(ranks)))
        losses = [_rank(LOG_LOSS, np.logaddexp(total, log_probabilities[one]), labels) for one in first]
        rank, chosen = (min(ranks), min(losses)), first[np.argmin(losses)]
        counts[chosen] += 1
        total = np.logaddexp(total, log_probabilities[chosen])
        if rank < best:
            best, best_counts = rank, counts.copy()
    return best_counts


def halves(labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of two halves, of each class every other row."""
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[::2]), np.sort(by_class[1::2])


def _unseen(log_probabilities: Array, labels: Labels, metric: Metric) -> float | None:
    parts = halves(labels)
    if not all(len(part) and metric.is_defined(labels[part]) for part in parts):
        return None
    scores = []
    for choosing, scored in (parts, parts[::-1]):
        counts = greedy_counts(log_probabilities[:, choosing], labels[choosing], metric)
        scores.append(metric.score(_average(log_probabilities[:, scored], counts), labels[scored]))
    return float(np.mean(scores))


def _average(log_probabilities: Array, counts: NDArray[np.int64]) -> Array:
    chosen = np.flatnonzero(counts)
    return average_log_probabilities(log_probabilities[chosen], [*(counts[chosen] / counts.sum()).tolist()])


def _rank(metric: Metric, logits: Array, labels: Labels) -> float:
    return round(metric.rank(metric.score(logits, labels)), _DIGITS)
