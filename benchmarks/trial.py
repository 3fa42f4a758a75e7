"""How much longer a trial takes than its training steps, how long those are, and its worker's most memory.

    python -m benchmarks.trial --data cifar10-images.tar.gz [--epochs 5] [--json]

Trials of cifar10-numpy-best and cifar10-torch-best, but of few epochs, as `mlpsearch worker` runs them: what is
beside the steps is asking for hyperparameters, evaluation, reports, checkpoints, and keeping the weights. Each
net has a process of its own, which reads the images before its trials; the first trial also computes the
statistics of the training images, which weighs the more the fewer epochs there are.
"""

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
from pathlib import Path
from typing import Any

from mlpsearch.models import NETS
from mlpsearch.search.workers.worker import serve_one
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.spec import catalog
from mlpsearch.studies.spec.keys import Budget
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import storage_url
from mlpsearch.studies.study_data import load_spec_data

TRIALS = 3


def trial_spec(net: str, epochs: int) -> StudySpec:
    """Return a study whose trials are all the first starting point of the net's -best study, without pruning."""
    best = catalog.find(f"cifar10-{net}-best")
    return best.model_copy(
        update={
            "name": f"trial-{net}",
            "pruner": "none",
            "budget": Budget(trials=TRIALS, epochs=epochs),
            "start": best.points[:1] * TRIALS,
        }
    )


def measure(net: str, data: str | None, epochs: int) -> dict[str, Any]:
    """Run the trials; return the medians of time by time of steps and of seconds an epoch, and the peak memory."""
    spec = trial_spec(net, epochs)
    with tempfile.TemporaryDirectory() as folder:
        source = {"data": data, "fingerprint": load_spec_data(spec, data).fingerprint}
        url = storage_url(str(Path(folder) / "trials.db"))
        record = create_or_resume(url, spec, trials=None, source=source)
        serve_one(record, lambda: False)
        trials = record.optuna_study().get_trials(deepcopy=False)
        ratios = [
            trial.duration.total_seconds() / trial.user_attrs["seconds"] for trial in trials if trial.duration
        ]
    epoch = statistics.median(trial.user_attrs["seconds"] / epochs for trial in trials)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "net": net,
        "ratio": statistics.median(ratios),
        "slowest": max(ratios),
        "epoch": epoch,
        "bytes": memory,
    }


def main() -> None:
    """Measure both nets; print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--data", help="images of CIFAR-10, as for `mlpsearch run cifar10-numpy`")
    parser.add_argument("--epochs", type=int, default=5)
    given, rows = parser.parse_args(), []
    for net in NETS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(row := pool.apply(measure, (net, given.data, given.epochs)))
        if not given.json:
            print(
                f"{net:6} a trial takes {row['ratio']:.3f} times its steps (median of {TRIALS}, the most "
                f"{row['slowest']:.3f}), {row['epoch']:.1f} s an epoch, "
                f"peak memory {row['bytes'] / 2**20:,.0f} MiB",
                flush=True,
            )
    if given.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
