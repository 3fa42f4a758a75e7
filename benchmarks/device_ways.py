"""The ways to train on a device whose speed benchmarks/device_speed.py measures, and the data that they train on.

Each is a function of a Case that returns what takes a step, or what takes as many as the epoch loop takes at once.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.device_graphs import replayed_on
from benchmarks.device_group import Group
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Column, Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.prediction import statistics
from mlpsearch.models.torch_net.torch_mlp import TorchNet

STEPS = 20  # of the epoch loop between two looks at the loss
MOST_STEPS = 60_000  # of a way
_SEEDS = 4  # of the nets side by side: initial weights are drawn by the host


@dataclass(frozen=True, slots=True)
class Shape:
    """Data of one kind. shape: as of a Split; columns: whether it is of a table's columns."""

    name: str
    shape: tuple[int, int, int]
    classes: int
    images: int
    batch_size: int
    columns: bool = False

    def split(self) -> Split:
        """Return that many random images or rows."""
        random, width = np.random.default_rng(0), int(np.prod(self.shape))
        labels, rows = random.integers(0, self.classes, self.images), np.arange(self.images)
        if self.columns:
            table = random.standard_normal((self.images, width))
            return Split(table, labels, rows, self.shape, (Column(0, False),) * width)
        return Split(random.integers(0, 256, (self.images, width), dtype=np.uint8), labels, rows, self.shape)


SHAPES = (
    Shape("digits", (8, 8, 1), 10, 1_472, 64),
    Shape("table", (1, 16, 1), 26, 16_000, 64, columns=True),
    Shape("CIFAR-10", (32, 32, 3), 10, 20_000, 200),
)


@dataclass(frozen=True, slots=True)
class Case:
    """What all ways of one shape and size train on. preprocessed: what a net gets of all images, on the device."""

    shape: Shape
    hidden: int
    device: torch.device
    training: Split
    preprocessing: Preprocessing
    preprocessed: Tensor
    labels: Tensor

    @classmethod
    def of(cls, shape: Shape, hidden: int, device: torch.device) -> "Case":
        """Make one."""
        training = shape.split()
        preprocessing = statistics(training).preprocessing(_config(shape, hidden))
        preprocessed = torch.from_numpy(preprocessing.everything(training)).to(device)
        labels = torch.from_numpy(training.labels).to(device)
        return cls(shape, hidden, device, training, preprocessing, preprocessed, labels)

    @property
    def config(self) -> TrainConfig:
        """Of one net."""
        return _config(self.shape, self.hidden)

    @property
    def sizes(self) -> list[int]:
        """Units from the input to the output."""
        return [self.preprocessing.inputs, self.hidden, self.hidden, self.shape.classes]


def _config(shape: Shape, hidden: int) -> TrainConfig:
    return TrainConfig(
        hidden_size=hidden,
        depth=3,
        batch_size=shape.batch_size,
        optimizer="adam",
        regularization=1e-4,
        preprocessing="standardize",
        epochs=-(-MOST_STEPS * shape.batch_size // shape.images),
    )


# ---- what people write -----------------------------------------------------------------------------------------


class Plain:
    """A net as people write it. capturable: for its steps to be captured as CUDA graphs."""

    def __init__(self, case: Case, *, capturable: bool = False):
        layers: list[nn.Module] = []
        for fans in pairwise(case.sizes):
            layers += [nn.Linear(*fans), nn.ReLU()]
        self.net: Callable[[Tensor], Tensor] = nn.Sequential(*layers[:-1]).to(case.device)
        parameters = self.net.parameters()
        self._optimizer = torch.optim.Adam(parameters, weight_decay=2e-4, capturable=capturable)

    def step(self, images: Tensor, labels: Tensor) -> None:
        """Take one."""
        self._optimizer.zero_grad()
        nn.functional.cross_entropy(self.net(images), labels).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()


def _batches_of(case: Case) -> Iterator[tuple[Tensor, Tensor]]:
    """Whole batches of images that are on the device, in a new order each epoch."""
    size = case.shape.batch_size
    while True:
        order = torch.randperm(len(case.labels), device=case.device)
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            yield case.preprocessed[rows], case.labels[rows]


def eager(case: Case) -> Callable[[], object]:
    """All images on the device."""
    plain, batches = Plain(case), _batches_of(case)
    return lambda: plain.step(*next(batches))


def data_loader(case: Case) -> Callable[[], object]:
    """With torch's DataLoader, in this process; images are preprocessed beforehand."""
    plain, pinned = Plain(case), case.device.type == "cuda"
    data = TensorDataset(case.preprocessed.cpu(), case.labels.cpu())
    loader = DataLoader(data, case.shape.batch_size, shuffle=True, drop_last=True, pin_memory=pinned)
    batches = itertools.chain.from_iterable(itertools.repeat(loader))

    def step() -> None:
        images, labels = (tensor.to(case.device, non_blocking=True) for tensor in next(batches))
        plain.step(images, labels)

    return step


def graph(case: Case) -> Callable[[], object]:
    """Each step replayed as a CUDA graph, on a batch that is copied to where the graph has it."""
    plain, batches = Plain(case, capturable=case.device.type == "cuda"), _batches_of(case)
    images, labels = (tensor.clone() for tensor in next(batches))
    replayed = replayed_on(case.device, partial(plain.step, images, labels))

    def step() -> None:
        for kept, new in zip((images, labels), next(batches), strict=True):
            kept.copy_(new)
        replayed()

    return step


def compiled(case: Case) -> Callable[[], object]:
    """The net by torch.compile; what compiles is that of CUDA devices, and nothing elsewhere."""
    plain, batches = Plain(case), _batches_of(case)
    plain.net = torch.compile(plain.net, backend="inductor" if case.device.type == "cuda" else "eager")
    return lambda: plain.step(*next(batches))


# ---- ours, and the limit ---------------------------------------------------------------------------------------


def mlpsearch(case: Case, *, draws: bool = False) -> Callable[[], object]:
    """The net of this package, as the epoch loop trains it, which looks at the loss every 20 steps.

    draws: with dropout, and with flips and shifts of images.
    """
    moved: dict[str, Any] = {} if case.shape.columns else {"flip": True, "shift": 2}
    config = replace(case.config, dropout=0.1, **moved) if draws else case.config
    net = TorchNet(inputs=case.preprocessing.inputs, classes=case.shape.classes, config=config)
    batches = net.batches(case.training, config, case.preprocessing)
    left = itertools.chain.from_iterable(batches.epoch(epoch) for epoch in itertools.count(1))
    return lambda: net.train_batches(left, [config.learning_rate] * STEPS)


def side_by_side(case: Case, *, nets: int, graphs: bool) -> Callable[[], object]:
    """So many nets as one."""
    configs = [replace(case.config, seed=net % _SEEDS, learning_rate=1e-3 / (1 + net)) for net in range(nets)]
    classes, device = case.shape.classes, case.device
    group = Group(configs, case.training, case.preprocessing, classes=classes, device=device, graphs=graphs)
    return group.step


def products(case: Case, *, nets: int) -> Callable[[], object]:
    """The matrix products of a step of so many nets."""
    size = case.shape.batch_size

    def new(*shape: int) -> Tensor:
        return torch.randn(nets, *shape, device=case.device)

    layers = [(new(size, i), new(i, o), new(size, o), new(i, o), new(size, i)) for i, o in pairwise(case.sizes)]

    def step() -> None:
        for inputs, weights, outputs, *_ in layers:
            torch.bmm(inputs, weights, out=outputs)
        for number, (inputs, weights, outputs, gradient, back) in reversed([*enumerate(layers)]):
            torch.bmm(inputs.mT, outputs, out=gradient)
            if number:
                torch.bmm(outputs, weights.mT, out=back)

    return replayed_on(case.device, step)
