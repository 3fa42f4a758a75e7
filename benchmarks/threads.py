"""Steps a second with one thread and with all, by the size of a step's largest matrix product.

    python -m benchmarks.threads [--json]

Where all threads win is where models/threads.py begins to share a product among them.
"""

import argparse
import json
import statistics
import time

import numpy as np

from mlpsearch.models import NETS, build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.cores import available_cores
from mlpsearch.models.threads import use_threads

# (inputs, hidden size, batch size)
SHAPES = [(64, 32, 64), (64, 128, 128), (784, 64, 64), (784, 128, 128), (3072, 50, 100), (3072, 256, 200)]
_SECONDS = 0.5
_REPEATS = 5


def steps_a_second(net_name: str, inputs: int, hidden_size: int, batch_size: int, threads: int) -> float:
    """Return the training steps a second on random images."""
    use_threads(threads)
    config = TrainConfig(hidden_size=hidden_size, batch_size=batch_size, momentum=0.9, depth=3)
    net = build_net(net_name, inputs=inputs, classes=10, config=config)
    random = np.random.default_rng(0)
    images = random.standard_normal((batch_size, inputs)).astype(np.float32)
    labels = random.integers(0, 10, batch_size)
    net.train_batch(images, labels)
    started, steps = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - started) < _SECONDS:
        net.train_batch(images, labels)
        steps += 1
    return steps / elapsed


def main() -> None:
    """Measure every shape with both nets, alternating; print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    as_json, cores, rows = parser.parse_args().json, available_cores(), []
    for net in NETS:
        for shape in SHAPES:
            rates = [[steps_a_second(net, *shape, threads) for threads in (1, cores)] for _ in range(_REPEATS)]
            one, all_ = (statistics.median(column) for column in zip(*rates, strict=True))
            inputs, hidden_size, batch_size = shape
            million = batch_size * hidden_size * max(inputs, hidden_size) / 1e6
            rows.append({"net": net, "shape": shape, "million": million, "one": one, "all": all_})
            if not as_json:
                print(
                    f"{net:6} {inputs:5} inputs, hidden {hidden_size:4}, batch {batch_size:4}: {million:7.1f} M, "
                    f"1 thread {one:7.0f} steps/s, {cores} threads {all_:7.0f}: ×{all_ / one:.2f}",
                    flush=True,
                )
    if as_json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
