"""Batch normalisation (Ioffe & Szegedy 2015, https://arxiv.org/abs/1502.03167), of `backpropagation.md`.

The paper's β is the layer's bias b(l), which the net adds: a bias before the normalisation would be subtracted
again with the mean.
"""

import numpy as np

from mlpsearch.models.arrays import Floats
from mlpsearch.models.numpy_net.buffers import Buffers

EPSILON = 1e-5  # a unit that is the same for all images is not divided by 0


class Normalization:
    """The normalisation of one hidden layer's z, (N, units); its parameters γ, (units,), come with each call.

    mean, variance: of each unit, (units,), those of predictions.
    normalized, deviations: ẑ, (N, units), and σ = √(variance + ε), (units,), of the last batch that went forward.
    """

    def __init__(self, units: int, dtype: type[np.floating]):
        self.mean = np.zeros(units, dtype)
        self.variance = np.ones(units, dtype)
        self.deviations = np.ones(units, dtype)
        self.normalized: Floats = np.empty((0, units), dtype)
        self._buffers = Buffers([units], dtype)

    def forward(self, z: Floats, gamma: Floats) -> None:
        """Make γ ẑ of z, in its place, with the mean and the variance of the batch."""
        [self.normalized] = self._buffers.rows(len(z))
        normalized, deviations = self.normalized, self.deviations
        np.subtract(z, z.mean(axis=0), out=normalized)
        np.einsum("ij,ij->j", normalized, normalized, out=deviations)
        deviations /= len(z)
        deviations += EPSILON
        np.sqrt(deviations, out=deviations)
        normalized /= deviations  # (10)
        np.multiply(normalized, gamma, out=z)  # (11) but for b

    def backward(self, delta: Floats, bias_gradient: Floats, gamma: Floats, gamma_gradient: Floats) -> None:
        """Make δ of the gradient by γ ẑ + b, in its place, after `forward`, whose ẑ is overwritten.

        bias_gradient: db, known.  gamma_gradient: where dγ goes.
        """
        normalized = self.normalized
        np.einsum("ij,ij->j", delta, normalized, out=gamma_gradient)  # (12)
        normalized *= gamma_gradient / len(delta)
        delta -= normalized
        delta -= bias_gradient / len(delta)
        delta *= gamma / self.deviations  # (13)

    def measure(self, z: Floats) -> None:
        """Take the mean and the variance of predictions from z."""
        self.mean[...], self.variance[...] = z.mean(axis=0), z.var(axis=0)

    def predict(self, z: Floats, gamma: Floats) -> None:
        """Make γ ẑ of z, in its place, with the mean and the variance of predictions."""
        z -= self.mean
        z *= gamma / np.sqrt(self.variance + EPSILON)  # (14) but for b
