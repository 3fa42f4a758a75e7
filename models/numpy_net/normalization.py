"""Batch normalisation of one hidden layer, forward and backward, on a batch of N images.

Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167. The numbers are those of `backpropagation.md`. The paper's
β is the layer's bias b(l): a bias before the normalisation would be subtracted again with the mean.
"""

import numpy as np

from mlpsearch.models.arrays import Floats

EPSILON = 1e-5  # a unit that is the same for all images is not divided by 0


def normalize(z: Floats, deviations: Floats) -> None:
    """Make ẑ of z(l), (N, units), in its place; write √(variance + ε) of each unit into deviations, (units,)."""
    z -= z.mean(axis=0)
    np.einsum("ij,ij->j", z, z, out=deviations)
    deviations /= len(z)
    deviations += EPSILON
    np.sqrt(deviations, out=deviations)
    z /= deviations  # (10)


def normalize_backward(
    delta: Floats,
    normalized: Floats,
    gamma: Floats,
    deviations: Floats,
    gamma_gradient: Floats,
    bias_gradient: Floats,
) -> None:
    """Make δ(l) of the gradient by γ ẑ + b, (N, units), in its place; fill the gradients, (units,), by γ and b.

    normalized: ẑ, which is overwritten.  deviations: as `normalize` wrote them.
    """
    np.sum(delta, axis=0, out=bias_gradient)  # (12)
    np.einsum("ij,ij->j", delta, normalized, out=gamma_gradient)  # (12)
    normalized *= gamma_gradient / len(delta)
    delta -= normalized
    delta -= bias_gradient / len(delta)
    delta *= gamma / deviations  # (13)
