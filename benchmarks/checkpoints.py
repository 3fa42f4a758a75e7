"""The share of a trial's time that goes into its checkpoints, and what they take on disk.

    python -m benchmarks.checkpoints [--json]

CIFAR-10-shaped random images; the share is of seconds inside Checkpoint.save, of one run.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from mlpsearch.models import NETS, build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.training import train
from mlpsearch.search.trials.checkpoints import Checkpoint, Progress
from mlpsearch.studies.files.base import FolderFiles

_IMAGES, _INPUTS = 49_000, 3_072


def random_split() -> tuple[Split, Split]:
    """Return 49,000 training and 1,000 validation images of noise."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (_IMAGES + 1_000, _INPUTS), dtype=np.uint8)
    labels = random.integers(0, 10, _IMAGES + 1_000)
    rows = np.arange(_IMAGES + 1_000)
    parts = rows[:_IMAGES], rows[_IMAGES:]
    training, validation = (Split(images, labels, part, (32, 32, 3)) for part in parts)
    return training, validation


def measure(net_name: str, config: TrainConfig, training: Split, validation: Split) -> dict[str, Any]:
    """Train with checkpoints as a trial does; return seconds in all and in checkpoints, and bytes on disk."""
    net = build_net(net_name, inputs=_INPUTS, classes=10, config=config)
    preprocessing = PixelStatistics(training).preprocessing(config)
    progress, saving, files, size = Progress(), 0.0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Checkpoint(FolderFiles(Path(folder)), 0, config)
        started = time.perf_counter()
        for result in train(net, training, validation, config, preprocessing):
            progress.add(result)
            before = time.perf_counter()
            checkpoint.save_if_due(net, progress)
            saving += time.perf_counter() - before
            found = [path for path in Path(folder).rglob("*") if path.is_file()]
            files, size = max(files, len(found)), max(size, sum(path.stat().st_size for path in found))
        seconds = time.perf_counter() - started
    return {"net": net_name, "seconds": seconds, "saving": saving, "files": files, "bytes": size}


def main() -> None:
    """Measure both nets, hidden size 512, depth 3; print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    as_json = parser.parse_args().json
    training, validation = random_split()
    rows = []
    for net in NETS:
        optimizer = "adam" if net == "torch" else "sgd"
        config = TrainConfig(
            hidden_size=512,
            depth=3,
            epochs=8,
            optimizer=optimizer,
            learning_rate=1e-4,
            momentum=0.9,
            preprocessing="scale",
        )
        rows.append(row := measure(net, config, training, validation))
        if not as_json:
            print(
                f"{net:6} {row['seconds']:6.1f} s, in checkpoints {row['saving']:5.2f} s "
                f"({row['saving'] / row['seconds']:.1%}), {row['files']} file of {row['bytes'] / 1e6:.1f} MB",
                flush=True,
            )
    if as_json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
