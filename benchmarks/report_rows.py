"""The nets of the report this project grew from, trained and tested: a row each of a table in ACCURACY.md.

    python -m benchmarks.report_rows --data cifar10-images.tar.gz

Each row is a study of one trial, made, run and tested by the same code as any other study.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from mlpsearch.search.results.finalize import evaluate
from mlpsearch.search.workers.worker import serve_one
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import storage_url
from mlpsearch.studies.study_data import load_spec_data

_REPORT = {
    "learning_rate": 1e-3,
    "regularization": 0.5,
    "learning_rate_decay": 0.95,
    "batch_size": 200,
    "depth": 2,
    "preprocessing": "center",
    "initialization": "small",
}
# The template's weight decay of 1e-3 is 2λ. The report leaves these settings of its PyTorch nets open.
_TEMPLATE = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "regularization": 5e-4,
    "learning_rate_decay": 0.95,
    "batch_size": 100,
    "preprocessing": "scale",
    "initialization": "he",
}

# (name, net, hidden size, epochs, fixed)
ROWS: list[tuple[str, str, int, int, dict[str, Any]]] = [
    ("numpy-report", "numpy", 80, 20, _REPORT),
    # 4 epochs of 245 steps: the exercise takes 1,000.
    ("numpy-untuned", "numpy", 50, 4, _REPORT | {"learning_rate": 1e-4, "regularization": 0.25}),
    *((f"torch-depth-{depth}", "torch", 50, 10, _TEMPLATE | {"depth": depth}) for depth in (2, 3, 4, 5)),
]


def row_spec(name: str, net: str, hidden_size: int, epochs: int, fixed: dict[str, Any]) -> StudySpec:
    """Return a study whose first trial is the row; a study must search something, so a neighbour stands by."""
    return StudySpec.from_json(
        {
            "name": name,
            "net": net,
            "dataset": "cifar10",
            "pruner": "none",
            "budget": {"trials": 1, "epochs": epochs},
            "search": {"hidden_size": {"choices": [hidden_size, hidden_size + 1]}},
            "fixed": fixed,
            "start": [{"hidden_size": hidden_size}],
        }
    )


def main() -> None:
    """Train and test every row; print the table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="images of CIFAR-10, as for `mlpsearch run cifar10-numpy`")
    data = parser.parse_args().data
    print("| row | validation | test (95% interval) |\n| --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        url = storage_url(str(Path(folder) / "rows.db"))
        for row in ROWS:
            spec = row_spec(*row)
            source = {"data": data, "fingerprint": load_spec_data(spec, data).fingerprint}
            record = create_or_resume(url, spec, trials=None, source=source)
            serve_one(record, lambda: False)
            report = evaluate(record, "benchmarks.report_rows")
            low, high = report.interval
            print(
                f"| {spec.name} | {report.validation_accuracy:.1%} "
                f"| {report.accuracy:.2%} ({low:.1%}–{high:.1%}) |",
                flush=True,
            )


if __name__ == "__main__":
    main()
