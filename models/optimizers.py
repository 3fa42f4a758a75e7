"""First-order optimisers over lists of arrays, written out: SGD with momentum, Adam, and AdamW.

All update their parameters in place and follow torch.optim's conventions, so that NumpyNet and TorchNet take
the same steps.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.config import TrainConfig
from models.initialization import Parameters
from models.net import Floats


class Optimizer(Protocol):
    """Updates the parameters that it was made for."""

    def step(self, gradients: list[Floats], learning_rate: float) -> None:
        """Take one step against the gradients, which may be overwritten."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what the next step depends on, besides parameters and gradients."""

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned."""


def make_optimizer(parameters: Parameters, config: TrainConfig) -> Optimizer:
    """Return the optimiser of a configuration."""
    if config.optimizer == "sgd":
        return SGD(parameters.all(), config.momentum, nesterov=config.nesterov)
    if config.optimizer == "adam":
        return Adam(parameters.all())
    return AdamW(parameters.all(), decayed=parameters.weights, weight_decay=config.weight_decay)


class SGD:
    """v ← momentum · v + g;  w ← w - learning_rate · v  (momentum 0: v is the gradient itself).

    With nesterov  w ← w - learning_rate · (g + momentum · v).
    """

    def __init__(self, parameters: list[Floats], momentum: float, *, nesterov: bool = False):
        self._parameters = parameters
        self._momentum = momentum
        self._nesterov = nesterov
        self._velocities = [np.zeros_like(parameter) for parameter in parameters] if momentum else []

    def step(self, gradients: list[Floats], learning_rate: float) -> None:  # noqa: D102
        for i, (parameter, gradient) in enumerate(zip(self._parameters, gradients, strict=True)):
            if self._momentum:
                velocity = self._velocities[i]
                velocity *= self._momentum
                velocity += gradient
                if self._nesterov:
                    gradient *= learning_rate
                    parameter -= gradient
                ahead = self._momentum if self._nesterov else 1.0
                np.multiply(velocity, learning_rate * ahead, out=gradient)
            else:
                gradient *= learning_rate
            parameter -= gradient

    def state(self) -> dict[str, NDArray[Any]]:  # noqa: D102
        return {f"optimizer.velocity.{i}": velocity for i, velocity in enumerate(self._velocities)}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:  # noqa: D102
        for i, velocity in enumerate(self._velocities):
            velocity[...] = state[f"optimizer.velocity.{i}"]


class Adam:
    """Kingma & Ba 2015 (https://arxiv.org/abs/1412.6980), algorithm 1, with its default β and ε.

    m ← β₁ m + (1-β₁) g;  v ← β₂ v + (1-β₂) g²;  w ← w - learning_rate · m̂ / (√v̂ + ε)
    """

    BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8

    def __init__(self, parameters: list[Floats]):
        self._parameters = parameters
        self._means = [np.zeros_like(parameter) for parameter in parameters]
        self._squares = [np.zeros_like(parameter) for parameter in parameters]
        self._steps = 0

    def step(self, gradients: list[Floats], learning_rate: float) -> None:  # noqa: D102
        self._steps += 1
        step_size = learning_rate / (1 - self.BETA1**self._steps)
        square_correction = np.sqrt(1 - self.BETA2**self._steps).item()
        moments = zip(self._parameters, gradients, self._means, self._squares, strict=True)
        for parameter, gradient, mean, square in moments:
            mean *= self.BETA1
            mean += (1 - self.BETA1) * gradient
            square *= self.BETA2
            np.square(gradient, out=gradient)
            gradient *= 1 - self.BETA2
            square += gradient
            np.sqrt(square, out=gradient)
            gradient /= square_correction
            gradient += self.EPSILON
            np.divide(mean, gradient, out=gradient)
            gradient *= step_size
            parameter -= gradient

    def state(self) -> dict[str, NDArray[Any]]:  # noqa: D102
        moments = {f"optimizer.mean.{i}": mean for i, mean in enumerate(self._means)}
        moments |= {f"optimizer.square.{i}": square for i, square in enumerate(self._squares)}
        return moments | {"optimizer.steps": np.array(self._steps)}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:  # noqa: D102
        for i, (mean, square) in enumerate(zip(self._means, self._squares, strict=True)):
            mean[...] = state[f"optimizer.mean.{i}"]
            square[...] = state[f"optimizer.square.{i}"]
        self._steps = int(state["optimizer.steps"])


class AdamW(Adam):
    """Loshchilov & Hutter 2019 (https://arxiv.org/abs/1711.05101), algorithm 2: some arrays decay apart.

    w ← (1 - learning_rate · weight_decay) w, and then Adam's step.
    decayed: those of the parameters that do.
    """

    def __init__(self, parameters: list[Floats], decayed: list[Floats], weight_decay: float):
        super().__init__(parameters)
        self._decayed = decayed
        self._weight_decay = weight_decay

    def step(self, gradients: list[Floats], learning_rate: float) -> None:  # noqa: D102
        for parameter in self._decayed if self._weight_decay else ():
            parameter *= 1 - learning_rate * self._weight_decay
        super().step(gradients, learning_rate)
