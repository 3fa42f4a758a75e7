"""The metrics as scikit-learn counts them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import metrics as sklearn_metrics

Logits = np.ndarray[Any, np.dtype[np.float64]]
Labels = np.ndarray[Any, np.dtype[np.int64]]


def probabilities(logits: Logits) -> Logits:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def sklearn_auc(logits: Logits, labels: Labels) -> float:
    shares = probabilities(logits)
    if shares.shape[1] == 2:
        return float(sklearn_metrics.roc_auc_score(labels, shares[:, 1]))
    present = np.unique(labels)
    return float(np.mean([sklearn_metrics.roc_auc_score(labels == one, shares[:, one]) for one in present]))


ORACLES: dict[str, Callable[[Logits, Labels], float]] = {
    "accuracy": lambda logits, labels: sklearn_metrics.accuracy_score(labels, logits.argmax(axis=1)),
    "balanced-accuracy": lambda logits, labels: sklearn_metrics.balanced_accuracy_score(
        labels, logits.argmax(axis=1)
    ),
    "macro-f1": lambda logits, labels: sklearn_metrics.f1_score(
        labels, logits.argmax(axis=1), average="macro", zero_division=0
    ),
    "auc": sklearn_auc,
    "log-loss": lambda logits, labels: sklearn_metrics.log_loss(
        labels, probabilities(logits), labels=range(logits.shape[1])
    ),
}
