"""Training as people write it, for benchmarks/training.py: each returns the seconds of an epoch."""

import time
import warnings
from itertools import pairwise

import numpy as np
import torch

from benchmarks.shapes import CLASSES, INPUTS, RATE, SHAPE, Case
from mlpsearch.models.inputs.data import Split
from mlpsearch.studies.data.images.torchvision_datasets import import_datasets


def course(images: Split, case: Case) -> float | None:
    """The two-layer net as courses teach it."""
    if case.depth != 2:
        return None
    random = np.random.default_rng(0)
    data = images.images.astype(np.float64) - images.images.mean(axis=0)
    first, second = 1e-4 * random.standard_normal((INPUTS, case.hidden_size)), np.zeros(case.hidden_size)
    third, fourth = 1e-4 * random.standard_normal((case.hidden_size, CLASSES)), np.zeros(CLASSES)
    losses: list[float] = []
    started = time.perf_counter()
    order = random.permutation(len(data))
    for start in range(0, len(data), case.batch_size):
        rows = order[start : start + case.batch_size]
        x, y = data[rows], images.labels[rows]
        hidden = np.maximum(0, x.dot(first) + second)
        scores = hidden.dot(third) + fourth
        shares, loss = np.zeros_like(scores), 0.0
        for row in range(len(scores)):
            exponentials = np.exp(scores[row] - np.max(scores[row]))
            shares[row] = exponentials / np.sum(exponentials)
            loss -= np.log(shares[row, y[row]]) / len(y)
        losses.append(loss + 1e-4 * (np.sum(first * first) + np.sum(third * third)))
        shares[np.arange(len(y)), y] -= 1
        shares /= len(y)
        back = shares.dot(third.T) * (hidden > 0)
        third -= RATE * (hidden.T.dot(shares) + 2e-4 * third)
        fourth -= RATE * shares.sum(axis=0)
        first -= RATE * (x.T.dot(back) + 2e-4 * first)
        second -= RATE * back.sum(axis=0)
    return time.perf_counter() - started


class _Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """Images one by one, as torchvision's data sets give them."""

    def __init__(self, images: Split):
        import_datasets()  # torchvision cannot be imported without beside a CPU torch
        from torchvision import transforms

        self._images = images.images.reshape(-1, *SHAPE)
        self._labels = images.labels.tolist()
        half = (0.5, 0.5, 0.5)
        self._transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize(half, half)])

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        return self._transform(Image.fromarray(self._images[index])), self._labels[index]


def dataloader(images: Split, case: Case) -> float:
    """Torch as its tutorials teach it."""
    layers: list[torch.nn.Module] = [torch.nn.Flatten()]
    for fan_in, fan_out in pairwise(case.sizes):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, weight_decay=2e-4)
    batches = torch.utils.data.DataLoader(_Pictures(images), batch_size=case.batch_size, shuffle=True)
    started, total = time.perf_counter(), 0.0
    for pictures, labels in batches:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(pictures), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.item()
    return time.perf_counter() - started


def scikit_learn(images: Split, case: Case) -> float:
    """One epoch of MLPClassifier."""
    from sklearn.neural_network import MLPClassifier

    net = MLPClassifier(
        hidden_layer_sizes=(case.hidden_size,) * (case.depth - 1),
        solver="sgd",
        learning_rate_init=RATE,
        batch_size=case.batch_size,
        alpha=1e-4,
    )
    data = (images.images / np.float32(127.5) - 1).astype(np.float32)
    started = time.perf_counter()
    with warnings.catch_warnings(action="ignore"):  # one epoch does not converge
        net.partial_fit(data, images.labels, classes=np.arange(CLASSES))
    return time.perf_counter() - started
