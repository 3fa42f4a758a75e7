"""Each training option on and off around a study's first start, on validation images.

    python -m benchmarks.ablation [STUDY] --data cifar10-images.tar.gz [--workers 2] [--seeds 2] [--epochs 30]

STUDY is cifar10-torch-best, or another name or study file.

All runs are trials of one study, so what was interrupted goes on. The test split stays closed. A row's seconds are
of its training steps, with one thread a worker.
"""

import argparse
import statistics
from typing import Any

from mlpsearch.models.config import TrainConfig
from mlpsearch.search.cli.common import err
from mlpsearch.search.cli.progress import SearchProgress
from mlpsearch.search.results.status import study_status
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.next_trial import start_of
from mlpsearch.search.workers.placement import Placement
from mlpsearch.search.workers.supervisor import Supervisor
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.catalog import find
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import storage_url
from mlpsearch.studies.study_data import load_spec_data

# Tiny weights grow under steps of one size, which SGD's are not, and stay tiny without batch normalisation.
HE = {"initialization": "he"}
SGD = HE | {"optimizer": "sgd", "weight_decay": 0.0, "regularization": 1e-4}
# What each row changes; the first changes nothing. Those that are no change of a study are left out.
ROWS: list[dict[str, Any]] = [
    {},
    {"flip_averaging": False},
    {"flip": False, "flip_averaging": False},
    {"shift_averaging": 1},
    {"shift_averaging": 2},
    {"shift": 0},
    {"shift": 2},
    {"shift": 3},
    HE | {"batch_normalization": False},
    {"dropout": 0.0},
    {"dropout": 0.3},
    {"label_smoothing": 0.0},
    {"preprocessing": "standardize"},
    {"schedule": "cosine"},
    {"schedule": "step"},
    {"averaging": 0.998},
    {"input_dropout": 0.1},
    {"weight_decay": 0.0},
    {"optimizer": "adam", "weight_decay": 0.0},
    SGD | {"momentum": 0.9, "learning_rate": 0.2},
    SGD | {"momentum": 0.9, "learning_rate": 0.2, "nesterov": True},
    SGD | {"learning_rate": 1.0},
    {"depth": 3},
    {"warmup": 0.0},
    HE,
    {"initialization": "small"},
    {"precision": "float32"},
]


def base_of(study: StudySpec) -> dict[str, Any]:
    """Return the configuration of a study's first start, with the defaults of all that a row changes."""
    defaults = {name: getattr(TrainConfig(), name) for row in ROWS for name in row}
    return defaults | study.fixed | study.points[0]


def changes_around(base: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rows that change something of a configuration, after one that does not."""
    return [row for row in ROWS if not row or base | row != base]


def ablation_spec(study: StudySpec, epochs: int, seeds: int, validation: int) -> StudySpec:
    """Return the study whose starts are all rows around a study, once for each seed."""
    base = base_of(study)
    points = [base | changes for changes in changes_around(base)] * seeds
    values = {name: sorted({point[name] for point in points}) for name in base}
    varied = {name: {"choices": some} for name, some in values.items() if len(some) > 1}
    return StudySpec.from_json(
        {
            "name": f"{study.name}-ablation",
            "net": study.net,
            "dataset": study.dataset,
            "validation": validation,
            "sampler": "random",
            "pruner": "none",
            "budget": {"trials": len(points), "epochs": epochs},
            "search": varied,
            "fixed": {name: value for name, value in base.items() if name not in varied},
            "start": [{name: point[name] for name in varied} for point in points],
        }
    )


Row = tuple[dict[str, Any], list[float], float]


def rows_of(record: StudyRecord, rows: list[dict[str, Any]]) -> list[Row]:
    """Return (changes, validation accuracies, seconds a run) of each row that has a result."""
    found = []
    trials = [trial for trial in record.optuna_study().get_trials(deepcopy=False) if trial.values]
    starts = [(start_of(trial, record.starts), trial) for trial in trials]
    for number, changes in enumerate(rows):
        own = [trial for start, trial in starts if start is not None and start % len(rows) == number]
        if own:
            seconds = statistics.mean(trial.user_attrs["seconds"] for trial in own)
            found.append((changes, [float(trial.values[0]) for trial in own], seconds))
    return found


def print_table(rows: list[Row]) -> None:
    """Print the rows in Markdown, each with its difference to the first."""
    print("| changed | validation | difference | seconds |\n| --- | --- | --- | --- |")
    base = statistics.mean(rows[0][1])
    for changes, accuracies, seconds in rows:
        mean = statistics.mean(accuracies)
        spread = f" ± {100 * statistics.stdev(accuracies):.1f}" if len(accuracies) > 1 else ""
        what = ", ".join(f"{name} {value}" for name, value in changes.items()) or "nothing"
        print(f"| {what} | {mean:.1%}{spread} | {100 * (mean - base):+.1f} | {seconds:.0f} |")


def main() -> None:
    """Run what is missing; print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="?", default="cifar10-torch-best", help="its name, or the path of its file")
    parser.add_argument("--data", help="images of CIFAR-10, as for `mlpsearch run cifar10-numpy`")
    parser.add_argument("--storage", default="ablation.db")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--validation", type=int, default=5000, help="images held out of the training images")
    given = parser.parse_args()
    study = find(given.study)
    spec = ablation_spec(study, given.epochs, given.seeds, given.validation)
    source = {"data": given.data, "fingerprint": load_spec_data(spec, given.data).fingerprint}
    record = create_or_resume(storage_url(given.storage), spec, trials=None, source=source)
    ledger = Ledger(record)
    with Placement(given.workers).starting(record.url) as start, SearchProgress(err()).shown() as progress:
        Supervisor(
            record,
            given.workers,
            start=start,
            watch=lambda: progress.update(study_status(record, ledger)),
        ).run()
    print_table(rows_of(record, changes_around(base_of(study))))


if __name__ == "__main__":
    main()
