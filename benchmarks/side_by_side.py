"""A whole search by `mlpsearch run`: this tree, the build of commit 82567d2, and scikit-learn in a loop.

    python -m benchmarks.side_by_side [--data letter-train.csv] [--trials 100] [--epochs 30] [--repeats 3] [--json]

Random configurations (hidden 16 to 256, one or two hidden layers, learning rate and L2; Adam, batches of 64), no
pruning, one worker with one thread, from the start of the command to its end, without a test. On the digits, and
on the table of --data, whose label is --label. Ways take turns; each has run once before, uncounted, for one
epoch of one trial, which fills its caches. Medians, and the medians of each turn's ratios to this tree.

    new      this tree; the table as a table, its columns standardized
    old      82567d2, of this repository's history unless --old says otherwise; it knows no tables, so each row is
             an image of 1 × (columns) pixels, and the columns must be whole numbers from 0 to 255
    sklearn  MLPClassifier, in one process, on the rows that `new` trains and validates with, in float32, with the
             configurations of its trials: partial_fit and score once an epoch
    products the matrix products of the training steps of these trials and nothing else, by NumPy, in one process

A line says whether the trials of new and old had the same configurations. --old: a Python in whose environment the
older build is installed; its packages must be called search, studies and models.
"""

import argparse
import io
import json
import math
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import zipfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import tomli_w
from PIL import Image

from benchmarks.commands import Took, timed
from benchmarks.step import products
from mlpsearch.models import NETS
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.initialization import layer_sizes
from mlpsearch.models.inputs.data import Split
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.study_data import load_spec_data

COMMIT = "82567d2"
VALIDATION = {"digits": 360, "table": 2_000}
BATCH = 64


@dataclass(frozen=True, slots=True)
class Size:
    """How large each search is."""

    trials: int
    epochs: int


def document(net: str, size: Size, of_data: dict[str, Any]) -> dict[str, Any]:
    """Return a study file's content that both builds read. of_data: the keys of its data."""
    return {
        "name": "side",
        "net": net,
        "sampler": "random",
        "pruner": "none",
        "budget": {"trials": size.trials, "epochs": size.epochs},
        "search": {
            "hidden_size": {"low": 16, "high": 256, "log": True},
            "learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
            "regularization": {"low": 1e-7, "high": 1e-3, "log": True},
            "depth": {"low": 2, "high": 3},
        },
        "fixed": {"optimizer": "adam", "batch_size": BATCH, "preprocessing": "standardize"},
    } | of_data


@dataclass(frozen=True, slots=True)
class Data:
    """Data that both builds can read. new, old: the keys of their study files."""

    name: str
    new: dict[str, Any]
    old: dict[str, Any]


def digits() -> Data:
    """Return scikit-learn's digits."""
    keys = {"dataset": "digits", "validation": VALIDATION["digits"]}
    return Data("digits", keys, keys)


def table(path: Path, label: str, folder: Path) -> Data:
    """Return a table and, written into the folder, the same rows as images in an archive."""
    rows = pl.read_csv(path)
    labels, pixels = rows[label].cast(pl.String), rows.drop(label).to_numpy()
    if (pixels != pixels.astype(np.uint8)).any():
        raise SystemExit(f"{path}: older builds take columns of whole numbers from 0 to 255 alone")
    archive = folder / f"{path.stem}.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for number, (row, name) in enumerate(zip(pixels.astype(np.uint8), labels, strict=True)):
            file.writestr(f"train/{name}/{number}.png", _png(row))
        for name in labels.unique().sort():  # there must be some, and nothing opens them
            file.writestr(f"test/{name}/0.png", _png(np.zeros_like(pixels[0], np.uint8)))
    count = min(VALIDATION["table"], len(rows) // 5)
    return Data(
        path.stem,
        {"dataset": "table", "data": str(path.absolute()), "label": label, "test": 0.0, "validation": count},
        {"dataset": "images", "data": str(archive), "validation": count},
    )


def _png(row: Any) -> bytes:
    written = io.BytesIO()
    Image.fromarray(row[None]).save(written, "png")
    return written.getvalue()


class Runner:
    """Runs searches in a folder of its own. old: the Python of the older build, None: made from the history."""

    def __init__(self, folder: Path, old: str | None):
        self._folder = folder
        self._changes: dict[str, str] = {}
        self._old = old or sys.executable
        if old is None:
            tree = folder / COMMIT
            archive = subprocess.run(["git", "archive", "--format=tar", COMMIT], check=True, capture_output=True)
            tree.mkdir()
            subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
            self._changes = {"PYTHONPATH": str(tree)}

    def search(self, build: str, net: str, data: Data, size: Size, name: str) -> Took:
        """Run a search; its database is in the folder under the name."""
        study = self._folder / f"{name}.toml"
        study.write_text(tomli_w.dumps(document(net, size, getattr(data, build))), "utf-8")
        python, module = (sys.executable, "mlpsearch") if build == "new" else (self._old, "search.cli")
        options = ["--no-evaluate", "--workers", "1", "--storage", f"sqlite:///{self._database(name)}"]
        changes = self._changes if build == "old" else {}
        return timed([python, "-P", "-m", module, "run", study, *options], self._folder, changes)

    def alone(self, way: str, data: Data, size: Size, like: str) -> Took:
        """Go through the configurations of a search in a process of its own; way: one of ALONE."""
        task = {"study": document("numpy", size, data.new), "database": str(self._database(like))}
        path = self._folder / "task.json"
        path.write_text(json.dumps(task), "utf-8")
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "benchmarks.side_by_side",
            "--alone",
            way,
            "--task",
            path,
        ]
        return timed(command, self._folder, {"PYTHONPATH": str(Path(__file__).parents[1])})

    def trials(self, name: str) -> list[tuple[Any, ...]]:
        """Return each trial's number, fields and value, as a search stored them."""
        return stored_trials(self._database(name))

    def _database(self, name: str) -> Path:
        return self._folder / f"{name}.db"


def stored_trials(database: Path) -> list[tuple[Any, ...]]:
    """Return each ended trial's number, values of fields by name, and score, out of Optuna's tables."""
    query = (
        "SELECT number, value, (SELECT json_group_object(param_name, param_value) FROM trial_params AS params"
        " WHERE params.trial_id = trials.trial_id) FROM trials"
        " JOIN trial_values ON trial_values.trial_id = trials.trial_id ORDER BY number"
    )
    with closing(sqlite3.connect(database)) as connection:
        return [(number, json.loads(fields), value) for number, value, fields in connection.execute(query)]


def train_sklearn(study: dict[str, Any], database: Path) -> None:
    """Train and score scikit-learn's net with each configuration of a search, epoch by epoch."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    spec = StudySpec.from_json(study)
    data = load_spec_data(spec, spec.data)
    scaler = StandardScaler().fit(_rows(data.training))
    inputs, validation = (scaler.transform(_rows(split)) for split in (data.training, data.validation))
    labels, wanted = (split.labels[split.rows] for split in (data.training, data.validation))
    for number, fields, _ in stored_trials(database):
        net = MLPClassifier(
            (int(fields["hidden_size"]),) * (int(fields["depth"]) - 1),
            learning_rate_init=fields["learning_rate"],
            alpha=fields["regularization"],
            batch_size=BATCH,
            random_state=number,
        )
        for _ in range(spec.budget.epochs):
            net.partial_fit(inputs, labels, classes=range(len(data.classes)))
            net.score(validation, wanted)


def multiply(study: dict[str, Any], database: Path) -> None:
    """Multiply what the training steps of a search multiply, each trial's after the other."""
    spec = StudySpec.from_json(study)
    data = load_spec_data(spec, spec.data)
    inputs, classes = math.prod(data.shape), len(data.classes)
    for _, fields, _ in stored_trials(database):
        config = TrainConfig(hidden_size=int(fields["hidden_size"]), depth=int(fields["depth"]))
        some_steps, left = products(layer_sizes(inputs, classes, config), BATCH), spec.budget.epochs
        left *= -(-len(data.training) // BATCH)
        while left > 0:
            left -= some_steps()


ALONE = {"sklearn": train_sklearn, "products": multiply}


def _rows(split: Split) -> Any:
    """The rows of a split as scikit-learn takes them."""
    return np.asarray(split.images[split.rows]).reshape(len(split.rows), -1).astype(np.float32)


def measure(
    data: Data, size: Size, repeats: int, runner: Runner, ways: list[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return a row a way: a build and a net."""
    for build, net in ways:
        runner.search(build, net, data, Size(1, 1), f"{data.name}-warm-{build}-{net}")
    took: dict[tuple[str, str], list[Took]] = {way: [] for way in [*ways, *((name, name) for name in ALONE)]}
    for turn in range(repeats):
        for build, net in ways:
            name = f"{data.name}-{turn}-{build}-{net}"
            took[build, net].append(runner.search(build, net, data, size, name))
        for name in ALONE:
            took[name, name].append(runner.alone(name, data, size, f"{data.name}-{turn}-new-numpy"))
    return [
        {
            "data": data.name,
            "way": build,
            "net": net,
            "processor_s": statistics.median(one.processor for one in found),
            "wall_s": statistics.median(one.wall for one in found),
            "processor_ratio": _ratio([one.processor for one in found], [one.processor for one in base]),
            "wall_ratio": _ratio([one.wall for one in found], [one.wall for one in base]),
            "same": None if build != "old" else _same(runner, data, net),
        }
        for (build, net), found in took.items()
        for base in [took["new", "numpy" if build in ALONE else net]]
    ]


def _ratio(found: list[float], base: list[float]) -> float:
    return statistics.median(one / new for one, new in zip(found, base, strict=True))


def _same(runner: Runner, data: Data, net: str) -> str:
    """What the trials of both builds have in common."""
    new, old = (runner.trials(f"{data.name}-0-{build}-{net}") for build in ("new", "old"))
    if [one[:2] for one in new] != [one[:2] for one in old]:
        return "other configurations"
    return "same configurations" + (" and accuracies" if new == old else "")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--data", type=Path, help="a table of whole numbers, as letter-train.csv")
    parser.add_argument("--label", default="lettr", help="its column with the classes")
    parser.add_argument("--old", help="the Python of an older build")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alone", choices=ALONE, help=argparse.SUPPRESS)
    parser.add_argument("--task", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        task = json.loads(given.task.read_text("utf-8"))
        ALONE[given.alone](task["study"], Path(task["database"]))
        return
    size, rows = Size(given.trials, given.epochs), []
    nets = sorted({*given.nets, "numpy"})  # scikit-learn's net stands beside this one
    ways = [(build, net) for net in nets for build in ("new", "old")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runner = Runner(folder, given.old)
        for data in [digits(), *([table(given.data, given.label, folder)] if given.data else [])]:
            rows += measure(data, size, given.repeats, runner, ways)
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        processor = f"{row['processor_s']:7.1f} s of the processor (×{row['processor_ratio']:.2f})"
        wall = f"{row['wall_s']:7.1f} s (×{row['wall_ratio']:.2f})"
        print(f"{row['data']:12} {row['way']:8} {row['net']:8} {processor}, {wall}  {row['same'] or ''}")


if __name__ == "__main__":
    main()
