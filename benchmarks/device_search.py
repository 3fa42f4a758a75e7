"""Searching and training on a device with nets side by side, on CIFAR-10's images, for benchmarks/device.py."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.device_graphs import wait_for
from benchmarks.device_group import Group
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.spec.catalog import find
from mlpsearch.studies.spec.dimensions import Range
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.study_data import load_spec_data

SEARCHED, BEST = "cifar10-numpy", "cifar10-torch-best"
GOAL = 0.589  # the best validation accuracy that the search of SEARCHED found on a CPU (benchmarks/ACCURACY.md)
TRIALS, NETS = 64, 5
VALIDATION = 5_000  # of BEST, whose 1,000 tell little apart


def study_of(name: str) -> StudySpec:
    """Return a ready study; of BEST with more images for validation."""
    study = find(name)
    return study if name == SEARCHED else study.model_copy(update={"validation": VALIDATION})


def load(name: str, path: Path) -> TrainingData:
    """Return the images of a ready study, split as it says."""
    return load_spec_data(study_of(name), path)


# ---- a search --------------------------------------------------------------------------------------------------


def trials_of(study: StudySpec, count: int) -> list[TrainConfig]:
    """Return random trials of a study that fit side by side.

    They are its last starting point with its largest hidden size; learning rate and λ are drawn from its ranges.
    """
    fixed: dict[str, Any] = {**study.fixed, **study.points[-1], "epochs": study.budget.epochs}
    hidden = study.search["hidden_size"]
    fixed |= {"hidden_size": hidden.high} if isinstance(hidden, Range) else {}
    random = np.random.default_rng(study.seed)
    drawn = {name: _log_uniform(random, study.search[name], count) for name in ("learning_rate", "regularization")}
    return [
        TrainConfig(**(fixed | {name: values[number] for name, values in drawn.items()} | {"seed": number}))
        for number in range(count)
    ]


def _log_uniform(random: np.random.Generator, dimension: Any, count: int) -> list[float]:
    exponents = random.uniform(np.log(dimension.low), np.log(dimension.high), count)
    return [float(value) for value in np.exp(exponents)]


def search(
    data: TrainingData, configs: list[TrainConfig], device: torch.device, goal: float
) -> Iterator[dict[str, Any]]:
    """Train all trials side by side until one is as good as the goal; yield a row an epoch.

    seconds: since the images are in memory.
    """
    started = time.perf_counter()
    preprocessing = PixelStatistics(data.training).preprocessing(configs[0])
    views = preprocessing.views(data.validation)
    group = Group(configs, data.training, preprocessing, classes=len(data.classes), device=device, graphs=True)
    for epoch in range(1, configs[0].epochs + 1):
        group.train_epoch()
        accuracies = _accuracies(_logits(group, views), data.validation)
        best = int(accuracies.argmax())
        yield {
            "epoch": epoch,
            "seconds": time.perf_counter() - started,
            "trials": len(configs),
            "best": float(accuracies[best]),
            "learning_rate": configs[best].learning_rate,
            "regularization": configs[best].regularization,
            "reached": float(accuracies[best]) >= goal,
        }
        if accuracies[best] >= goal:
            return


# ---- the best configuration ------------------------------------------------------------------------------------


class DeviceStatistics(PixelStatistics):
    """Statistics of training images whose principal components a device computes: to rounding those of the CPU."""

    def __init__(self, training: Split, device: torch.device):
        super().__init__(training)
        self._device = device

    @cached_property
    def principal_components(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Variances, (pixels,), the largest first, and their components as columns, (pixels, pixels)."""
        images = self._training.images[self._training.rows]
        pixels = torch.from_numpy(images).to(self._device, torch.float64)
        pixels -= pixels.mean(0)
        variances, components = torch.linalg.eigh(pixels.T @ pixels / len(pixels))
        largest = components.abs().argmax(0, keepdim=True)
        components *= components.gather(0, largest).sign()
        descending = components.flip(1).to(torch.float32).contiguous()
        return variances.flip(0).clamp(min=0).cpu().numpy(), descending.cpu().numpy()


def best_of(study: StudySpec) -> TrainConfig:
    """Return the first starting point of a study."""
    values: dict[str, Any] = {**study.fixed, **study.points[0], "epochs": study.budget.epochs}
    return TrainConfig(**values)


def train_best(
    data: TrainingData, base: TrainConfig, device: torch.device, seconds: float
) -> Iterator[dict[str, Any]]:
    """Train some nets of a configuration side by side; yield a row a length.

    First for its own epochs, then for as many as the seconds allow.
    """
    started = time.perf_counter()
    preprocessing = DeviceStatistics(data.training, device).preprocessing(base)
    row = _trained(data, preprocessing, base, device)
    yield row
    left = seconds - (time.perf_counter() - started)
    more = int(0.9 * left / row["seconds"] * base.epochs)
    if more > base.epochs:
        yield _trained(data, preprocessing, replace(base, epochs=more), device)


def _trained(data: TrainingData, preprocessing: Any, config: TrainConfig, device: torch.device) -> dict[str, Any]:
    """What nets of a configuration come to, each and on average."""
    started = time.perf_counter()
    configs = [replace(config, seed=seed) for seed in range(NETS)]
    group = Group(configs, data.training, preprocessing, classes=len(data.classes), device=device, graphs=True)
    for _ in range(config.epochs):
        group.train_epoch()
    wait_for(device)
    seconds = time.perf_counter() - started
    logits = _logits(group, preprocessing.views(data.validation))
    each = _accuracies(logits, data.validation)
    together = _accuracies(logits.softmax(-1).mean(0, keepdim=True), data.validation)
    return {
        "epochs": config.epochs,
        "seconds": seconds,
        "nets": NETS,
        "mean": float(each.mean()),
        "deviation": float(each.std(ddof=1)),
        "averaged": float(together[0]),
    }


def _logits(group: Group, views: Any) -> Tensor:
    """The mean over the views, (nets, N, classes)."""
    return torch.stack([torch.cat([group.logits(images) for images in view], 1) for view in views]).mean(0)


def _accuracies(scores: Tensor, split: Split) -> Any:
    """Of each net, (nets,)."""
    predicted = scores.argmax(-1).cpu().numpy()
    return (predicted == split.labels[split.rows]).mean(axis=1)
