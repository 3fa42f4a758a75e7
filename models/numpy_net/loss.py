"""The loss J and where its gradients begin; the numbers are those of `backpropagation.md`."""

import numpy as np

from mlpsearch.models.arrays import Floats, Labels


def softmax(logits: Floats) -> Floats:
    """Return exp(z) / Σ exp(z) by row, shifted by the row's maximum so that nothing overflows."""
    exponentials: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials


def cross_entropy(
    logits: Floats, labels: Labels, out: Floats, smoothing: float = 0.0, class_weights: Floats | None = None
) -> float:
    """Return -1/N · Σ log softmax(logits)[i, yᵢ]; write its gradient by the logits, (N, classes), into out.

    smoothing: share of each target that is spread evenly over all classes.
    class_weights: factor on the terms of the rows of each class; None for 1.
    log p[i, y] = z[i, y] - max - log Σ exp(z - max): the logarithm never sees a rounded-off probability.
    """
    count, rows = len(logits), np.arange(len(logits))
    np.subtract(logits, logits.max(axis=1, keepdims=True), out=out)
    correct = out[rows, labels]
    if smoothing:
        correct = (1 - smoothing) * correct + smoothing * out.mean(axis=1)  # (16)
    np.exp(out, out=out)
    sums = out.sum(axis=1)
    losses = np.log(sums) - correct
    weights = None if class_weights is None else class_weights[labels]
    loss = float((losses if weights is None else weights * losses).mean())  # (3), (18)
    out /= sums[:, None]  # p
    out[rows, labels] -= 1 - smoothing  # (4) p - 1 at the true class, p at the others
    if smoothing:
        out -= smoothing / out.shape[1]  # (17)
    out /= count  # (5)
    if weights is not None:
        out *= weights[:, None]  # (19)
    return loss


def penalty(weights: Floats, strength: float, gradients: Floats, scratch: Floats) -> float:
    """Return λ · Σ‖W‖² of all weights in one vector, and add its gradient to theirs.

    strength: λ.  scratch: as large as weights; it is overwritten.
    """
    gradients += np.multiply(weights, 2 * strength, out=scratch)  # (8)
    return strength * float(np.vdot(weights, weights))  # (3)
