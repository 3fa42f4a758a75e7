"""Nets of plain PyTorch with one thing or another that mlpsearch's have not, for benchmarks/tricks.py."""

import time
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.batches import Batches
from mlpsearch.models.inputs.pixels import PixelPreprocessing, PixelStatistics
from mlpsearch.models.inputs.poses import poses_of
from mlpsearch.models.schedules import learning_rate
from mlpsearch.studies.data.training import TrainingData

_SMALL = 1e-4  # deviation of initial weights, as initialization = "small" has it
_TEMPERATURE = 2.0  # of a teacher's probabilities, and of those compared with them
_PATCHES_OF = 5_000  # images


@dataclass(frozen=True, slots=True)
class Trick:
    """One change. All that is left out is as in the study.

    options: of the configuration.
    mixup: α of Beta(α, α), from which each batch has the share of its own images in mixtures (Zhang et al. 2018).
    cutout: pixels of the side of a square of mean pixels in each image (DeVries and Taylor 2017).
    sam: ρ, how far uphill the gradient is taken (Foret et al. 2021).
    shifts: of the first epoch and of the last, in between on a straight line.
    bottleneck: width of linear layers between the hidden ones, as a share of theirs (Lin et al. 2015).
    skips: whether the hidden layers after the first add to what they get.
    expansion: those are pairs instead, out to so many times the width and back (Bachmann et al. 2023).
    patches: pixels of the side of patches that are whitened alike, in place of whole images.
    sparse: by how many learning rates each step moves weights of the first layer towards 0, where they stay
        (Neyshabur 2020, with a proximal step in place of his threshold).
    distilled: whether half of the loss are the probabilities of the nets of `nothing` (Hinton et al. 2015).
    width: hidden units, as a factor.
    """

    options: dict[str, Any] = field(default_factory=dict)
    mixup: float = 0.0
    cutout: int = 0
    sam: float = 0.0
    shifts: tuple[int, int] | None = None
    bottleneck: float = 0.0
    skips: bool = False
    expansion: int = 0
    patches: int = 0
    sparse: float = 0.0
    distilled: bool = False
    width: float = 1.0


@dataclass(frozen=True, slots=True)
class Problem:
    """Images of a study and what is computed of them once."""

    data: TrainingData
    statistics: PixelStatistics


# ---- the net -----------------------------------------------------------------------------------------------


class Block(nn.Module):
    """A hidden layer: product, batch normalisation, ReLU, dropout; and what a trick makes of it."""

    def __init__(self, inputs: int, units: int, trick: Trick, dropout: float):
        super().__init__()
        self._skips = inputs == units and (trick.skips or bool(trick.expansion))
        inner = units * trick.expansion if self._skips and trick.expansion else units
        narrow = int(units * trick.bottleneck)
        products = [_linear(inputs, narrow), _linear(narrow, inner)] if narrow else [_linear(inputs, inner)]
        layers = [*products, nn.BatchNorm1d(inner), nn.ReLU(), nn.Dropout(dropout)]
        back = [_linear(inner, units), nn.BatchNorm1d(units)] if inner != units else []
        self.layers = nn.Sequential(*layers, *back)

    def forward(self, activations: Tensor) -> Tensor:
        """(N, inputs) → (N, units)."""
        made: Tensor = self.layers(activations)
        return activations + made if self._skips else made


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """Return a layer with small weights, before batch normalisation."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=_SMALL)
    return layer


def build(inputs: int, classes: int, config: TrainConfig, trick: Trick) -> nn.Sequential:
    """Return a net of config.depth products, a bottleneck's and a pair's counted as one."""
    units = int(config.hidden_size * trick.width)
    first = Block(inputs, units, replace(trick, bottleneck=0.0), config.dropout)
    rest = [Block(units, units, trick, config.dropout) for _ in range(config.depth - 2)]
    last = nn.Linear(units, classes)
    nn.init.normal_(last.weight, std=_SMALL)
    return nn.Sequential(first, *rest, last)


# ---- its images --------------------------------------------------------------------------------------------


class CutBatches(Batches):
    """Batches of images with a square of mean pixels somewhere in each, of `side` pixels, cut by the borders."""

    side = 0

    def _images(self, places: NDArray[np.int64], epoch: int, batch: int) -> NDArray[np.float32]:
        if not self.side:
            return super()._images(places, epoch, batch)
        how = self._preprocessing
        assert isinstance(how, PixelPreprocessing)
        assert self._augmentation is not None
        pixels = how.pixels(self._training, self._training.rows[places], self._buffer)
        self._augmentation(pixels, epoch, batch)
        height, width, _ = self._training.shape
        random = np.random.default_rng([self._config.seed, epoch, batch])
        top = random.integers(height, size=(len(pixels), 1)) - self.side // 2
        left = random.integers(width, size=(len(pixels), 1)) - self.side // 2
        rows, columns = (np.arange(height) - top) // self.side == 0, (np.arange(width) - left) // self.side == 0
        inside = (rows[:, :, None] & columns[:, None, :])[..., None]
        mean = how.offset.round().astype(np.uint8).reshape(self._training.shape)
        pixels[...] = np.where(inside, mean, pixels.reshape(-1, *self._training.shape)).reshape(pixels.shape)
        return how.apply(pixels, self._buffer)


def whitened_patches(problem: Problem, config: TrainConfig, side: int) -> PixelPreprocessing:
    """Return preprocessing that whitens all patches alike, to config.components numbers in all."""
    training = problem.data.training
    height, width, channels = training.shape
    rows = training.sample(_PATCHES_OF).rows
    offset = training.images[rows].mean(axis=0, dtype=np.float64)
    grid, down, across = np.indices((height, width, channels)), height // side, width // side
    place = (grid[0] // side * across + grid[1] // side).ravel()
    inside = [np.flatnonzero(place == patch) for patch in range(down * across)]
    patches = np.concatenate([(training.images[rows] - offset)[:, pixels] for pixels in inside])
    variances, components = np.linalg.eigh(patches.T @ patches / len(patches))
    kept = slice(None, -(config.components // len(inside)) - 1, -1)
    scales = 1 / np.sqrt(variances[kept] + config.whitening_epsilon * variances[-1])
    scales /= np.sqrt(np.mean(variances[kept] * scales**2))
    projection = np.zeros((offset.size, len(inside) * len(scales)), np.float32)
    for patch, pixels in enumerate(inside):
        projection[pixels, patch * len(scales) : (patch + 1) * len(scales)] = components[:, kept] * scales
    return PixelPreprocessing(offset.astype(np.float32), 1.0, projection, poses_of(config))


# ---- its training ------------------------------------------------------------------------------------------


class Result(NamedTuple):
    """What a run came to: validation accuracy, 0 to 1, and the processor's seconds for its steps."""

    net: nn.Module
    accuracy: float
    seconds: float


def train(problem: Problem, config: TrainConfig, trick: Trick, teachers: list[nn.Module]) -> Result:
    """Train one net. teachers: those that a trick may be distilled from, on the same inputs."""
    torch.manual_seed(config.seed)
    random = np.random.default_rng(config.seed)
    data, how = problem.data, problem.statistics.preprocessing(config)
    if trick.patches:
        how = whitened_patches(problem, config, trick.patches)
    net = build(how.inputs, len(data.classes), config, trick)
    weights = [parameter for parameter in net.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in net.parameters() if parameter.ndim == 1]
    groups = [{"params": weights, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, fused=True)
    averaged, step, seconds = deepcopy(net), 0, 0.0
    for epoch in range(1, config.epochs + 1):
        batches, started = batches_of(data, config, trick, how, epoch), time.process_time()
        for images, labels in batches.epoch(epoch):
            rate = learning_rate(config, step, config.epochs * len(batches))
            for group in optimizer.param_groups:
                group["lr"] = rate
            target = targets(torch.tensor(images), torch.tensor(labels), trick, random)
            take_step(net, optimizer, target, config, trick, teachers)
            if trick.sparse:
                shrink(weights[0], rate * trick.sparse)
            step += 1
            if config.averaging:
                follow(averaged, net, max(1 - config.averaging, 1 / step))
        seconds += time.process_time() - started
    predicting = averaged if config.averaging else net
    measure(predicting, torch.tensor(batches.sample()))
    return Result(predicting, accuracy(predicting, data, how), seconds)


def batches_of(
    data: TrainingData, config: TrainConfig, trick: Trick, how: PixelPreprocessing, epoch: int
) -> CutBatches:
    """Return the batches of an epoch, from 1."""
    if trick.shifts:
        first, last = trick.shifts
        share = (epoch - 1) / max(config.epochs - 1, 1)
        config = replace(config, shift=round(first + (last - first) * share))
    batches = CutBatches(data.training, config, how)
    batches.side = trick.cutout
    return batches


class Target(NamedTuple):
    """Images of a step, their labels, and those of the images mixed into them; `share` of each is its own."""

    images: Tensor
    labels: Tensor
    others: Tensor
    share: float


def targets(images: Tensor, labels: Tensor, trick: Trick, random: np.random.Generator) -> Target:
    """Return what a step sees of a batch."""
    if not trick.mixup:
        return Target(images, labels, labels, 1.0)
    share = float(random.beta(trick.mixup, trick.mixup))
    order = torch.from_numpy(random.permutation(len(images)))
    return Target(share * images + (1 - share) * images[order], labels, labels[order], share)


def take_step(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    target: Target,
    config: TrainConfig,
    trick: Trick,
    teachers: list[nn.Module],
) -> None:
    """Take a step of the optimizer, with SAM against the gradient that is met uphill."""
    wanted = taught(teachers, target.images) if trick.distilled else None
    optimizer.zero_grad()
    backward(loss_of(net, target, config, wanted))
    if trick.sam:
        moves = uphill(net, trick.sam)
        move(net, moves, 1)
        optimizer.zero_grad()
        backward(loss_of(net, target, config, wanted))
        move(net, moves, -1)
    optimizer.step()


def backward(loss: Tensor) -> None:
    """Fill the gradients."""
    loss.backward()  # type: ignore[no-untyped-call]


def loss_of(net: nn.Module, target: Target, config: TrainConfig, wanted: Tensor | None) -> Tensor:
    """Return the cross-entropy; where a teacher's probabilities are wanted, half of it by those."""
    logits = net(target.images)
    loss = target.share * functional.cross_entropy(logits, target.labels, label_smoothing=config.label_smoothing)
    if target.share < 1:
        other = functional.cross_entropy(logits, target.others, label_smoothing=config.label_smoothing)
        loss = loss + (1 - target.share) * other
    if wanted is None:
        return loss
    return loss / 2 + _TEMPERATURE**2 / 2 * functional.cross_entropy(logits / _TEMPERATURE, wanted)


@torch.no_grad()
def taught(teachers: list[nn.Module], images: Tensor) -> Tensor:
    """Return the mean of the teachers' probabilities, softened."""
    return torch.stack([(teacher(images) / _TEMPERATURE).softmax(1) for teacher in teachers]).mean(0)


@torch.no_grad()
def uphill(net: nn.Module, distance: float) -> list[Tensor]:
    """Return moves of all parameters along the gradient, together of that length."""
    gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in net.parameters()]
    length = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    return [distance * gradient / (length + 1e-12) for gradient in gradients]


@torch.no_grad()
def move(net: nn.Module, moves: list[Tensor], sign: int) -> None:
    """Move all parameters."""
    for parameter, change in zip(net.parameters(), moves, strict=True):
        parameter.add_(change, alpha=sign)


@torch.no_grad()
def shrink(weight: Tensor, by: float) -> None:
    """Move weights towards 0, no further."""
    weight.copy_(weight.sign() * (weight.abs() - by).clamp(min=0))


@torch.no_grad()
def follow(averaged: nn.Module, net: nn.Module, share: float) -> None:
    """Move an average of parameters towards those of now."""
    for average, parameter in zip(averaged.parameters(), net.parameters(), strict=True):
        average.lerp_(parameter, share)


# ---- its predictions ---------------------------------------------------------------------------------------


@torch.no_grad()
def measure(net: nn.Module, sample: Tensor) -> None:
    """Take the statistics of batch normalisation from some thousand images, and leave the net ready to predict."""
    net.train()
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
        if isinstance(layer, nn.BatchNorm1d):
            layer.momentum = 1.0
    net(sample)
    net.eval()


@torch.no_grad()
def accuracy(net: nn.Module, data: TrainingData, how: PixelPreprocessing) -> float:
    """Return the share of validation images that are right, their logits averaged over the study's poses."""
    views = [torch.cat([net(torch.tensor(images)) for images in view]) for view in how.views(data.validation)]
    labels = data.validation.labels[data.validation.rows]
    return float(np.mean(torch.stack(views).mean(0).argmax(1).numpy() == labels))
