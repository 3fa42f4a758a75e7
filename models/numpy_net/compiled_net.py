"""NumpyNet with a compiled step, where this machine and the configuration allow one: the same bits, sooner.

NumpyNet defines what is computed, and takes the steps that step.c does not. A small net of each kind of
configuration is trained by both first, in each process: where one bit differs, NumpyNet trains alone.
"""

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.averaging import new_share
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.numpy_net.compiler import library
from mlpsearch.models.numpy_net.normalization import EPSILON
from mlpsearch.models.numpy_net.numpy_functions import Loop, blas, inner_loop
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.numpy_net.optimizers import Adam, AdamW, Momentum

_SGD, _MOMENTUM, _NESTEROV, _ADAM = range(4)


class _Step(ctypes.Structure):
    """The struct of that name in step.c, which says what each field is."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("product", "dot")),
        *((name, Loop) for name in ("exp", "log", "add", "add_double")),
        *((name, ctypes.c_int64) for name in ("layers", "inputs", "units", "classes")),
        *(
            (name, ctypes.c_void_p)
            for name in ("parameters", "gradients", "first_moments", "second_moments", "averages")
        ),
        ("penalty", ctypes.c_double),
        *((name, ctypes.c_float) for name in ("penalty_slope", "smoothing", "kept", "spread")),
        ("class_weights", ctypes.c_void_p),
        ("weighted_classes", ctypes.c_int64),
        ("normalized", ctypes.c_int64),
        *((name, ctypes.c_float) for name in ("epsilon", "dropout_scale")),
        ("optimizer", ctypes.c_int64),
        *((name, ctypes.c_float) for name in ("momentum", "beta1", "rest1", "beta2", "rest2", "adam_epsilon")),
        *((name, ctypes.c_float) for name in ("rate", "rate_ahead", "step_size", "square_correction")),
        *((name, ctypes.c_float) for name in ("decay", "share")),
        ("rows", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("images", "labels", "masks", "scratch")),
        ("loss", ctypes.c_double),
    ]


@dataclass(frozen=True, slots=True)
class _Functions:
    """The compiled step and those functions of NumPy that it calls."""

    library: ctypes.CDLL
    product: int
    dot: int
    loops: dict[str, Loop]


@cache
def _functions() -> _Functions | None:
    """Return all that a compiled step needs; None where this machine has not all of it."""
    found = {
        "exp": inner_loop(np.exp, "f->f"),
        "log": inner_loop(np.log, "f->f"),
        "add": inner_loop(np.add, "ff->f"),
        "add_double": inner_loop(np.add, "dd->d"),
    }
    loops = {name: loop for name, loop in found.items() if loop is not None}
    products = blas()
    compiled = library() if products is not None and len(loops) == len(found) else None
    if products is None or compiled is None:
        return None
    compiled.take_step.argtypes = [ctypes.c_void_p]
    compiled.scratch_size.argtypes = [ctypes.c_int64] * 5
    compiled.scratch_size.restype = ctypes.c_int64
    return _Functions(compiled, *products, loops)


def numpy_net(*, inputs: int, classes: int, config: TrainConfig) -> NumpyNet:
    """Return the net in NumPy, with a compiled step where there can be one."""
    net = NumpyNet(inputs=inputs, classes=classes, config=config)  # says what is wrong with the configuration
    functions = _functions()
    # A product with a side of 1 is no matrix product to NumPy, and has other bits.
    if functions is None or min(inputs, classes, config.hidden_size) < 2 or not _agrees(_kind(config)):
        return net
    return CompiledNet(inputs=inputs, classes=classes, config=config, functions=functions)


class CompiledNet(NumpyNet):
    """NumpyNet whose steps are compiled, but for those that cannot be.

    inputs, classes: 2 and more, as hidden units.
    """

    def __init__(self, *, inputs: int, classes: int, config: TrainConfig, functions: _Functions):
        super().__init__(inputs=inputs, classes=classes, config=config)
        self._inputs = inputs
        self._functions = functions
        self._pointers = (ctypes.c_void_p * config.depth)()
        self._memory = np.empty(0, np.float32)
        self._room = 0  # rows that the memory is enough for
        self._step = self._first_step(inputs, classes, config)
        self._address = ctypes.addressof(self._step)

    def train_batch(self, images: Floats, labels: Labels) -> float:
        """Take one optimiser step on images (N, inputs) and labels (N,); return J before the step."""
        if not self._fits(images, labels):
            return super().train_batch(images, labels)
        self._set_batch(images, labels)
        self._set_scalars()
        if not self._functions.library.take_step(self._address):  # a label that is no class
            return super().train_batch(images, labels)
        self._steps += 1
        if isinstance(self._optimizer, Adam):
            self._optimizer.steps += 1
        loss: float = self._step.loss
        return loss

    def _fits(self, images: Floats, labels: Labels) -> bool:
        weights = self.class_weights
        return (
            images.shape == (len(labels), self._inputs)
            and len(labels) > 1  # see numpy_net
            and images.dtype == np.float32
            and labels.dtype == np.int64
            and images.flags.c_contiguous
            and labels.flags.c_contiguous
            and (weights is None or (weights.dtype == np.float64 and weights.flags.c_contiguous))
        )

    def _set_batch(self, images: Floats, labels: Labels) -> None:
        step, rows, weights = self._step, len(labels), self.class_weights
        if rows > self._room:
            self._make_room(rows)
        step.rows, step.images, step.labels = rows, images.ctypes.data, labels.ctypes.data
        step.class_weights = None if weights is None else weights.ctypes.data
        step.weighted_classes = 0 if weights is None else len(weights)
        if step.masks:
            for layer, mask in enumerate(self._masks(self._steps, rows)):
                self._pointers[layer] = None if mask is None else mask.ctypes.data

    def _set_scalars(self) -> None:
        step, optimizer, rate = self._step, self._optimizer, self.learning_rate
        step.rate = rate
        if isinstance(optimizer, Adam):
            step.step_size, step.square_correction = optimizer.corrections(rate)
        if isinstance(optimizer, AdamW):
            step.decay = optimizer.decay(rate)
        if step.optimizer == _NESTEROV:
            step.rate_ahead = rate * self._config.momentum
        if self._averaged is not None:
            step.share = new_share(self._config, self._steps + 1)

    def _make_room(self, rows: int) -> None:
        step = self._step
        numbers = self._functions.library.scratch_size(
            step.layers, step.units, step.classes, rows, step.normalized
        )
        self._memory = np.empty(numbers, np.float32)
        self._room, step.scratch = rows, self._memory.ctypes.data

    def _first_step(self, inputs: int, classes: int, config: TrainConfig) -> _Step:
        """Return the step with all in it that stays the same."""
        functions, optimizer = self._functions, self._optimizer
        step = _Step(product=functions.product, dot=functions.dot, **functions.loops)
        step.layers, step.inputs, step.units, step.classes = config.depth, inputs, config.hidden_size, classes
        step.parameters, step.gradients = (one.flat.ctypes.data for one in (self._trained, self._gradients))
        step.averages = None if self._averaged is None else self._averaged.flat.ctypes.data
        step.penalty, step.penalty_slope = config.regularization, 2 * config.regularization
        step.smoothing, step.kept = config.label_smoothing, 1 - config.label_smoothing
        step.spread = config.label_smoothing / classes
        step.normalized, step.epsilon = config.batch_normalization, EPSILON
        step.dropout_scale = 1 / (1 - config.dropout) if config.dropout else 0
        step.masks = ctypes.addressof(self._pointers) if config.dropout or config.input_dropout else None
        step.decay = 1
        if isinstance(optimizer, Momentum):
            step.optimizer = _NESTEROV if config.nesterov else _MOMENTUM
            step.first_moments, step.momentum = optimizer.velocities.flat.ctypes.data, config.momentum
        elif isinstance(optimizer, Adam):
            step.optimizer = _ADAM
            step.first_moments = optimizer.means.flat.ctypes.data
            step.second_moments = optimizer.squares.flat.ctypes.data
            step.beta1, step.rest1 = Adam.BETA1, 1 - Adam.BETA1
            step.beta2, step.rest2 = Adam.BETA2, 1 - Adam.BETA2
            step.adam_epsilon = Adam.EPSILON
        return step


# ---- the proof ---------------------------------------------------------------------------------------------


def _kind(config: TrainConfig) -> TrainConfig:
    """Return a small configuration that the step treats as it treats the given one."""
    return TrainConfig(
        hidden_size=13,
        depth=min(config.depth, 3),
        learning_rate=0.01,
        regularization=0.01 if config.regularization else 0.0,
        optimizer=config.optimizer,
        momentum=0.9 if config.momentum else 0.0,
        nesterov=config.nesterov,
        weight_decay=0.1 if config.weight_decay else 0.0,
        batch_normalization=config.batch_normalization,
        dropout=0.3 if config.dropout else 0.0,
        input_dropout=0.2 if config.input_dropout else 0.0,
        label_smoothing=0.1 if config.label_smoothing else 0.0,
        class_weights=config.class_weights,
        averaging=0.9 if config.averaging else 0.0,
    )


@cache
def _agrees(config: TrainConfig) -> bool:
    """Whether some steps of both nets give the same bits."""
    functions = _functions()
    if functions is None:
        return False
    inputs, classes, random = 19, 11, np.random.default_rng(0)
    ours = CompiledNet(inputs=inputs, classes=classes, config=config, functions=functions)
    reference = NumpyNet(inputs=inputs, classes=classes, config=config)
    if config.class_weights != "none":
        ours.class_weights = reference.class_weights = np.linspace(0.5, 1.5, classes)
    for rows in (37, 37, 2):
        images = random.standard_normal((rows, inputs)).astype(np.float32)
        labels = random.integers(0, classes, rows)
        if ours.train_batch(images, labels) != reference.train_batch(images, labels):
            return False
    return _bytes_of(ours) == _bytes_of(reference)


def _bytes_of(net: NumpyNet) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in net.state().items()}
