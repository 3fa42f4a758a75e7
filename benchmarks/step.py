"""Microseconds of the NumPy net's training step, its batch included: compiled, in NumPy, and its products alone.

    OMP_NUM_THREADS=1 python -m benchmarks.step [--json] [--repeats 9]

Processor time of whole epochs, each after the other in turns, one net at a time; medians. Both steps end with the
same bits. It needs a machine that compiles steps: a C compiler, and NumPy from its own wheel.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from mlpsearch.models import build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.initialization import layer_sizes
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.net import Net
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.prediction import statistics as statistics_of
from mlpsearch.models.threads import limited_threads

_MOST_PIXELS = 4_000_000  # of an epoch
_SIDES = {16: (4, 4, 1), 64: (8, 8, 1), 784: (28, 28, 1), 3072: (32, 32, 3)}
_EVERYTHING: dict[str, Any] = {
    "batch_normalization": True,
    "dropout": 0.2,
    "input_dropout": 0.1,
    "label_smoothing": 0.1,
    "class_weights": "balanced",
    "averaging": 0.99,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One shape of a net and its batches, and what is not Adam with λ."""

    inputs: int
    hidden: int
    depth: int = 2
    rows: int = 64
    classes: int = 10
    options: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    def config(self) -> TrainConfig:
        """Return its configuration."""
        base: dict[str, Any] = {"optimizer": "adam", "regularization": 1e-4, "preprocessing": "standardize"}
        return TrainConfig(
            hidden_size=self.hidden, depth=self.depth, batch_size=self.rows, **(base | self.options)
        )


_SGD: dict[str, Any] = {"optimizer": "sgd", "momentum": 0.9}
CELLS = (
    Cell(16, 16, rows=32, options=_SGD, name="SGD"),
    Cell(64, 16),
    Cell(64, 32),
    Cell(16, 50, classes=26),
    Cell(64, 64),
    Cell(64, 100),
    Cell(64, 100, depth=3, options=_EVERYTHING, name="all options"),
    Cell(64, 200, depth=3),
    Cell(16, 256, depth=3),
    Cell(784, 100),
    Cell(784, 100, options={"preprocessing": "whiten", "components": 128}, name="whitened"),
    Cell(784, 100, options={"flip": True, "shift": 2}, name="flipped, moved"),
    Cell(784, 512, rows=200, options=_SGD, name="SGD"),
    Cell(3072, 100),
    Cell(3072, 1024, depth=3, rows=200, options=_SGD, name="SGD"),
)


def measure(cell: Cell, repeats: int) -> dict[str, float]:
    """Return the microseconds of a step, each way."""
    config, training = cell.config(), _images(cell)
    preprocessing = statistics_of(training).preprocessing(config)
    sizes: dict[str, Any] = {"inputs": preprocessing.inputs, "classes": cell.classes, "config": config}
    nets = {"compiled": build_net("numpy", **sizes), "numpy": NumpyNet(**sizes)}
    if not nets["compiled"].compiled:
        raise SystemExit("this machine compiles no steps: no C compiler, or a NumPy without its own OpenBLAS")
    ways = {name: _epochs(net, training, config, preprocessing) for name, net in nets.items()}
    ways["products"] = _products(layer_sizes(preprocessing.inputs, cell.classes, config), cell.rows)
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            started = time.process_time()
            steps = way()
            took[name].append((time.process_time() - started) / steps)
    return {name: 1e6 * statistics.median(seconds[1:]) for name, seconds in took.items()}


def _images(cell: Cell) -> Split:
    random = np.random.default_rng(0)
    steps = max(4, min(60, _MOST_PIXELS // (cell.inputs * cell.rows)))
    pixels = random.integers(0, 256, (steps * cell.rows, cell.inputs), dtype=np.uint8)
    labels = random.integers(0, cell.classes, len(pixels))
    return Split(pixels, labels, np.arange(len(pixels)), _SIDES[cell.inputs])


def _epochs(net: Net, training: Split, config: TrainConfig, preprocessing: Any) -> Callable[[], int]:
    batches = net.batches(training, config, preprocessing)
    net.class_weights = np.ones(net.weights[-1].shape[1]) if config.class_weights != "none" else None

    def epoch() -> int:
        left, rates = batches.epoch(1), [config.learning_rate] * len(batches)
        for start in range(0, len(batches), 20):
            net.train_batches(left, rates[start : start + 20])
        return len(batches)

    return epoch


def _products(sizes: list[int], rows: int) -> Callable[[], int]:
    random, layers = np.random.default_rng(0), []
    for shape in pairwise(sizes):
        weights, outputs = np.empty(shape, np.float32), np.empty((rows, shape[1]), np.float32)
        weights[:] = random.standard_normal(shape)
        inputs = random.standard_normal((rows, shape[0])).astype(np.float32)
        layers.append((inputs, weights, outputs, np.empty_like(weights), np.empty_like(inputs)))

    def steps() -> int:
        for _ in range(20):
            for inputs, weights, outputs, *_ in layers:
                np.matmul(inputs, weights, out=outputs)
            for number, (inputs, weights, outputs, gradient, below) in enumerate(layers):
                np.matmul(inputs.T, outputs, out=gradient)
                if number:
                    np.matmul(outputs, weights.T, out=below)
        return 20

    return steps


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    rows = []
    with limited_threads(1):
        for cell in CELLS:
            took = measure(cell, given.repeats)
            shape = f"{cell.inputs:5} inputs, hidden {cell.hidden:4} × {cell.depth - 1}, batch {cell.rows:3}"
            shape = f"{shape} {cell.name}"
            rows.append({"cell": " ".join(shape.split()), **took, "ratio": took["numpy"] / took["compiled"]})
            if not given.json:
                print(
                    f"{shape:52} {took['numpy']:8.1f} → {took['compiled']:8.1f} µs: "
                    f"×{rows[-1]['ratio']:.2f}; products {took['products']:8.1f}",
                    flush=True,
                )
    if given.json:
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
