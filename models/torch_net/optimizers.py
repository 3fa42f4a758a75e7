"""The optimisers of TorchNet: torch's own fused steps, called as functions.

The classes of torch.optim take the same steps, bit by bit. But with the first of them that is made torch loads its
compiler, which takes about as long as torch itself, and what they do around a step takes longer than that of a
small net.
"""

from typing import ClassVar, cast

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.torch_net.torch_module import MLP

Moments = list[Tensor | None]  # of some parameters; None before the first step


class Optimizer:
    """Takes steps on all parameters of a module.

    Weights decay by 2λ (the gradient of λ‖W‖²), AdamW's by its own strength; biases and gammas do not.
    learning_rate: of the next step.
    """

    _kinds: ClassVar[tuple[str, ...]]  # of moments, by torch's names

    def __init__(self, module: MLP, config: TrainConfig):
        self.learning_rate = config.learning_rate
        self._config = config
        weights: list[Tensor] = [layer.weight for layer in module.linears]
        self._parameters = [*weights, *(layer.bias for layer in module.linears), *module.gammas]
        decay = config.weight_decay if config.optimizer == "adamw" else 2 * config.regularization
        first, count = len(weights), len(self._parameters)
        self._groups = ((slice(first), decay), (slice(first, count), 0.0))
        self._moments: dict[str, Moments] = {kind: [None] * count for kind in self._kinds}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take one step against the gradients that the parameters have."""
        for part, decay in self._groups:
            parameters = self._parameters[part]
            gradients = [gradient(parameter) for parameter in parameters]
            moments = {kind: kept[part] for kind, kept in self._moments.items()}
            self._take(parameters, gradients, moments, decay)
            for kind, kept in self._moments.items():
                kept[part] = moments[kind]

    def _take(
        self, parameters: list[Tensor], gradients: list[Tensor], moments: dict[str, Moments], decay: float
    ) -> None:
        """Change parameters and moments."""
        raise NotImplementedError

    def state(self) -> dict[str, Tensor]:
        """Return the moments by name, none before the first step."""
        return {
            f"{kind}.{i}": moment
            for kind, kept in self._moments.items()
            for i, moment in enumerate(kept)
            if moment is not None
        }

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take over what `state` returned, of an optimiser of the same configuration."""
        for kind, kept in self._moments.items():
            for i, parameter in enumerate(self._parameters):
                moment = state.get(f"{kind}.{i}")
                kept[i] = None if moment is None else moment.to(parameter.device)


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's if the configuration has them."""

    _kinds = ("momentum_buffer",)

    def _take(
        self, parameters: list[Tensor], gradients: list[Tensor], moments: dict[str, Moments], decay: float
    ) -> None:
        momentum = self._config.momentum
        sgd(
            parameters,
            gradients,
            moments["momentum_buffer"],
            weight_decay=decay,
            momentum=momentum,
            lr=self.learning_rate,
            dampening=0,
            nesterov=self._config.nesterov and momentum > 0,
            maximize=False,
            fused=True,
        )


class Adam(Optimizer):
    """Adam or AdamW."""

    _kinds = ("step", "exp_avg", "exp_avg_sq")

    def _take(
        self, parameters: list[Tensor], gradients: list[Tensor], moments: dict[str, Moments], decay: float
    ) -> None:
        if moments["step"][0] is None:
            moments["step"] = [torch.zeros((), device=parameter.device) for parameter in parameters]
            for kind in ("exp_avg", "exp_avg_sq"):
                moments[kind] = [torch.zeros_like(parameter) for parameter in parameters]
        steps, means, squares = (cast("list[Tensor]", moments[kind]) for kind in self._kinds)
        take = adamw if self._config.optimizer == "adamw" else adam
        take(
            parameters,
            gradients,
            means,
            squares,
            [],
            steps,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=self.learning_rate,
            weight_decay=decay,
            eps=1e-8,
            maximize=False,
            fused=True,
        )


def make_optimizer(module: MLP, config: TrainConfig) -> Optimizer:
    """Return the optimiser that a configuration names, ready for its first step."""
    return SGD(module, config) if config.optimizer == "sgd" else Adam(module, config)


def gradient(parameter: Tensor) -> Tensor:
    """Return the gradient that backward() has just filled."""
    assert parameter.grad is not None  # noqa: S101
    return parameter.grad
