"""Images a second of a training epoch on data of CIFAR-10's shape: ours, what people write, and the limit.

    python -m benchmarks.training [--json] [--images 5000] [--repeats 3] [--hidden 50 256 1024]

ours      both nets through the epoch loop that trials run; "torch bfloat16" is Adam with products of bfloat16
others    the two-layer net of courses (float64, softmax row by row, batches by fancy indexing; depth 2 only),
          torch with DataLoader, ToTensor and Normalize, and scikit-learn's MLPClassifier (SGD, partial_fit)
limit     the matrix products of the same shapes alone, in NumPy and in torch, which also in bfloat16

Each way has a process of its own: idle threads of one library would take time from the next. All take turns within
a repetition, so that whatever else the machine does meets all of them.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, product
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models import build_net
from models.config import TrainConfig
from models.data import Split
from models.preprocessing import PixelStatistics
from models.threads import fitting_threads, limited_threads, threads
from models.training import train
from studies.torchvision_datasets import import_datasets

SHAPE, CLASSES = (32, 32, 3), 10
INPUTS = 3072
DEPTHS, BATCH_SIZES = (2, 3), (100, 200, 500)
RATE = 1e-3
# What is compared, as the geometric mean over the shapes; a limit beside others is as far as any code could get.
RATIOS = (
    ("numpy", "course"),
    ("numpy limit", "course"),
    ("numpy", "scikit-learn"),
    ("numpy limit", "scikit-learn"),
    ("torch sgd", "dataloader"),
    ("torch adam", "dataloader"),
    ("torch bfloat16", "dataloader"),
    ("torch limit", "dataloader"),
    ("bfloat16 limit", "dataloader"),
    ("numpy", "numpy limit"),
    ("torch sgd", "torch limit"),
    ("torch adam", "torch limit"),
    ("torch bfloat16", "bfloat16 limit"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One shape of a net and its batches."""

    hidden_size: int
    depth: int
    batch_size: int

    @property
    def sizes(self) -> list[int]:
        """Units of each layer, the inputs included."""
        return [INPUTS, *[self.hidden_size] * (self.depth - 1), CLASSES]


@cache
def images_of(count: int) -> Split:
    """Return random images."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (count, INPUTS), dtype=np.uint8)
    return Split(pixels, random.integers(0, CLASSES, count), np.arange(count), SHAPE)


# ---- ours ----------------------------------------------------------------------------------------------------


def ours(net_name: str, **options: Any) -> Callable[[Split, Case], float]:
    """Return what measures one of our nets, in seconds an epoch, its training steps alone."""

    def measure(images: Split, case: Case) -> float:
        config = TrainConfig(
            hidden_size=case.hidden_size,
            depth=case.depth,
            batch_size=case.batch_size,
            learning_rate=RATE,
            regularization=1e-4,
            epochs=2,
            preprocessing="scale",
            **options,
        )
        preprocessing = PixelStatistics(images).preprocessing(config)
        few = Split(images.images, images.labels, images.rows[:100], images.shape)
        with limited_threads(fitting_threads(INPUTS, config, threads())):
            net = build_net(net_name, inputs=INPUTS, classes=CLASSES, config=config)
            *_, last = train(net, images, few, config, preprocessing)
        return last.seconds  # the first epoch also pays for what is used the first time

    return measure


# ---- what people write ---------------------------------------------------------------------------------------


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


# ---- the limit -----------------------------------------------------------------------------------------------


def numpy_limit(images: Split, case: Case) -> float:
    """NumPy's matrix products of an epoch."""
    return _products(_arrays(case), np.matmul, len(images) // case.batch_size)


def torch_limit(dtype: torch.dtype) -> Callable[[Split, Case], float]:
    """Return what measures torch's matrix products of an epoch."""

    def measure(images: Split, case: Case) -> float:
        arrays = [tuple(torch.from_numpy(array).to(dtype) for array in one) for one in _arrays(case)]
        with torch.inference_mode():
            return _products(arrays, torch.matmul, len(images) // case.batch_size)

    return measure


def _arrays(case: Case) -> list[tuple[NDArray[np.float32], ...]]:
    """(inputs, weights, outputs, gradient of the weights, gradient of the inputs) of each layer."""
    random = np.random.default_rng(0)
    batch = case.batch_size

    def new(*shape: int) -> NDArray[np.float32]:
        return random.standard_normal(shape).astype(np.float32)

    return [(new(batch, i), new(i, o), new(batch, o), new(i, o), new(batch, i)) for i, o in pairwise(case.sizes)]


def _products(layers: list[Any], matmul: Callable[..., Any], steps: int) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        for inputs, weights, outputs, *_ in layers:
            matmul(inputs, weights, out=outputs)
        for number, (inputs, weights, outputs, gradient, back) in reversed([*enumerate(layers)]):
            matmul(inputs.T, outputs, out=gradient)
            if number:
                matmul(outputs, weights.T, out=back)
    return time.perf_counter() - started


# ---- the table -----------------------------------------------------------------------------------------------

WAYS: dict[str, Callable[[Split, Case], float | None]] = {
    "numpy": ours("numpy", momentum=0.9),
    "torch sgd": ours("torch", momentum=0.9),
    "torch adam": ours("torch", optimizer="adam"),
    "torch bfloat16": ours("torch", optimizer="adam", precision="bfloat16"),
    "course": course,
    "dataloader": dataloader,
    "scikit-learn": scikit_learn,
    "numpy limit": numpy_limit,
    "torch limit": torch_limit(torch.float32),
    "bfloat16 limit": torch_limit(torch.bfloat16),
}


def measure(images: int, cases: list[Case], repeats: int) -> Iterator[tuple[Case, dict[str, float]]]:
    """Yield the images a second of each way, the median of the repetitions, case by case."""
    with ExitStack() as stack:
        processes: dict[str, Executor] = {
            way: stack.enter_context(ProcessPoolExecutor(1, get_context("spawn"))) for way in WAYS
        }
        for case in cases:
            seconds: dict[str, list[float]] = {}
            for _ in range(repeats):
                for way, process in processes.items():
                    took = process.submit(_seconds, way, images, case).result()
                    if took is not None:
                        seconds.setdefault(way, []).append(took)
            yield case, {way: images / statistics.median(took) for way, took in seconds.items()}


def _seconds(way: str, images: int, case: Case) -> float | None:
    WAYS[way](images_of(2 * case.batch_size), case)  # what is used the first time takes longer
    return WAYS[way](images_of(images), case)


def ratios(rates: list[tuple[Case, dict[str, float]]]) -> dict[str, float]:
    """Return the geometric mean of each of RATIOS, those against a limit for hidden sizes of 256 and more."""
    found = {}
    for one, other in RATIOS:
        shares = [
            rate[one] / rate[other]
            for case, rate in rates
            if other in rate and (case.hidden_size >= 256 or "limit" not in other)
        ]
        if shares:
            found[f"{one} / {other}"] = statistics.geometric_mean(shares)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--images", type=int, default=5_000, help="of an epoch")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--hidden", type=int, nargs="+", default=[50, 256, 1024])
    given = parser.parse_args()
    cases = [Case(*shape) for shape in product(given.hidden, DEPTHS, BATCH_SIZES)]
    rates = []
    if not given.json:
        print("images a second\nhidden depth batch " + " ".join(f"{way:>14}" for way in WAYS))
    for case, rate in measure(given.images, cases, given.repeats):
        rates.append((case, rate))
        if not given.json:
            cells = (f"{rate[way]:14,.0f}" if way in rate else f"{'–':>14}" for way in WAYS)
            print(f"{case.hidden_size:6} {case.depth:5} {case.batch_size:5} {' '.join(cells)}", flush=True)
    if given.json:
        rows = [{"hidden_size": c.hidden_size, "depth": c.depth, "batch_size": c.batch_size} | r for c, r in rates]
        print(json.dumps({"images_a_second": rows, "ratios": ratios(rates)}, indent=2))
    else:
        for name, ratio in ratios(rates).items():
            print(f"{name:28} ×{ratio:.2f}")


if __name__ == "__main__":
    main()
