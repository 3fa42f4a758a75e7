"""First-order optimisers, written out: SGD, SGD with momentum, Adam, and AdamW.

All update their parameters in place, as one vector, and follow torch.optim's conventions, so that
NumpyNet and TorchNet take the same steps.
"""

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.initialization import Parameters


class Optimizer(Protocol):
    """Updates the parameters that it was made for, against the gradients that it was made for."""

    def step(self, learning_rate: float) -> None:
        """Take one step; the gradients may be overwritten."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what the next step depends on, besides parameters and gradients."""

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned."""


def make_optimizer(parameters: Parameters, gradients: Parameters, config: TrainConfig) -> Optimizer:
    """Return SGD, SGD with momentum, Adam or AdamW, as the configuration says, ready for its first step."""
    if config.optimizer == "sgd" and config.momentum:
        return Momentum(parameters, gradients, config.momentum, nesterov=config.nesterov)
    if config.optimizer == "sgd":
        return SGD(parameters, gradients)
    if config.optimizer == "adam":
        return Adam(parameters, gradients)
    return AdamW(parameters, gradients, config.weight_decay)


class SGD:
    """w ← w - learning_rate · g."""

    def __init__(self, parameters: Parameters, gradients: Parameters):
        self._parameters = parameters.flat
        self._gradients = gradients.flat

    def step(self, learning_rate: float) -> None:  # noqa: D102
        self._gradients *= learning_rate
        self._parameters -= self._gradients

    def state(self) -> dict[str, NDArray[Any]]:  # noqa: D102
        return {}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:  # noqa: D102
        pass


class Momentum:
    """SGD with momentum: v ← momentum · v + g;  w ← w - learning_rate · v.

    With nesterov  w ← w - learning_rate · (g + momentum · v).
    velocities: v.
    """

    def __init__(self, parameters: Parameters, gradients: Parameters, momentum: float, *, nesterov: bool = False):
        self._parameters = parameters.flat
        self._gradients = gradients.flat
        self.velocities = parameters.zeros()
        self._momentum = momentum
        self._nesterov = nesterov

    def step(self, learning_rate: float) -> None:  # noqa: D102
        gradients, velocities = self._gradients, self.velocities.flat
        velocities *= self._momentum
        velocities += gradients
        if self._nesterov:
            gradients *= learning_rate
            self._parameters -= gradients
        ahead = self._momentum if self._nesterov else 1.0
        np.multiply(velocities, learning_rate * ahead, out=gradients)
        self._parameters -= gradients

    def state(self) -> dict[str, NDArray[Any]]:  # noqa: D102
        return _numbered("velocity", self.velocities)

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:  # noqa: D102
        _load(_numbered("velocity", self.velocities), state)


class Adam:
    """Kingma & Ba 2015 (https://arxiv.org/abs/1412.6980), algorithm 1, with its default β and ε.

    m ← β₁ m + (1-β₁) g;  v ← β₂ v + (1-β₂) g²;  w ← w - learning_rate · m̂ / (√v̂ + ε)
    means, squares: m and v.  steps: those taken.
    """

    BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, parameters: Parameters, gradients: Parameters):
        self._parameters = parameters.flat
        self._gradients = gradients.flat
        self.means = parameters.zeros()
        self.squares = parameters.zeros()
        self._scratch = np.empty_like(parameters.flat)
        self.steps = 0

    def corrections(self, learning_rate: float, step: int) -> tuple[float, float]:
        """Return the size of a step, from 1, and the divisor of √v: with both, m and v stand for m̂ and v̂."""
        return learning_rate / (1 - self.BETA1**step), math.sqrt(1 - self.BETA2**step)

    def step(self, learning_rate: float) -> None:  # noqa: D102
        self.steps += 1
        step_size, square_correction = self.corrections(learning_rate, self.steps)
        gradients, means, squares = self._gradients, self.means.flat, self.squares.flat
        means *= self.BETA1
        means += np.multiply(gradients, 1 - self.BETA1, out=self._scratch)
        squares *= self.BETA2
        np.square(gradients, out=gradients)
        gradients *= 1 - self.BETA2
        squares += gradients
        np.sqrt(squares, out=gradients)
        gradients /= square_correction
        gradients += self.EPSILON
        np.divide(means, gradients, out=gradients)
        gradients *= step_size
        self._parameters -= gradients

    def state(self) -> dict[str, NDArray[Any]]:  # noqa: D102
        return self._moments() | {"optimizer.steps": np.array(self.steps)}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:  # noqa: D102
        _load(self._moments(), state)
        self.steps = int(state["optimizer.steps"])

    def _moments(self) -> dict[str, NDArray[Any]]:
        return _numbered("mean", self.means) | _numbered("square", self.squares)


class AdamW(Adam):
    """Loshchilov & Hutter 2019 (https://arxiv.org/abs/1711.05101), algorithm 2: the weights decay apart.

    w ← (1 - learning_rate · weight_decay) w, and then Adam's step.
    """

    def __init__(self, parameters: Parameters, gradients: Parameters, weight_decay: float):
        super().__init__(parameters, gradients)
        self._weights = parameters.flat_weights
        self._weight_decay = weight_decay

    def decay(self, learning_rate: float) -> float:
        """Return the factor on the weights of a step."""
        return 1 - learning_rate * self._weight_decay

    def step(self, learning_rate: float) -> None:  # noqa: D102
        if self._weight_decay:
            self._weights *= self.decay(learning_rate)
        super().step(learning_rate)


def _numbered(what: str, arrays: Parameters) -> dict[str, NDArray[Any]]:
    return {f"optimizer.{what}.{i}": array for i, array in enumerate(arrays.named().values())}


def _load(arrays: dict[str, NDArray[Any]], state: dict[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        array[...] = state[name]
