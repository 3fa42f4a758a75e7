"""What nets are ranked by: accuracy and its alternatives, computed from logits, with which direction is better.

Each is computed from rows that may count several times, so that a bootstrap (models/score_interval.py) draws rows
by counting them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.arrays import Floats, Labels

Array = NDArray[np.float64]
Scorer = Callable[[Array], Array]  # how often each row counts, (draws, N) → the score of each draw, (draws,)


@dataclass(frozen=True, slots=True)
class Metric:
    """One way to say how good a net is on some rows.

    name: in a study file.  title: for people.
    scorer: makes a Scorer from logits (N, classes), float64, and labels (N,).
    lower_is_better: whether less is better.  is_percentage: whether people read it as a percentage.
    needs_two_classes: whether rows of one class alone have no such score.
    """

    name: str
    title: str
    scorer: Callable[[Array, Labels], Scorer]
    lower_is_better: bool = False
    is_percentage: bool = True
    needs_two_classes: bool = False

    @property
    def extreme(self) -> str:
        """Return what the best score is: "highest" or "lowest"."""
        return "lowest" if self.lower_is_better else "highest"

    def score(self, logits: Floats, labels: Labels) -> float:
        """Return the score of a net with these logits (N, classes) on rows of these classes (N,).

        It is finite, but for rows of one class where it needs two: then it is NaN.
        """
        return float(self.of_rows(logits, labels)(np.ones((1, len(labels))))[0])

    def of_rows(self, logits: Floats, labels: Labels) -> Scorer:
        """Return what gives the score for any number of each row, of the same net on the same rows."""
        if not self.is_defined(labels):
            return lambda counts: np.full(len(counts), np.nan)
        return self.scorer(finite(logits), labels)

    def is_defined(self, labels: Labels) -> bool:
        """Whether rows of these classes have such a score."""
        return not self.needs_two_classes or bool((labels != labels[0]).any())

    def better(self, one: float, other: float) -> bool:
        """Whether one score is better than the other, and not the same."""
        return one < other if self.lower_is_better else one > other

    def gain(self, one: float, other: float) -> float:
        """By how much one score is better than the other; below 0 where it is worse."""
        return other - one if self.lower_is_better else one - other

    def rank(self, score: float) -> float:
        """What to sort by, the best first: the score, or minus the score."""
        return score if self.lower_is_better else -score

    def best(self, scores: Iterable[float]) -> float:
        """Return the best of at least one score."""
        return min(scores, key=self.rank)


def finite(logits: Floats) -> Array:
    """Return logits in float64. Where a net's answer for a row is no number, all classes are alike there."""
    numbers = np.asarray(logits, np.float64)
    known = np.isfinite(numbers).all(axis=1, keepdims=True)
    return numbers if known.all() else np.where(known, numbers, 0.0)


def log_probabilities(logits: Array) -> Array:
    """Return log softmax(z) = z - max - log Σ exp(z - max) by row; no probability is rounded or clipped first."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def losses(logits: Floats, labels: Labels) -> Array:
    """Return -log p[i, yᵢ] of each row, (N,)."""
    return np.asarray(0.0 - log_probabilities(finite(logits))[np.arange(len(labels)), labels])


def second_choice_losses(logits: Floats) -> Array:
    """Return what the loss of each row would be, (N,), were its class the one that the net puts second."""
    return np.asarray(0.0 - np.partition(log_probabilities(finite(logits)), -2, axis=1)[:, -2])


def _accuracy(logits: Array, labels: Labels) -> Scorer:
    right = (logits.argmax(axis=1) == labels).astype(np.float64)
    return lambda counts: counts @ right / counts.sum(axis=1)


def _log_loss(logits: Array, labels: Labels) -> Scorer:
    of_rows = losses(logits, labels)
    return lambda counts: counts @ of_rows / counts.sum(axis=1)


def _balanced_accuracy(logits: Array, labels: Labels) -> Scorer:
    """The mean recall over the classes that there are rows of."""
    classes, right = logits.shape[1], logits.argmax(axis=1) == labels

    def of(counts: Array) -> Array:
        return _mean_ratio(_by_class(counts * right, labels, classes), _by_class(counts, labels, classes))

    return of


def _macro_f1(logits: Array, labels: Labels) -> Scorer:
    """The mean F1 = 2 · right / (rows + predictions) over the classes that there are rows or predictions of."""
    classes, predictions = logits.shape[1], logits.argmax(axis=1)

    def of(counts: Array) -> Array:
        right = _by_class(counts * (predictions == labels), labels, classes)
        rows_and_predictions = _by_class(counts, labels, classes) + _by_class(counts, predictions, classes)
        return _mean_ratio(2 * right, rows_and_predictions)

    return of


def _by_class(counts: Array, of_rows: Labels, classes: int) -> Array:
    """Sums of counts, (draws, N) → (draws, classes)."""
    cells = np.arange(len(counts))[:, None] * classes + of_rows
    sums = np.bincount(cells.ravel(), counts.ravel(), len(counts) * classes)
    return np.asarray(sums.reshape(len(counts), classes), np.float64)


def _mean_ratio(parts: Array, wholes: Array) -> Array:
    """The mean over the classes that have a whole, (draws, classes) → (draws,)."""
    ratios = np.divide(parts, wholes, out=np.zeros_like(parts), where=wholes > 0)
    return np.asarray(ratios.sum(axis=1) / (wholes > 0).sum(axis=1))


def _auc(logits: Array, labels: Labels) -> Scorer:
    """Of two classes Mann and Whitney's: how often a row of the second has the higher logit difference, ties half.

    Of more the mean over the classes that there are rows of, each against all others by its probability.
    """
    if logits.shape[1] == 2:
        parts = [_against_others(logits[:, 1] - logits[:, 0], labels == 1)]
    else:
        shares = log_probabilities(logits)
        parts = [_against_others(shares[:, one], labels == one) for one in np.unique(labels)]
    return lambda counts: np.mean([part(counts) for part in parts], axis=0)


def _against_others(values: Array, inside: NDArray[np.bool_]) -> Scorer:
    """How often, of a row inside and one outside, the first has the higher value; ties are half.

    Both sides need rows that count.
    """
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.diff(values[order], prepend=-np.inf))  # of the rows that share a value
    is_inside = inside[order]

    def of(counts: Array) -> Array:
        ordered = counts[:, order]
        inner = np.add.reduceat(ordered * is_inside, starts, axis=1)
        outer = np.add.reduceat(ordered * ~is_inside, starts, axis=1)
        below = outer.cumsum(axis=1) - outer / 2
        return np.asarray((inner * below).sum(axis=1) / (inner.sum(axis=1) * outer.sum(axis=1)))

    return of


ACCURACY = Metric("accuracy", "accuracy", _accuracy)
LOG_LOSS = Metric("log-loss", "log loss", _log_loss, lower_is_better=True, is_percentage=False)

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        ACCURACY,
        Metric("balanced-accuracy", "balanced accuracy", _balanced_accuracy),
        Metric("macro-f1", "macro F1", _macro_f1),
        Metric("auc", "AUC", _auc, is_percentage=False, needs_two_classes=True),
        LOG_LOSS,
    )
}
