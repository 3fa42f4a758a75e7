"""TorchNet whose steps the NumPy net takes, compiled, in memory that both have: without autograd.

Both nets take the same steps by design. On a CPU autograd and torch's optimisers need 300 to 500 µs for one,
however small the net; step.c does not. So the NumPy net trains, its arrays are the module's parameters, and the
module predicts. What it learns has the bits of the NumPy net.

All products are NumPy's by that. Torch's own (MKL) took up to a fifth less time, but none less in small nets,
where it matters; and their bits may depend on where in memory numbers lie, which those of NumPy (OpenBLAS) do not.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, SupportsFloat

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.initialization import layer_sizes
from mlpsearch.models.inputs.batches import Batches
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.numpy_net.compiled_net import kind, numpy_net
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.threads import threads
from mlpsearch.models.torch_net.torch_mlp import TorchNet

# Of larger nets products take nearly all of a step. Several threads share the rest as well where autograd trains,
# and step.c has one thread: its optimiser takes about as long for so many weights as autograd's calls do.
_MOST_WEIGHTS, _MOST_WEIGHTS_OF_THREADS = 1_000_000, 400_000
# The names under which torch keeps what the NumPy net's optimisers call so.
_MOMENTS = {"velocity": "momentum_buffer", "mean": "exp_avg", "square": "exp_avg_sq"}
# As a share of an array's largest number. Both ways round to 6e-8, add up to 37 products, through three layers,
# and Adam divides by gradients that are far below the largest: 4e-6 was found. Without an option it is 0.05.
_TOLERANCE = 1e-4


def torch_net(*, inputs: int, classes: int, config: TrainConfig, compiled: bool = True) -> TorchNet:
    """Return the net in PyTorch, with compiled steps where there can be some, unless nobody wants them.

    It depends on the number of threads (models/threads.py) as well.
    """
    sizes = layer_sizes(inputs, classes, config)
    weights = sum(fan_in * fan_out for fan_in, fan_out in pairwise(sizes))
    most = _MOST_WEIGHTS if threads() == 1 else _MOST_WEIGHTS_OF_THREADS
    if compiled and weights <= most and config.precision == "float32" and not torch.cuda.is_available():
        trainer = numpy_net(inputs=inputs, classes=classes, config=config)
        if trainer.compiled and agree(kind(config)):
            return CompiledTorchNet(trainer, inputs=inputs, classes=classes, config=config)
    return TorchNet(inputs=inputs, classes=classes, config=config)


class CompiledTorchNet(TorchNet):
    """TorchNet on a CPU, trained as the NumPy net that is given, of the same sizes and configuration.

    inputs, classes: as of TorchNet.
    """

    compiled = True

    def __init__(self, trainer: NumpyNet, *, inputs: int, classes: int, config: TrainConfig):
        super().__init__(inputs=inputs, classes=classes, config=config)
        self._sizes: dict[str, Any] = {"inputs": inputs, "classes": classes}
        self._trainer = trainer
        arrays = trainer.arrays()
        self.module.lie_in(arrays)
        if config.averaging:
            self._predicting.lie_in(arrays | {name: arrays[f"average.{name}"] for name in self.module.trained()})

    def __reduce__(self) -> tuple[Any, ...]:
        """Be copied and pickled as a TorchNet: the memory that two nets have would be two in a copy."""
        set_later = {"learning_rate": self.learning_rate, "class_weights": self.class_weights}
        return _copy, (self._sizes, self._config, self.state(), set_later)

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return self._trainer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._trainer.learning_rate = value

    @property
    def class_weights(self) -> Floats | None:
        """Factor on the loss of the rows of each class number; None for 1."""
        return self._trainer.class_weights

    @class_weights.setter
    def class_weights(self, value: Floats | None) -> None:
        self._trainer.class_weights = value

    def batches(self, training: Split, config: TrainConfig, preprocessing: Preprocessing) -> Batches:
        """Return the training images as the net wants them."""
        return self._trainer.batches(training, config, preprocessing)

    def train_batch(self, images: Floats | Tensor, labels: Labels | Tensor) -> float:
        """Take one optimiser step on images (N, inputs) and labels (N,); return J before the step."""
        return self._trainer.train_batch(np.asarray(images), np.asarray(labels))

    def train_batches(self, batches: Iterator[tuple[Any, Any]], rates: Sequence[float]) -> Sequence[SupportsFloat]:
        """Take a step on each of the next batches, one for each learning rate; return J before each."""
        return self._trainer.train_batches(batches, rates)

    def loss_and_gradients(self, images: Floats, labels: Labels) -> tuple[float, dict[str, Floats]]:
        """Return J and its gradients by each array that is trained, by name, as the next step would see them."""
        return self._trainer.loss_and_gradients(images, labels)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that the next step and the next prediction depend on, by TorchNet's names."""
        state = self._trainer.state()
        kept = {name: array for name, array in state.items() if not _is_of_optimizer(name)}
        moments = state.keys() - kept.keys() - {"optimizer.steps"}
        for name in sorted(moments) if state["steps"] else ():  # torch has none before the first step
            theirs = _name_in_torch(name)
            kept[theirs] = np.ascontiguousarray(state[name].T)
            if theirs.startswith("optimizer.exp_avg."):
                kept[theirs.replace("exp_avg", "step")] = state["steps"].astype(np.float32)
        return kept

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of a net of the same configuration."""
        wanted = self._trainer.state()
        for name, array in wanted.items():
            if not _is_of_optimizer(name):
                wanted[name] = state[name]
            elif name == "optimizer.steps":
                wanted[name] = state["steps"]
            else:
                wanted[name] = state[_name_in_torch(name)].T if state["steps"] else np.zeros_like(array)
        self._trainer.load_state(wanted)


def _is_of_optimizer(name: str) -> bool:
    return name.startswith("optimizer.")


def _name_in_torch(name: str) -> str:
    """Of a moment, as the NumPy net's optimisers call it: "optimizer.mean.0"."""
    optimizer, moment, place = name.split(".")
    return f"{optimizer}.{_MOMENTS[moment]}.{place}"


def _copy(
    sizes: dict[str, Any], config: TrainConfig, state: dict[str, NDArray[Any]], set_later: dict[str, Any]
) -> TorchNet:
    net = TorchNet(**sizes, config=config)
    net.load_state(state)
    for name, value in set_later.items():
        setattr(net, name, value)
    return net


@cache
def agree(config: TrainConfig) -> bool:
    """Whether some steps of the NumPy net, compiled, are near those of autograd here."""
    sizes: dict[str, Any] = {"inputs": 19, "classes": 11, "config": config}
    random = np.random.default_rng(0)
    compiled, reference = CompiledTorchNet(numpy_net(**sizes), **sizes), TorchNet(**sizes)
    if config.class_weights != "none":
        compiled.class_weights = reference.class_weights = np.linspace(0.5, 1.5, sizes["classes"])
    for rows in (37, 37, 7):
        images = random.standard_normal((rows, sizes["inputs"])).astype(np.float32)
        labels = random.integers(0, sizes["classes"], rows)
        losses = [float(net.train_batch(images, labels)) for net in (compiled, reference)]
        if not math.isclose(*losses, rel_tol=_TOLERANCE):
            return False
    mine, theirs = compiled.state(), reference.state()
    return mine.keys() == theirs.keys() and all(_are_near(mine[name], theirs[name]) for name in theirs)


def _are_near(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() <= _TOLERANCE * np.abs(other).max())
