"""The net's passes, forward and backward, to be read beside `backpropagation.md`, which derives every line.

Its equation numbers, (1) to (24), stand here and in the comments of the modules that this one names. For a batch
of N images, with a(0) the images and layers l = 1 … L:

    z(l) = a(l-1) W(l) + b(l)        a(l) = max(z(l), 0) on hidden layers        p = softmax(z(L))
    J = -1/N · Σᵢ log p[i, yᵢ] + λ · Σ_l ‖W(l)‖²

In the code, layers count from 0: `weights[l-1]` is W(l), `deltas[l-1]` is δ(l), and `outputs[l]` is a(l), for
l = L the logits. All is written into arrays that are there: a(l) takes the place of z(l). Losses are in `loss.py`,
batch normalisation in `normalization.py`, and what may stand in place of the ReLU in `activations.py`.
"""

import numpy as np

from mlpsearch.models.arrays import Floats
from mlpsearch.models.initialization import Parameters
from mlpsearch.models.numpy_net.activations import Activation
from mlpsearch.models.numpy_net.normalization import Normalization


def forward(
    net: Parameters,
    outputs: list[Floats],
    normalizations: list[Normalization],
    masks: list[Floats | None],
    activation: Activation,
    slopes: list[Floats],
) -> None:
    """Make a(1) … a(L-1) and z(L) of outputs[0], the images.

    normalizations: of each hidden layer, or none.
    masks: of a(0) … a(L-1), r in (15); None where nothing is dropped.
    slopes: of each hidden layer, to be filled with f'(z) ⊙ r; none for the ReLU, whose a tells it.
    """
    if (mask := masks[0]) is not None:
        outputs[0] = np.multiply(outputs[0], mask, out=mask)  # (15) the images themselves stay as they are
    for layer, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        z = np.matmul(outputs[layer], weight, out=outputs[layer + 1])  # (1) (N, in) @ (in, out) -> (N, out)
        if layer < len(normalizations):
            normalizations[layer].forward(z, net.gammas[layer])  # (10), (11)
        z += bias  # (1), (11) (N, out) + (out,)
        if layer < len(net.weights) - 1:
            activation(z, slopes[layer] if slopes else None)  # (2), (20)
            if (mask := masks[layer + 1]) is not None:
                z *= mask  # (15), z being a by now
                if slopes:
                    slopes[layer] *= mask


def backward(
    net: Parameters,
    gradients: Parameters,
    outputs: list[Floats],
    deltas: list[Floats],
    normalizations: list[Normalization],
    dropout: float,
    slopes: list[Floats],
) -> None:
    """Fill the gradients, those of the penalty left out, from δ(L), deltas[L-1], down; make all other δ.

    outputs, normalizations, slopes: as `forward` left them.  dropout: the share of hidden units that it left out.
    """
    for layer in reversed(range(len(net.weights))):
        a, delta = outputs[layer], deltas[layer]
        db = np.sum(delta, axis=0, out=gradients.biases[layer])  # (7), (12) (N, out) -> (out,)
        if layer < len(normalizations):
            normalizations[layer].backward(delta, db, net.gammas[layer], gradients.gammas[layer])  # (12), (13)
        np.matmul(a.T, delta, out=gradients.weights[layer])  # (6) (in, N) @ (N, out) -> (in, out)
        if layer > 0:  # the images need no gradient
            below = np.matmul(delta, net.weights[layer].T, out=deltas[layer - 1])  # (9) (N, out) @ (out, in)
            if slopes:
                below *= slopes[layer - 1]  # (20)
                continue
            below *= a > 0  # (9) the ReLU's slope; a > 0 exactly where z > 0
            if dropout:
                below *= 1 / (1 - dropout)  # (15) where r is 0, a is


def predict(
    net: Parameters,
    outputs: list[Floats],
    normalizations: list[Normalization],
    activation: Activation,
    *,
    measure: bool,
) -> None:
    """Make a(1) … a(L-1) and z(L) of outputs[0], the images, with the means and variances of predictions.

    measure: take those from these images first.
    """
    for layer, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        z = np.matmul(outputs[layer], weight, out=outputs[layer + 1])  # (1)
        if layer < len(normalizations):
            if measure:
                normalizations[layer].measure(z)
            normalizations[layer].predict(z, net.gammas[layer])  # (14)
        z += bias  # (1), (14)
        if layer < len(net.weights) - 1:
            activation(z, None)  # (2), (20)
