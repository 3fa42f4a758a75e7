"""A fully-connected ReLU net in NumPy, with back-propagation written out.

The derivation of every line is in `backpropagation.md` beside this file; its equation numbers, (1) to (9),
stand here in the comments. For a batch of N images, with a(0) the images and layers l = 1 … L:

    z(l) = a(l-1) W(l) + b(l)        a(l) = max(z(l), 0) on hidden layers        p = softmax(z(L))
    J = -1/N · Σᵢ log p[i, yᵢ] + λ · Σ_l ‖W(l)‖²

In the code, `outputs[l]` is a(l) for l < L and the logits for l = L, `weights[l-1]` is W(l).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.config import TrainConfig
from models.initialization import initial_parameters, layer_sizes
from models.net import Floats, Labels
from models.optimizers import SGD, Adam, Optimizer


class NumpyNet:
    """The net and its optimiser.

    inputs: pixels of an image. classes: size of the output layer.
    dtype: of all arithmetic; float32 to train, float64 to check gradients.
    """

    def __init__(self, *, inputs: int, classes: int, config: TrainConfig, dtype: type[np.floating] = np.float32):
        self.learning_rate = config.learning_rate
        self._regularization = config.regularization
        self._dtype = dtype
        self._sizes = layer_sizes(inputs, classes, config)
        self._weights, self._biases = initial_parameters(inputs, classes, config, dtype)
        self._weight_gradients = [np.empty_like(weight) for weight in self._weights]
        self._bias_gradients = [np.empty_like(bias) for bias in self._biases]
        self._parameters = [*self._weights, *self._biases]
        self._optimizer: Optimizer = (
            SGD(self._parameters, config.momentum) if config.optimizer == "sgd" else Adam(self._parameters)
        )
        self._outputs: list[Floats] = []
        self._deltas: list[Floats] = []

    @property
    def weights(self) -> list[Floats]:
        """Of each layer, (inputs, outputs). Setting copies values of the same shapes."""
        return self._weights

    @weights.setter
    def weights(self, values: list[Floats]) -> None:
        _copy_into(self._weights, values)

    @property
    def biases(self) -> list[Floats]:
        """Of each layer, (outputs,). Setting copies values of the same shapes."""
        return self._biases

    @biases.setter
    def biases(self, values: list[Floats]) -> None:
        _copy_into(self._biases, values)

    # ---- forward -------------------------------------------------------------------------------------------

    def logits(self, images: Floats) -> Floats:
        """Return z(L), (N, classes), of images (N, inputs)."""
        return self._forward(np.asarray(images, self._dtype)).copy()

    def probabilities(self, images: Floats) -> Floats:
        """Return softmax(z(L)), (N, classes), each row adding up to 1."""
        return softmax(self.logits(images))

    def predict(self, images: Floats) -> Labels:
        """Return the most probable class of each image, (N,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            labels: Labels = self._forward(np.asarray(images, self._dtype)).argmax(axis=1)
        return labels

    def _forward(self, images: Floats) -> Floats:
        """Fill outputs[1:] from outputs[0] = images; return the logits, which the next call overwrites."""
        outputs = self._outputs_for(images)
        for layer, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True), start=1):
            np.matmul(outputs[layer - 1], weight, out=outputs[layer])  # (1) (N, in) @ (in, out) -> (N, out)
            outputs[layer] += bias  # (N, out) + (out,)
            if layer < len(self._weights):
                np.maximum(outputs[layer], 0, out=outputs[layer])  # (2) ReLU
        return outputs[-1]

    # ---- backward ------------------------------------------------------------------------------------------

    def loss_and_gradients(self, images: Floats, labels: Labels) -> tuple[float, list[Floats], list[Floats]]:
        """Return J and its gradients by weights and biases, for images (N, inputs) and labels (N,)."""
        loss = self._backward(np.asarray(images, self._dtype), labels)
        return loss, [g.copy() for g in self._weight_gradients], [g.copy() for g in self._bias_gradients]

    def train_batch(self, images: Floats, labels: Labels) -> float:
        """Take one optimiser step on images (N, inputs) and labels (N,); return J before the step."""
        # A diverging run overflows: its loss says so, and the epoch loop stops it.
        with np.errstate(over="ignore", invalid="ignore"):
            loss = self._backward(np.asarray(images, self._dtype), labels)
            self._optimizer.step([*self._weight_gradients, *self._bias_gradients], self.learning_rate)
        return loss

    def _backward(self, images: Floats, labels: Labels) -> float:
        """Fill the gradients; return J."""
        logits = self._forward(images)
        outputs, deltas = self._outputs_for(images), self._deltas_for(images)
        loss = cross_entropy(logits, labels, out=deltas[-1])  # (3), (5) δ(L) = (p - onehot(y)) / N
        for layer in reversed(range(len(self._weights))):
            weight, delta = self._weights[layer], deltas[layer]
            gradient = self._weight_gradients[layer]
            np.matmul(outputs[layer].T, delta, out=gradient)  # (6) (in, N) @ (N, out) -> (in, out)
            np.sum(delta, axis=0, out=self._bias_gradients[layer])  # (7) (N, out) -> (out,)
            if self._regularization:
                loss += self._regularization * float(np.vdot(weight, weight))
                gradient += 2 * self._regularization * weight  # (8)
            if layer > 0:  # the images need no gradient
                np.matmul(delta, weight.T, out=deltas[layer - 1])  # (9) (N, out) @ (out, in) -> (N, in)
                deltas[layer - 1] *= outputs[layer] > 0  # the ReLU's slope; a > 0 exactly where z > 0
        return loss

    # ---- buffers and state ---------------------------------------------------------------------------------

    def _outputs_for(self, images: Floats) -> list[Floats]:
        """[images, then a buffer of N rows for each layer]; buffers grow to the largest batch seen."""
        count = len(images)
        if not self._outputs or len(self._outputs[0]) < count:
            self._outputs = [np.empty((count, size), self._dtype) for size in self._sizes[1:]]
        return [images, *(buffer[:count] for buffer in self._outputs)]

    def _deltas_for(self, images: Floats) -> list[Floats]:
        count = len(images)
        if not self._deltas or len(self._deltas[0]) < count:
            self._deltas = [np.empty((count, size), self._dtype) for size in self._sizes[1:]]
        return [buffer[:count] for buffer in self._deltas]

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of weights, biases and optimiser state, by name."""
        state = named_parameters(self._weights, self._biases) | self._optimizer.state()
        return {name: array.copy() for name, array in state.items()}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of a net of the same configuration."""
        self.weights = [state[f"weight.{i}"] for i in range(len(self._weights))]
        self.biases = [state[f"bias.{i}"] for i in range(len(self._biases))]
        self._optimizer.load_state(state)


def softmax(logits: Floats) -> Floats:
    """Return exp(z) / Σ exp(z) by row, shifted by the row's maximum so that nothing overflows."""
    exponentials: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials


def cross_entropy(logits: Floats, labels: Labels, out: Floats) -> float:
    """Return -1/N · Σ log softmax(logits)[i, yᵢ]; write its gradient by the logits, (N, classes), into out.

    log p[i, y] = z[i, y] - max - log Σ exp(z - max): the logarithm never sees a rounded-off probability.
    """
    count, rows = len(logits), np.arange(len(logits))
    np.subtract(logits, logits.max(axis=1, keepdims=True), out=out)
    correct = out[rows, labels]
    np.exp(out, out=out)
    sums = out.sum(axis=1)
    loss = float((np.log(sums) - correct).mean())  # (3)
    out /= sums[:, None]  # p
    out[rows, labels] -= 1  # (4) p - 1 at the true class, p at the others
    out /= count  # (5)
    return loss


def named_parameters(weights: list[Floats], biases: list[Floats]) -> dict[str, Floats]:
    """The names under which parameters are kept in files: weight.0, weight.1, …, bias.0, bias.1, …"""
    named = {f"weight.{i}": weight for i, weight in enumerate(weights)}
    return named | {f"bias.{i}": bias for i, bias in enumerate(biases)}


def _copy_into(arrays: list[Floats], values: list[Floats]) -> None:
    if [array.shape for array in arrays] != [np.shape(value) for value in values]:
        raise ValueError(f"shapes {[np.shape(v) for v in values]}: must be {[a.shape for a in arrays]}")
    for array, value in zip(arrays, values, strict=True):
        array[...] = value
