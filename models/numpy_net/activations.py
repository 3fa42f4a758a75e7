"""What stands between the layers, each beside its slope; derived in `backpropagation.md`, (20) to (24)."""

import math
from collections.abc import Callable

import numpy as np

from mlpsearch.models.arrays import Floats

LEAK = 0.01  # slope of the leaky ReLU below 0
# Of the GELU in the form that needs no error function, which NumPy has not (Hendrycks & Gimpel 2016).
GELU_SCALE, GELU_CUBE = math.sqrt(2 / math.pi), 0.044715

# Makes a = f(z) of z, in its place, and fills the second array, where there is one, with f'(z).
Activation = Callable[[Floats, Floats | None], None]


def relu(z: Floats, slope: Floats | None) -> None:
    """Make max(z, 0). Training does without its slope: (9) tells it from a."""
    if slope is not None:
        np.greater(z, 0, out=slope)
    np.maximum(z, 0, out=z)  # (2)


def leaky_relu(z: Floats, slope: Floats | None) -> None:
    """Make LEAK · z of what is below 0 (Maas et al. 2013)."""
    slopes = np.where(z > 0, z.dtype.type(1), z.dtype.type(LEAK))  # (21)
    z *= slopes
    if slope is not None:
        slope[...] = slopes


def tanh(z: Floats, slope: Floats | None) -> None:
    """Make tanh(z)."""
    a = np.tanh(z, out=z)
    if slope is not None:
        np.multiply(a, a, out=slope)
        np.subtract(1, slope, out=slope)  # (22)


def silu(z: Floats, slope: Floats | None) -> None:
    """Make z · s, with s = 1 / (1 + exp(-z)) (Elfwing et al. 2018, https://arxiv.org/abs/1702.03118)."""
    s = 1 / (1 + np.exp(-z))
    a = np.multiply(z, s, out=z)
    if slope is not None:
        np.multiply(a, 1 - s, out=slope)
        slope += s  # (23)


def gelu(z: Floats, slope: Floats | None) -> None:
    """Make z / 2 · (1 + tanh(u)), with u = √(2/π) · (z + 0.044715 z³) (https://arxiv.org/abs/1606.08415)."""
    squares = z * z
    t = np.tanh(GELU_SCALE * z * (1 + GELU_CUBE * squares))
    if slope is not None:
        inner = GELU_SCALE * (1 + 3 * GELU_CUBE * squares)  # ∂u/∂z
        np.multiply(0.5 * z * (1 - t * t), inner, out=slope)
        slope += 0.5 * (1 + t)  # (24)
    z *= 0.5 * (1 + t)


ACTIVATIONS: dict[str, Activation] = {
    "relu": relu,
    "leaky-relu": leaky_relu,
    "gelu": gelu,
    "silu": silu,
    "tanh": tanh,
}
