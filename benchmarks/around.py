"""Processor time of a search beside its training: of a trial of 30 reports, and of a command that trains hardly.

    OMP_NUM_THREADS=1 python -m benchmarks.around [--json] [--trials 60] [--epochs 30] [--repeats 5]

trial   a worker searches the digits with nets of one or two units, whose training, validation included, is not
        counted: what is left is asking for hyperparameters, making the net, reports, the pruner, checkpoints,
        weights and what the storage takes for them, milliseconds a trial. Each search has a process of its own,
        and its first trials, which import and compile, are not counted.
start   `mlpsearch run` of a new study of one such trial of one epoch, from the start of the command to its end,
        without a test: seconds, of the command and of its worker.

Medians of the repeats, which take turns.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

from benchmarks.commands import timed
from mlpsearch.models import NETS
from mlpsearch.models.training import train
from mlpsearch.search.trials import fold_nets
from mlpsearch.search.workers.worker import serve_one
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import storage_url
from mlpsearch.studies.study_data import load_spec_data

PRUNERS = ("none", "median", "leader")
WARM_UP = 5  # trials


def document(net: str, pruner: str, trials: int, epochs: int) -> dict[str, Any]:
    """Return a study file's content: nets that cost next to nothing."""
    return {
        "name": "around",
        "net": net,
        "dataset": "digits",
        "pruner": pruner,
        "budget": {"trials": trials, "epochs": epochs},
        "search": {
            "hidden_size": {"low": 1, "high": 2},
            "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
            "regularization": {"low": 1e-7, "high": 1e-2, "log": True},
            "depth": {"low": 2, "high": 3},
            "batch_size": {"choices": [256, 512, 1000]},
        },
        "fixed": {"optimizer": "adam"},
    }


class Training:
    """Trains as the product does, and counts the processor's seconds of it, by this thread, and the epochs."""

    def __init__(self) -> None:
        self.seconds, self.epochs, self._train = 0.0, 0, train
        vars(fold_nets)["train"] = self._counted

    def _counted(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        started = time.thread_time()
        for result in self._train(*arguments, **options):
            self.seconds += time.thread_time() - started
            self.epochs += 1
            yield result
            started = time.thread_time()


def measure_trials(net: str, pruner: str, trials: int, epochs: int) -> tuple[float, float]:
    """Return milliseconds of the processor a trial beside its training, and how many epochs a trial had."""
    spec = StudySpec.from_json(document(net, pruner, WARM_UP, epochs))
    source = {"data": None, "fingerprint": load_spec_data(spec, None).fingerprint}
    with tempfile.TemporaryDirectory() as folder:
        url = storage_url(str(Path(folder) / "around.db"))
        serve_one(create_or_resume(url, spec, trials=None, source=source), lambda: False)
        record = create_or_resume(url, spec, trials=WARM_UP + trials, source=source)
        training, used = Training(), time.process_time()
        serve_one(record, lambda: False)
        used = time.process_time() - used - training.seconds
        record.storage.close()
    return 1e3 * used / trials, training.epochs / trials


def measure_start(net: str, folder: Path) -> float:
    """Return the processor's seconds of a command and its worker. folder: keeps the caches."""
    (folder / "around.toml").write_text(tomli_w.dumps(document(net, "none", 1, 1)), "utf-8")
    with tempfile.TemporaryDirectory() as name:
        storage = ("--storage", f"{name}/around.db", "--no-evaluate", "--workers", "1")
        return timed([sys.executable, "-P", "-m", "mlpsearch", "run", "around.toml", *storage], folder).processor


def measure(trials: int, epochs: int, repeats: int) -> list[dict[str, Any]]:
    """Return a row a net and pruner, and one a net for the start."""
    cells = [(net, pruner) for net in NETS for pruner in PRUNERS]
    took: dict[tuple[str, str], list[tuple[float, float]]] = {cell: [] for cell in cells}
    starts: dict[str, list[float]] = {net: [] for net in NETS}
    for _ in range(repeats):
        for cell in cells:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                took[cell].append(pool.apply(measure_trials, (*cell, trials, epochs)))
        with tempfile.TemporaryDirectory() as folder:
            for net in NETS:
                measure_start(net, Path(folder))  # fills the caches
                starts[net].append(measure_start(net, Path(folder)))
    rows: list[dict[str, Any]] = [
        {"net": net, "pruner": pruner, "trial_ms": statistics.median(ms), "epochs": statistics.median(done)}
        for (net, pruner), found in took.items()
        for ms, done in [zip(*found, strict=True)]
    ]
    return rows + [{"net": net, "start_s": statistics.median(seconds)} for net, seconds in starts.items()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    rows = measure(given.trials, given.epochs, given.repeats)
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        if "start_s" in row:
            print(f"{row['net']:6} the command: {row['start_s']:.2f} s")
        else:
            print(
                f"{row['net']:6} pruner {row['pruner']:7} {row['trial_ms']:6.1f} ms a trial "
                f"of {row['epochs']:.1f} epochs"
            )


if __name__ == "__main__":
    main()
