"""A fully-connected net in NumPy: its parameters, its optimiser, and their state.

What it computes stands in `backpropagation.py` and the modules that this one names, and is derived in
`backpropagation.md`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, SupportsFloat

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
from mlpsearch.models.net import step_by_step
from mlpsearch.models.numpy_net.activations import ACTIVATIONS
from mlpsearch.models.numpy_net.backpropagation import backward, forward, predict
from mlpsearch.models.numpy_net.buffers import Buffers
from mlpsearch.models.numpy_net.loss import cross_entropy, penalty, softmax
from mlpsearch.models.numpy_net.normalization import Normalization
from mlpsearch.models.numpy_net.optimizers import make_optimizer


class NumpyNet:
    """The net and its optimiser.

    inputs: what it gets of an image, all pixels or fewer components. classes: size of the output layer.
    dtype: of all arithmetic; float32 to train, float64 to check gradients.

    Raises ConfigError for the precision "bfloat16", which NumPy has not.
    """

    compiled = False

    def __init__(self, *, inputs: int, classes: int, config: TrainConfig, dtype: type[np.floating] = np.float32):
        if config.precision != "float32":
            raise ConfigError(f"precision = {config.precision!r}: only the PyTorch net has it", key="precision")
        self.learning_rate = config.learning_rate
        self.class_weights: Floats | None = None
        self._config = config
        self._dtype = dtype
        self._trained = initial_parameters(inputs, classes, config, dtype)
        self._averaged = self._trained.copy() if config.averaging else None
        self._gradients = self._trained.zeros()
        self._scratch = np.empty(self._trained.flat_weights.size if config.regularization else 0, dtype)
        self._optimizer = make_optimizer(self._trained, self._gradients, config)
        self._steps = 0
        sizes = layer_sizes(inputs, classes, config)
        self._masks = DropoutMasks(config, sizes, dtype)
        normalized = sizes[1:-1] if config.batch_normalization else []
        self._normalizations = [Normalization(size, dtype) for size in normalized]
        self._activation = ACTIVATIONS[config.activation]
        self._outputs = Buffers(sizes[1:], dtype)
        self._slopes = Buffers([] if config.activation == "relu" else sizes[1:-1], dtype)
        self._deltas = Buffers(sizes[1:], dtype)

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
        return self._predict(images, measure=False).copy()

    def probabilities(self, images: Floats) -> Floats:
        """Return softmax(z(L)), (N, classes), each row adding up to 1."""
        return softmax(self.logits(images))

    def measure(self, images: Floats) -> None:
        """Take from images (N, inputs) the means and variances that batch normalisation uses in predictions."""
        self._predict(images, measure=True)
        self._outputs.release()  # far larger than a batch's

    def _predict(self, images: Floats, *, measure: bool) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self._outputs_of(images)
            predict(self._predicting, outputs, self._normalizations, self._activation, measure=measure)
        return outputs[-1]

    # ---- training ------------------------------------------------------------------------------------------

    def batches(self, training: Split, config: TrainConfig, preprocessing: Preprocessing) -> Batches:
        """Return the training images as the net wants them."""
        return Batches(training, config, preprocessing)

    def train_batch(self, images: Floats, labels: Labels) -> float:
        """Take one optimiser step on images (N, inputs) and labels (N,); return J before the step."""
        # A diverging run overflows: its loss says so, and the epoch loop stops it.
        with np.errstate(over="ignore", invalid="ignore"):
            loss = self._fill_gradients(images, labels)
            self._optimizer.step(self.learning_rate)
            self._steps += 1
            if self._averaged is not None:
                share = new_share(self._config, self._steps)
                average(self._averaged.flat, self._trained.flat, share, scratch=self._gradients.flat)
        return loss

    def train_batches(
        self, batches: Iterator[tuple[Floats, Labels]], rates: Sequence[float]
    ) -> Sequence[SupportsFloat]:
        """Take a step on each of the next batches, one for each learning rate; return J before each."""
        return step_by_step(self, batches, rates)

    def loss_and_gradients(self, images: Floats, labels: Labels) -> tuple[float, dict[str, Floats]]:
        """Return J and its gradients by each array that is trained, by name, as the next step would see them."""
        loss = self._fill_gradients(images, labels)
        return loss, self._gradients.copy().named()

    def _fill_gradients(self, images: Floats, labels: Labels) -> float:
        """Fill the gradients; return J."""
        config, net, gradients = self._config, self._trained, self._gradients
        outputs, deltas = self._outputs_of(images), self._deltas.rows(len(images))
        slopes, masks = self._slopes.rows(len(images)), self._masks(self._steps, len(images))
        forward(net, outputs, self._normalizations, masks, self._activation, slopes)
        loss = cross_entropy(
            outputs[-1], labels, deltas[-1], smoothing=config.label_smoothing, class_weights=self.class_weights
        )
        backward(net, gradients, outputs, deltas, self._normalizations, config.dropout, slopes)
        if config.regularization:
            loss += penalty(net.flat_weights, config.regularization, gradients.flat_weights, self._scratch)
        return loss

    def _outputs_of(self, images: Floats) -> list[Floats]:
        """[images, then the memory for what each layer makes of them]; the next call gives the same."""
        return [np.asarray(images, self._dtype), *self._outputs.rows(len(images))]

    # ---- state ---------------------------------------------------------------------------------------------

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
        state = self.arrays() | self._optimizer.state()
        return {name: array.copy() for name, array in state.items()} | {"steps": np.array(self._steps)}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of a net of the same configuration."""
        _load(self.arrays(), state)
        self._optimizer.load_state(state)
        self._steps = int(state["steps"])

    def arrays(self) -> dict[str, Floats]:
        """Return the arrays themselves that steps change and predictions need, by the names of `state`."""
        averaged = {} if self._averaged is None else self._averaged.named()
        averages = {f"average.{name}": array for name, array in averaged.items()}
        return self._trained.named() | averages | self._statistics()

    def _statistics(self) -> dict[str, Floats]:
        means = [normalization.mean for normalization in self._normalizations]
        variances = [normalization.variance for normalization in self._normalizations]
        return named("mean", means) | named("variance", variances)


def _load(arrays: dict[str, Floats], values: dict[str, NDArray[Any]]) -> None:
    _copy_into(list(arrays.values()), [values[name] for name in arrays])


def _copy_into(arrays: list[Floats], values: list[Floats]) -> None:
    if [array.shape for array in arrays] != [np.shape(value) for value in values]:
        raise ValueError(f"shapes {[np.shape(v) for v in values]}: must be {[a.shape for a in arrays]}")
    for array, value in zip(arrays, values, strict=True):
        array[...] = value
