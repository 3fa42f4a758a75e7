"""Nets of one shape that train side by side on a device: stacked arrays, batched products, no wait for the host.

This is what benchmarks/device.py measures, and no part of mlpsearch. Each net takes the steps that TorchNet takes
alone with the same draws, whoever is beside it.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.device_draws import Draws
from benchmarks.device_graphs import compiled, replayed_on
from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig, effective
from mlpsearch.models.initialization import initial_parameters
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.numpy_net.normalization import EPSILON
from mlpsearch.models.schedules import learning_rate
from mlpsearch.models.torch_net.device_batches import DeviceBatches

_BETAS, _EPSILON = (0.9, 0.999), 1e-8  # of Adam, as torch has them
_OWN: dict[str, Any] = {
    "seed": 0,
    "learning_rate": 1.0,
    "regularization": 0.0,
}  # what nets of a group may have of their own
_DTYPES: dict[torch.dtype, type[np.floating]] = {torch.float32: np.float32, torch.float64: np.float64}


class GroupBatches(DeviceBatches):
    """The training images as each net of a group sees them. configs: of each net."""

    def __init__(
        self, training: Split, configs: Sequence[TrainConfig], preprocessing: Preprocessing, device: torch.device
    ):
        super().__init__(training, configs[0], preprocessing, device)
        self.random = Draws([config.seed for config in configs], device)
        nets, images = len(configs), len(training)
        self.size = self._size
        self.last = images - (len(self) - 1) * self._size
        self._visited = torch.empty(nets, images, dtype=torch.int64, device=device)
        self._flips = torch.zeros(nets, images, dtype=torch.bool, device=device)
        self._shifts = torch.zeros(nets, images, 2, dtype=torch.int64, device=device)
        self._within = torch.arange(self._size, device=device)

    def begin(self, epoch: int) -> None:
        """Draw all that an epoch, from 1, needs."""
        images = len(self._rows)
        self._visited.copy_(self._rows[self.random.order(images, epoch)])
        if self._config.flip or self._config.shift:
            flips, shifts = self.random.flips_and_shifts(images, self._config.shift, epoch)
            self._flips.copy_(flips & self._config.flip)
            self._shifts.copy_(shifts)

    def batch(self, number: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Return images (nets, size, inputs) and labels (nets, size) of a batch of the epoch.

        number: of the batch, from 0, (1,) int64, on the device.
        """
        places = number * self._size + self._within[:size]
        rows = self._visited.index_select(1, places)
        pixels = self._images[rows.view(-1)]
        if self._config.flip or self._config.shift:
            flips, shifts = (drawn.index_select(1, places) for drawn in (self._flips, self._shifts))
            pixels = self._augmented(pixels, flips.view(-1), shifts.view(-1, 2))
        return self._preprocessed(pixels).view(*rows.shape, -1), self._labels[rows]


class Group:
    """The nets and their one optimiser.

    configs: of each net; they differ in seed, learning_rate and regularization alone.
    dtype: torch.float32 or torch.float64.  graphs: replay steps as CUDA graphs, where the device has them.

    Raises ValueError for configurations that differ otherwise, or that a group has not: averaging, class weights,
    and activations other than relu.
    """

    def __init__(
        self,
        configs: Sequence[TrainConfig],
        training: Split,
        preprocessing: Preprocessing,
        *,
        classes: int,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        graphs: bool = False,
    ):
        self._config = _shared(configs)
        self._dtype = dtype
        self._rounds = self._config.precision == "bfloat16"
        self.batches = GroupBatches(training, configs, preprocessing, device)
        self.arrays = _initial(configs, preprocessing.inputs, classes, device, dtype)
        self._trained = [array.requires_grad_() for array in self.arrays.values()]
        kept = 1 if self._config.optimizer == "sgd" else 2
        self._kept = [[torch.zeros_like(array) for _ in range(kept)] for array in self._trained]
        self._statistics: list[tuple[Tensor, Tensor]] = []
        self._rates = _column([config.learning_rate for config in configs], device)
        self._strengths = _column([config.regularization for config in configs], device)
        self._penalised = any(config.regularization for config in configs)
        self._factors = _factors(self._config, len(self.batches)).to(device)
        self._none = torch.zeros(len(configs), 1, device=device, dtype=dtype)
        self._update = compiled(_sgd if self._config.optimizer == "sgd" else _adam, device)
        self._step_of_device = torch.zeros(1, dtype=torch.int64, device=device)
        self.losses = torch.zeros(len(configs), dtype=dtype, device=device)
        self._steps = 0
        takes = {size: partial(self._take_step, size) for size in (self.batches.size, self.batches.last)}
        self._take = {size: replayed_on(device, take) if graphs else take for size, take in takes.items()}

    def step(self) -> None:
        """Take a step with each net, on its next batch; J before it is added to `losses`, (nets,)."""
        epoch, batch = divmod(self._steps, len(self.batches))
        if batch == 0:
            self.batches.begin(epoch + 1)
            self.losses.zero_()
        self._take[self.batches.last if batch == len(self.batches) - 1 else self.batches.size]()
        self._steps += 1

    def train_epoch(self) -> None:
        """Take the steps of an epoch, and what predictions need after it."""
        for _ in range(len(self.batches)):
            self.step()
        if self._config.batch_normalization:
            self.measure()

    def logits(self, images: NDArray[np.float32]) -> Tensor:
        """Return z(L), (nets, N, classes), of images (N, inputs)."""
        shown = torch.from_numpy(images).to(self._none.device, self._dtype)
        return self._predict(shown.expand(len(self._none), -1, -1))

    @torch.no_grad()
    def measure(self) -> None:
        """Take the means and variances that batch normalisation predicts with, from training images."""
        self._statistics = []
        self._predict(self.batches.sample().to(self._dtype).expand(len(self._none), -1, -1), measuring=True)

    def parameters(self, net: int) -> dict[str, Floats]:
        """Return copies of the arrays of one net, by the names that files give them, but for the statistics."""
        arrays = {name: array.detach()[net].cpu().numpy().copy() for name, array in self.arrays.items()}
        return {name: array if name.startswith("weight") else array[0] for name, array in arrays.items()}

    # ---- a step ------------------------------------------------------------------------------------------------

    def _take_step(self, size: int) -> None:
        images, labels = self.batches.batch(self._step_of_device % len(self.batches), size)
        logits = self._logits(images.to(self._dtype))
        smoothing = self._config.label_smoothing
        each = cross_entropy(logits.flatten(0, 1), labels.view(-1), label_smoothing=smoothing, reduction="none")
        losses = each.view(labels.shape).mean(1)
        gradients = torch.autograd.grad(losses.sum(), self._trained)
        with torch.no_grad():
            self.losses += losses + self._penalty() if self._penalised else losses
            self._optimize(gradients)
            self._step_of_device += 1

    def _logits(self, images: Tensor) -> Tensor:
        activations = self._dropped(0, images, self._config.input_dropout)
        for layer in range(self._config.depth - 1):
            outputs = self._hidden(layer, activations, rounded=self._rounds)
            activations = self._dropped(layer + 1, torch.relu(outputs), self._config.dropout)
        last = self._config.depth - 1
        return self._product(last, activations, self.arrays[f"bias.{last}"], rounded=self._rounds)

    @torch.no_grad()
    def _predict(self, images: Tensor, *, measuring: bool = False) -> Tensor:
        activations, last = images, self._config.depth - 1
        for layer in range(last):
            activations = torch.relu(self._hidden(layer, activations, fixed=True, measuring=measuring))
        return self._product(last, activations, self.arrays[f"bias.{last}"])

    def _hidden(
        self,
        layer: int,
        activations: Tensor,
        *,
        rounded: bool = False,
        fixed: bool = False,
        measuring: bool = False,
    ) -> Tensor:
        bias = self.arrays[f"bias.{layer}"]
        if not self._config.batch_normalization:
            return self._product(layer, activations, bias, rounded=rounded)
        outputs = self._product(layer, activations, None, rounded=rounded)
        if not fixed or measuring:
            variance, mean = torch.var_mean(outputs, 1, correction=0, keepdim=True)
        if measuring:
            self._statistics.append((variance, mean))
        elif fixed:
            variance, mean = self._statistics[layer]
        return (outputs - mean) * torch.rsqrt(variance + EPSILON) * self.arrays[f"gamma.{layer}"] + bias

    def _product(self, layer: int, activations: Tensor, bias: Tensor | None, *, rounded: bool = False) -> Tensor:
        """What a layer makes of (nets, N, inputs); rounded: as TrainConfig.precision says, gradients too."""
        weights = self.arrays[f"weight.{layer}"]
        if rounded:
            outputs = torch.bmm(activations.bfloat16(), weights.bfloat16()).to(self._dtype)
            return outputs if bias is None else outputs + bias
        return torch.bmm(activations, weights) if bias is None else torch.baddbmm(bias, activations, weights)

    def _dropped(self, layer: int, activations: Tensor, rate: float) -> Tensor:
        if not rate:
            return activations
        _, images, units = activations.shape
        mask = self.batches.random.mask(self._step_of_device, layer, (images, units), rate, self._dtype)
        return activations * mask

    def _penalty(self) -> Tensor:
        """λ · Σ‖W‖² of each net, (nets,)."""
        weights = [array for name, array in self.arrays.items() if name.startswith("weight")]
        squares = torch.stack([torch.linalg.vector_norm(array, dim=(1, 2)).square() for array in weights])
        return self._strengths[:, 0].to(self._dtype) * squares.sum(0)

    # ---- the optimiser -----------------------------------------------------------------------------------------

    def _optimize(self, gradients: Sequence[Tensor]) -> None:
        config = self._config
        rate = self._rates * self._factors.index_select(0, self._step_of_device)  # float64
        decay, shrink = (2 * self._strengths).to(self._dtype), (rate * config.weight_decay).to(self._dtype)
        if config.optimizer == "sgd":
            numbers: list[Any] = [rate.to(self._dtype), config.momentum, config.nesterov]
        else:
            first, second = (1 - beta ** (self._step_of_device + 1).double() for beta in _BETAS)
            numbers = [(rate / first).to(self._dtype), second.sqrt().to(self._dtype)]
        for name, array, gradient, kept in zip(self.arrays, self._trained, gradients, self._kept, strict=True):
            flat = [tensor.view(len(self._rates), -1) for tensor in (array, gradient.contiguous(), *kept)]
            is_weight = name.startswith("weight")
            own = (decay, shrink) if is_weight else (self._none, self._none)
            self._update(*flat, *(own if config.optimizer != "sgd" else own[:1]), *numbers)


def _adam(
    array: Tensor,
    gradient: Tensor,
    mean: Tensor,
    square: Tensor,
    decay: Tensor,
    shrink: Tensor,
    rate: Tensor,
    root: Tensor,
) -> None:
    """A step of Adam or AdamW. rate, root: the learning rate and √, each by its correction of the moments."""
    gradient = gradient + decay * array
    mean.lerp_(gradient, 1 - _BETAS[0])
    square.mul_(_BETAS[1]).add_(gradient * gradient * (1 - _BETAS[1]))
    array.mul_(1 - shrink).sub_(rate * mean / (square.sqrt() / root + _EPSILON))


def _sgd(
    array: Tensor, gradient: Tensor, velocity: Tensor, decay: Tensor, rate: Tensor, momentum: float, nesterov: bool
) -> None:
    gradient = gradient + decay * array
    velocity.mul_(momentum).add_(gradient)
    array.sub_(rate * (gradient + momentum * velocity if nesterov else velocity))


# ---- what nets have in common ----------------------------------------------------------------------------------


def _shared(configs: Sequence[TrainConfig]) -> TrainConfig:
    first, *others = (effective(replace(config, **_OWN)) for config in configs)
    if any(other != first for other in others):
        raise ValueError(f"nets side by side may differ in {', '.join(_OWN)} alone")
    if first.averaging or first.class_weights != "none" or first.activation != "relu":
        raise ValueError("nets side by side have no averaging, no class weights, and relu alone")
    return first


def _initial(
    configs: Sequence[TrainConfig], inputs: int, classes: int, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """The initial arrays by name: weights (nets, inputs, outputs), others (nets, 1, outputs)."""
    alone: dict[int, dict[str, Tensor]] = {}  # those of one seed are the same, and take their time
    for config in configs:
        if config.seed not in alone:
            named = initial_parameters(inputs, classes, config, _DTYPES[dtype]).named()
            alone[config.seed] = {name: torch.from_numpy(array).to(device) for name, array in named.items()}
    names = alone[configs[0].seed]
    stacked = {name: torch.stack([alone[config.seed][name] for config in configs]) for name in names}
    return {name: array if array.ndim == 3 else array[:, None] for name, array in stacked.items()}


def _factors(config: TrainConfig, batches: int) -> Tensor:
    """What the learning rate is multiplied by in each step, (steps,) float64."""
    steps = config.epochs * batches
    return torch.tensor([learning_rate(config, step, steps) for step in range(steps)], dtype=torch.float64)


def _column(numbers: list[float], device: torch.device) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64, device=device)[:, None]
