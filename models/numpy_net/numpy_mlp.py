"""A fully-connected ReLU net in NumPy, with back-propagation written out.

The derivation of every line is in `backpropagation.md` beside this file; its equation numbers, (1) to (17),
stand here and in `normalization.py` in the comments. For a batch of N images, with a(0) the images and layers
l = 1 … L:

    z(l) = a(l-1) W(l) + b(l)        a(l) = max(z(l), 0) on hidden layers        p = softmax(z(L))
    J = -1/N · Σᵢ log p[i, yᵢ] + λ · Σ_l ‖W(l)‖²

In the code, `outputs[l]` is a(l) for l < L and the logits for l = L, `weights[l-1]` is W(l).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.averaging import average, new_share
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.draws import DropoutMasks
from mlpsearch.models.errors import ConfigError
from mlpsearch.models.initialization import Parameters, initial_parameters, layer_sizes, named
from mlpsearch.models.inputs.batches import Batches
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.numpy_net.normalization import EPSILON, normalize, normalize_backward
from mlpsearch.models.numpy_net.optimizers import make_optimizer


class NumpyNet:
    """The net and its optimiser.

    inputs: what it gets of an image, all pixels or fewer components. classes: size of the output layer.
    dtype: of all arithmetic; float32 to train, float64 to check gradients.

    Raises ConfigError for the precision "bfloat16", which NumPy has not.
    """

    def __init__(self, *, inputs: int, classes: int, config: TrainConfig, dtype: type[np.floating] = np.float32):
        if config.precision != "float32":
            raise ConfigError(f"precision = {config.precision!r}: only the PyTorch net has it")
        self.learning_rate = config.learning_rate
        self._config = config
        self._dtype = dtype
        self._sizes = layer_sizes(inputs, classes, config)
        self._trained = initial_parameters(inputs, classes, config, dtype)
        self._averaged = self._trained.copy() if config.averaging else None
        self._gradients = self._trained.zeros()
        self._scratch = np.empty(self._trained.flat_weights.size if config.regularization else 0, dtype)
        self._optimizer = make_optimizer(self._trained, self._gradients, config)
        self._masks = DropoutMasks(config, self._sizes, dtype)
        self._steps = 0
        normalized = self._sizes[1:-1] if config.batch_normalization else []
        self._means = [np.zeros(size, dtype) for size in normalized]
        self._variances = [np.ones(size, dtype) for size in normalized]
        self._deviations = [np.ones(size, dtype) for size in normalized]
        self._outputs: list[Floats] = []
        self._deltas: list[Floats] = []
        self._normalized: list[Floats] = []

    @property
    def weights(self) -> list[Floats]:
        """Of each layer, (inputs, outputs). Setting copies values of the same shapes; an average starts there."""
        return self._trained.weights

    @weights.setter
    def weights(self, values: list[Floats]) -> None:
        _copy_into(self._trained.weights, values)
        _copy_into(self._predicting.weights, values)

    @property
    def biases(self) -> list[Floats]:
        """Of each layer, (outputs,). Setting copies values of the same shapes; an average starts there."""
        return self._trained.biases

    @biases.setter
    def biases(self, values: list[Floats]) -> None:
        _copy_into(self._trained.biases, values)
        _copy_into(self._predicting.biases, values)

    @property
    def _predicting(self) -> Parameters:
        return self._averaged or self._trained

    # ---- predicting ----------------------------------------------------------------------------------------

    def logits(self, images: Floats) -> Floats:
        """Return z(L), (N, classes), of images (N, inputs)."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._predict(np.asarray(images, self._dtype)).copy()

    def probabilities(self, images: Floats) -> Floats:
        """Return softmax(z(L)), (N, classes), each row adding up to 1."""
        return softmax(self.logits(images))

    def measure(self, images: Floats) -> None:
        """Take from images (N, inputs) the means and variances that batch normalisation uses in predictions."""
        with np.errstate(over="ignore", invalid="ignore"):
            self._predict(np.asarray(images, self._dtype), measuring=True)
        self._outputs = []  # far larger than a batch's

    def _predict(self, images: Floats, *, measuring: bool = False) -> Floats:
        """Return the logits, which the next call overwrites: (1) and (2), with fixed means and variances."""
        parameters, outputs = self._predicting, self._outputs_for(images)
        for layer, (weight, bias) in enumerate(zip(parameters.weights, parameters.biases, strict=True), start=1):
            output = np.matmul(outputs[layer - 1], weight, out=outputs[layer])
            if layer <= len(parameters.gammas):
                mean, variance = self._means[layer - 1], self._variances[layer - 1]
                if measuring:
                    mean[...], variance[...] = output.mean(axis=0), output.var(axis=0)
                output -= mean
                output *= parameters.gammas[layer - 1] / np.sqrt(variance + EPSILON)  # (14)
            output += bias
            if layer < len(parameters.weights):
                np.maximum(output, 0, out=output)
        return outputs[-1]

    # ---- training ------------------------------------------------------------------------------------------

    def batches(self, training: Split, config: TrainConfig, preprocessing: Preprocessing) -> Batches:
        """Return the training images as the net wants them."""
        return Batches(training, config, preprocessing)

    # ---- forward -------------------------------------------------------------------------------------------

    def _forward(self, images: Floats) -> list[Floats]:
        """Return a(0) … a(L-1) and the logits of a training step; the next call overwrites them."""
        net, outputs = self._trained, self._outputs_for(images)
        masks = self._masks(self._steps, len(images))
        if (mask := masks[0]) is not None:
            outputs[0] = np.multiply(images, mask, out=mask)  # (15)
        for layer, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True), start=1):
            output, hidden = outputs[layer], layer < len(net.weights)
            if hidden and net.gammas:
                normalized = self._normalized_for(images)[layer - 1]
                np.matmul(outputs[layer - 1], weight, out=normalized)
                normalize(normalized, self._deviations[layer - 1])  # (10)
                np.multiply(normalized, net.gammas[layer - 1], out=output)  # (11)
            else:
                np.matmul(outputs[layer - 1], weight, out=output)  # (1) (N, in) @ (in, out) -> (N, out)
            output += bias  # (N, out) + (out,)
            if hidden:
                np.maximum(output, 0, out=output)  # (2) ReLU
                if (mask := masks[layer]) is not None:
                    output *= mask  # (15)
        return outputs

    # ---- backward ------------------------------------------------------------------------------------------

    def loss_and_gradients(self, images: Floats, labels: Labels) -> tuple[float, dict[str, Floats]]:
        """Return J and its gradients by each array that is trained, by name, as the next step would see them."""
        loss = self._backward(np.asarray(images, self._dtype), labels)
        return loss, self._gradients.copy().named()

    def train_batch(self, images: Floats, labels: Labels) -> float:
        """Take one optimiser step on images (N, inputs) and labels (N,); return J before the step."""
        # A diverging run overflows: its loss says so, and the epoch loop stops it.
        with np.errstate(over="ignore", invalid="ignore"):
            loss = self._backward(np.asarray(images, self._dtype), labels)
            self._optimizer.step(self.learning_rate)
            self._steps += 1
            if self._averaged is not None:
                share = new_share(self._config, self._steps)
                average(self._averaged.flat, self._trained.flat, share, scratch=self._gradients.flat)
        return loss

    def _backward(self, images: Floats, labels: Labels) -> float:
        """Fill the gradients; return J."""
        outputs, deltas = self._forward(images), self._deltas_for(images)
        net, gradients = self._trained, self._gradients
        smoothing = self._config.label_smoothing
        loss = cross_entropy(outputs[-1], labels, out=deltas[-1], smoothing=smoothing)  # (3), (5) δ(L)
        for layer in reversed(range(len(net.weights))):
            weight, delta, gradient = net.weights[layer], deltas[layer], gradients.weights[layer]
            if layer < len(net.gammas):
                self._normalize_backward(layer, images, delta)
            else:
                np.sum(delta, axis=0, out=gradients.biases[layer])  # (7) (N, out) -> (out,)
            np.matmul(outputs[layer].T, delta, out=gradient)  # (6) (in, N) @ (N, out) -> (in, out)
            if layer > 0:  # the images need no gradient
                np.matmul(delta, weight.T, out=deltas[layer - 1])  # (9) (N, out) @ (out, in) -> (N, in)
                deltas[layer - 1] *= outputs[layer] > 0  # the ReLU's slope; a > 0 exactly where z > 0
                if self._config.dropout:
                    deltas[layer - 1] *= 1 / (1 - self._config.dropout)  # (15); where it was 0, a is
        return loss + self._penalty() if self._config.regularization else loss

    def _penalty(self) -> float:
        """Return λ · Σ‖W‖² and add its gradient to the others."""
        strength, weights = self._config.regularization, self._trained.flat_weights
        self._gradients.flat_weights += np.multiply(weights, 2 * strength, out=self._scratch)  # (8)
        return strength * float(np.vdot(weights, weights))

    def _normalize_backward(self, layer: int, images: Floats, delta: Floats) -> None:
        normalize_backward(
            delta,
            self._normalized_for(images)[layer],
            self._trained.gammas[layer],
            self._deviations[layer],
            self._gradients.gammas[layer],
            self._gradients.biases[layer],
        )

    # ---- buffers and state ---------------------------------------------------------------------------------

    def _outputs_for(self, images: Floats) -> list[Floats]:
        """[images, then a buffer of N rows for each layer]; buffers grow to the largest batch seen."""
        self._outputs = self._grown(self._outputs, len(images), self._sizes[1:])
        return [images, *(buffer[: len(images)] for buffer in self._outputs)]

    def _deltas_for(self, images: Floats) -> list[Floats]:
        self._deltas = self._grown(self._deltas, len(images), self._sizes[1:])
        return [buffer[: len(images)] for buffer in self._deltas]

    def _normalized_for(self, images: Floats) -> list[Floats]:
        self._normalized = self._grown(self._normalized, len(images), self._sizes[1:-1])
        return [buffer[: len(images)] for buffer in self._normalized]

    def _grown(self, buffers: list[Floats], count: int, sizes: list[int]) -> list[Floats]:
        if buffers and len(buffers[0]) >= count:
            return buffers
        return [np.empty((count, size), self._dtype) for size in sizes]

    def parameters(self) -> dict[str, Floats]:
        """Return copies of the arrays that predictions need, by the names of initialization.parameter_shapes."""
        return {name: array.copy() for name, array in (self._predicting.named() | self._statistics()).items()}

    def load_parameters(self, parameters: dict[str, Floats]) -> None:
        """Take over what `parameters` returned, of a net of the same configuration, to predict."""
        for net in (self._trained, self._predicting):
            _load(net.named(), parameters)
        _load(self._statistics(), parameters)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that the next step and the next prediction depend on, by name."""
        state = self._arrays() | self._optimizer.state()
        return {name: array.copy() for name, array in state.items()} | {"steps": np.array(self._steps)}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of a net of the same configuration."""
        _load(self._arrays(), state)
        self._optimizer.load_state(state)
        self._steps = int(state["steps"])

    def _arrays(self) -> dict[str, Floats]:
        averaged = {} if self._averaged is None else self._averaged.named()
        averages = {f"average.{name}": array for name, array in averaged.items()}
        return self._trained.named() | averages | self._statistics()

    def _statistics(self) -> dict[str, Floats]:
        return named("mean", self._means) | named("variance", self._variances)


def softmax(logits: Floats) -> Floats:
    """Return exp(z) / Σ exp(z) by row, shifted by the row's maximum so that nothing overflows."""
    exponentials: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials


def cross_entropy(logits: Floats, labels: Labels, out: Floats, smoothing: float = 0.0) -> float:
    """Return -1/N · Σ log softmax(logits)[i, yᵢ]; write its gradient by the logits, (N, classes), into out.

    smoothing: share of each target that is spread evenly over all classes.
    log p[i, y] = z[i, y] - max - log Σ exp(z - max): the logarithm never sees a rounded-off probability.
    """
    count, rows = len(logits), np.arange(len(logits))
    np.subtract(logits, logits.max(axis=1, keepdims=True), out=out)
    correct = out[rows, labels]
    if smoothing:
        correct = (1 - smoothing) * correct + smoothing * out.mean(axis=1)  # (16)
    np.exp(out, out=out)
    sums = out.sum(axis=1)
    loss = float((np.log(sums) - correct).mean())  # (3)
    out /= sums[:, None]  # p
    out[rows, labels] -= 1 - smoothing  # (4) p - 1 at the true class, p at the others
    if smoothing:
        out -= smoothing / out.shape[1]  # (17)
    out /= count  # (5)
    return loss


def _load(arrays: dict[str, Floats], values: dict[str, NDArray[Any]]) -> None:
    _copy_into(list(arrays.values()), [values[name] for name in arrays])


def _copy_into(arrays: list[Floats], values: list[Floats]) -> None:
    if [array.shape for array in arrays] != [np.shape(value) for value in values]:
        raise ValueError(f"shapes {[np.shape(v) for v in values]}: must be {[a.shape for a in arrays]}")
    for array, value in zip(arrays, values, strict=True):
        array[...] = value
