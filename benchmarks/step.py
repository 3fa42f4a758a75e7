"""Microseconds of a training step, its batch included: compiled, by NumPy or by autograd, and its products alone.

    OMP_NUM_THREADS=1 python -m benchmarks.step [--json] [--repeats 9]

Processor time of whole epochs, each after the other in turns, one net at a time; medians. First comes a table of
the NumPy net, then one of the net in PyTorch. The products are NumPy's. It needs a machine that compiles steps: a
C compiler, NumPy from its own wheel, and no CUDA device.
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

from mlpsearch.models import NETS, build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.initialization import layer_sizes
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.net import Net
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
_CELLS = (
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
CELLS = {
    "numpy": _CELLS,
    "torch": (*_CELLS, Cell(784, 100, options={"precision": "bfloat16"}, name="bfloat16")),
}


def measure(name: str, cell: Cell, repeats: int) -> dict[str, float]:
    """Return the microseconds of a step of the net of that name, each way; compiled, only where it is."""
    config, training = cell.config(), _images(cell)
    preprocessing = statistics_of(training).preprocessing(config)
    sizes: dict[str, Any] = {"inputs": preprocessing.inputs, "classes": cell.classes, "config": config}
    nets = {how: build_net(name, **sizes, compiled=how == "compiled") for how in ("compiled", "written")}
    if not nets["compiled"].compiled:
        del nets["compiled"]
    ways = {how: _epochs(net, training, config, preprocessing) for how, net in nets.items()}
    ways["products"] = products(layer_sizes(preprocessing.inputs, cell.classes, config), cell.rows)
    took: dict[str, list[float]] = {how: [] for how in ways}
    for _ in range(repeats):
        for how, way in ways.items():
            started = time.process_time()
            steps = way()
            took[how].append((time.process_time() - started) / steps)
    return {how: 1e6 * statistics.median(seconds[1:]) for how, seconds in took.items()}


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


def products(sizes: list[int], rows: int) -> Callable[[], int]:
    """Return what multiplies as some training steps of a net do, and returns how many; sizes: of layer_sizes."""
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
        if not build_net("torch", inputs=2, classes=2, config=TrainConfig()).compiled:
            raise SystemExit(
                "this machine compiles no steps: no C compiler, a NumPy without its own OpenBLAS, or CUDA"
            )
        for name in NETS:
            if not given.json:
                print({"numpy": "The NumPy net", "torch": "The net in PyTorch"}[name], flush=True)
            for cell in CELLS[name]:
                took = measure(name, cell, given.repeats)
                shape = f"{cell.inputs:5} inputs, hidden {cell.hidden:4} × {cell.depth - 1}, batch {cell.rows:3}"
                shape = f"{shape} {cell.name}"
                rows.append({"net": name, "cell": " ".join(shape.split()), **took})
                if not given.json:
                    print(f"{shape:52} {_times(took)}; products {took['products']:8.1f}", flush=True)
    if given.json:
        print(json.dumps(rows, indent=2))


def _times(took: dict[str, float]) -> str:
    written = took["written"]
    if "compiled" not in took:
        return f"{written:8.1f} µs, not compiled"
    return f"{written:8.1f} → {took['compiled']:8.1f} µs: ×{written / took['compiled']:.2f}"


if __name__ == "__main__":
    main()
