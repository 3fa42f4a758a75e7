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
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from itertools import pairwise, product
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.others import course, dataloader, scikit_learn
from benchmarks.shapes import CLASSES, INPUTS, RATE, Case, images_of
from mlpsearch.models import build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.threads import fitting_threads, limited_threads, threads
from mlpsearch.models.training import train

DEPTHS, BATCH_SIZES = (2, 3), (100, 200, 500)
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
