"""NumpyNet with compiled steps, where this machine and the configuration allow them: the same bits, sooner.

NumpyNet defines what is computed, and takes the steps that step.c does not. A small net of each kind of
configuration is trained by both first, in each process: where one bit differs, NumpyNet trains alone.
"""

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.averaging import new_share
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.numpy_net.compiled_batches import CompiledBatches, Epoch
from mlpsearch.models.numpy_net.compiled_step import ADAM, MOMENTUM, NESTEROV, SCALARS, Functions, Step, functions
from mlpsearch.models.numpy_net.normalization import EPSILON
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.numpy_net.optimizers import Adam, AdamW, Momentum

_MOST_AT_ONCE = 1e9  # multiplications of a layer's weights: about 0.2 s, in which nothing in Python happens
# What decides which batches are shown, and when, and where the weights begin.
_OF_NO_STEP = frozenset(
    {
        "batch_size",
        "epochs",
        "early_stopping",
        "schedule",
        "learning_rate_decay",
        "warmup",
        "initialization",
        "seed",
    }
    | {"preprocessing", "bins", "components", "whitening_epsilon"}
    | {"flip", "shift", "flip_averaging", "shift_averaging"}
)


def numpy_net(*, inputs: int, classes: int, config: TrainConfig, compiled: bool = True) -> NumpyNet:
    """Return the net in NumPy, with compiled steps where there can be some; compiled: unless nobody wants them."""
    # A product with a side of 1 is no matrix product to NumPy, and has other bits.
    compiled = compiled and min(inputs, classes, config.hidden_size) > 1
    if compiled and (found := functions()) is not None and agree(kind(config)):
        return CompiledNet(inputs=inputs, classes=classes, config=config, functions=found)
    return NumpyNet(inputs=inputs, classes=classes, config=config)


class CompiledNet(NumpyNet):
    """NumpyNet whose steps are compiled, but for those that cannot be.

    inputs, classes: 2 and more, as hidden units.
    """

    compiled = True

    def __init__(self, *, inputs: int, classes: int, config: TrainConfig, functions: Functions):
        super().__init__(inputs=inputs, classes=classes, config=config)
        self._of_reference = frozenset(vars(self))
        self._inputs = inputs
        self._functions = functions
        self._pointers = (ctypes.c_void_p * config.depth)()  # to the masks
        self._memory: list[NDArray[np.generic]] = []
        self._room = 0  # rows that the memory is enough for
        self._described: CompiledBatches | None = None
        self._makes_batches = False
        self._step = self._new_step(inputs, classes, config)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied and pickled as a NumpyNet: the pointers lead to this one's arrays."""
        state = {name: value for name, value in vars(self).items() if name in self._of_reference}
        return object.__new__, (NumpyNet,), state

    # ---- training ------------------------------------------------------------------------------------------

    def batches(self, training: Split, config: TrainConfig, preprocessing: Preprocessing) -> CompiledBatches:
        """Return the training images as the net wants them."""
        return CompiledBatches(training, config, preprocessing)

    def train_batch(self, images: Floats, labels: Labels) -> float:
        """Take one optimiser step on images (N, inputs) and labels (N,); return J before the step."""
        if not self._fits(images, labels):
            return super().train_batch(images, labels)
        step, rows = self._step, len(labels)
        self._make_room(rows)
        step.rows, step.images, step.labels, step.places = rows, images.ctypes.data, labels.ctypes.data, None
        if step.masks:
            for layer, mask in enumerate(self._masks(self._steps, rows)):
                self._pointers[layer] = None if mask is None else mask.ctypes.data
        losses = self._take_steps([self.learning_rate])
        return losses[0] if losses else super().train_batch(images, labels)

    def train_batches(
        self, batches: Iterator[tuple[Floats, Labels]], rates: Sequence[float]
    ) -> Sequence[SupportsFloat]:
        """Take a step on each of the next batches, one for each learning rate; return J before each."""
        losses: list[float] = []
        if isinstance(batches, Epoch) and self._can_make(batches.batches):
            step, (rows, _) = self._step, batches.batches.sizes
            done = batches.batch * rows
            self._make_room(rows)
            image_memory, label_memory = self._memory[1:]
            step.images, step.labels = image_memory.ctypes.data, label_memory.ctypes.data
            step.places, step.left = batches.order[done:].ctypes.data, len(batches.order) - done
            most = max(1, int(_MOST_AT_ONCE / (rows * self._trained.flat.size)))
            for start in range(0, len(rates), most):
                losses += self._take_steps(rates[start : start + most])
                if len(losses) < min(start + most, len(rates)):
                    break
            batches.batch += len(losses)
            self.learning_rate = rates[-1]
        return [*losses, *super().train_batches(batches, rates[len(losses) :])]

    def _take_steps(self, rates: Sequence[float]) -> list[float]:
        """Return J before each; fewer than rates before a label that is no class."""
        step = self._step
        weights = self.class_weights
        step.class_weights = None if weights is None else weights.ctypes.data
        step.weighted_classes = 0 if weights is None else len(weights)
        scalars, losses = self._scalars(rates), np.empty(len(rates))
        step.scalars, step.losses = scalars.ctypes.data, losses.ctypes.data
        taken = self._functions.library.take_steps(ctypes.addressof(step), len(rates))
        self._steps += taken
        if isinstance(self._optimizer, Adam):
            self._optimizer.steps += taken
        taken_losses: list[float] = losses[:taken].tolist()
        return taken_losses

    def _scalars(self, rates: Sequence[float]) -> NDArray[np.float32]:
        """Return what the struct of that name holds, for each of the next steps, (steps, SCALARS)."""
        optimizer, config = self._optimizer, self._config
        scalars = np.ones((len(rates), SCALARS), np.float32)
        scalars[:, 0] = rates
        if config.momentum:
            scalars[:, 1] = np.multiply(rates, config.momentum)
        if isinstance(optimizer, Adam):
            steps = enumerate(rates, optimizer.steps + 1)
            scalars[:, 2:4] = [optimizer.corrections(rate, step) for step, rate in steps]
        if isinstance(optimizer, AdamW):
            scalars[:, 4] = [optimizer.decay(rate) for rate in rates]
        if config.averaging:
            scalars[:, 5] = [new_share(config, self._steps + step) for step in range(1, len(rates) + 1)]
        return scalars

    # ---- what can be compiled ------------------------------------------------------------------------------

    def _fits(self, images: Floats, labels: Labels) -> bool:
        """Whether a step can be compiled: see also numpy_net."""
        return (
            images.shape == (len(labels), self._inputs)
            and len(labels) > 1
            and images.dtype == np.float32
            and labels.dtype == np.int64
            and images.flags.c_contiguous
            and labels.flags.c_contiguous
            and self._weighs_in_float64()
        )

    def _can_make(self, batches: CompiledBatches) -> bool:
        """Whether several steps can be, which make the batches themselves."""
        if batches is not self._described:
            self._described = batches
            self._makes_batches = batches.describe(self._step) and batches.sizes[1] > 1
        return self._makes_batches and not self._step.masks and self._weighs_in_float64()

    def _weighs_in_float64(self) -> bool:
        weights = self.class_weights
        return weights is None or (weights.dtype == np.float64 and weights.flags.c_contiguous)

    # ---- the struct ----------------------------------------------------------------------------------------

    def _make_room(self, rows: int) -> None:
        if rows <= self._room:
            return
        step = self._step
        sizes = (step.layers, step.units, step.classes, rows, step.normalized)
        scratch = np.empty(self._functions.library.scratch_size(*sizes), np.float32)
        self._memory = [scratch, np.empty((rows, self._inputs), np.float32), np.empty(rows, np.int64)]
        self._room, step.scratch = rows, scratch.ctypes.data

    def _new_step(self, inputs: int, classes: int, config: TrainConfig) -> Step:
        """Return the struct with all in it that stays the same."""
        optimizer = self._optimizer
        step = Step(product=self._functions.product, dot=self._functions.dot, **self._functions.loops)
        step.layers, step.inputs, step.units, step.classes = config.depth, inputs, config.hidden_size, classes
        step.parameters, step.gradients = self._trained.flat.ctypes.data, self._gradients.flat.ctypes.data
        step.averages = None if self._averaged is None else self._averaged.flat.ctypes.data
        step.penalty, step.penalty_slope = config.regularization, 2 * config.regularization
        step.smoothing, step.kept = config.label_smoothing, 1 - config.label_smoothing
        step.spread = config.label_smoothing / classes
        step.normalized, step.epsilon = config.batch_normalization, EPSILON
        step.dropout_scale = 1 / (1 - config.dropout) if config.dropout else 0
        step.masks = ctypes.addressof(self._pointers) if config.dropout or config.input_dropout else None
        if isinstance(optimizer, Momentum):
            step.optimizer = NESTEROV if config.nesterov else MOMENTUM
            step.first_moments, step.momentum = optimizer.velocities.flat.ctypes.data, config.momentum
        elif isinstance(optimizer, Adam):
            step.optimizer = ADAM
            step.first_moments = optimizer.means.flat.ctypes.data
            step.second_moments = optimizer.squares.flat.ctypes.data
            step.beta1, step.rest1 = Adam.BETA1, 1 - Adam.BETA1
            step.beta2, step.rest2 = Adam.BETA2, 1 - Adam.BETA2
            step.adam_epsilon = Adam.EPSILON
        return step


# ---- the proof ---------------------------------------------------------------------------------------------


def kind(config: TrainConfig) -> TrainConfig:
    """Return a small configuration that compiled steps treat as they treat the given one.

    An option that step.c does not know stays as it is: NumpyNet follows it, and so both differ.
    """
    typical = {"regularization": 0.01, "momentum": 0.9, "weight_decay": 0.1, "dropout": 0.3, "input_dropout": 0.2}
    typical |= {"label_smoothing": 0.1, "averaging": 0.9}
    values: dict[str, Any] = {name: value if getattr(config, name) else 0.0 for name, value in typical.items()}
    values |= {field.name: field.default for field in fields(config) if field.name in _OF_NO_STEP}
    return replace(config, hidden_size=13, depth=min(config.depth, 3), learning_rate=0.01, **values)


@cache
def agree(config: TrainConfig) -> bool:
    """Whether some compiled steps and NumpyNet's give the same bits here."""
    found = functions()
    if found is None:
        return False
    inputs, classes, random = 19, 11, np.random.default_rng(0)
    compiled = CompiledNet(inputs=inputs, classes=classes, config=config, functions=found)
    reference = NumpyNet(inputs=inputs, classes=classes, config=config)
    if config.class_weights != "none":
        compiled.class_weights = reference.class_weights = np.linspace(0.5, 1.5, classes)
    for rows in (37, 37, 2):
        images = random.standard_normal((rows, inputs)).astype(np.float32)
        labels = random.integers(0, classes, rows)
        if compiled.train_batch(images, labels) != reference.train_batch(images, labels):
            return False
    return _bytes_of(compiled) == _bytes_of(reference)


def _bytes_of(net: NumpyNet) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in net.state().items()}
