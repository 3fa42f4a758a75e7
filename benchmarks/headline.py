"""How much sooner a search is as good as thirty trials of the script people write.

    python -m benchmarks.headline [--letter letter-train.csv] [--fashion-mnist FOLDER] [--seeds 5] [--json]

The script is benchmarks/headline_script.py: stock Optuna, TPE with its default median pruner, SQLite, a PyTorch
module with DataLoader and Adam, five hyperparameters, 30 trials of 20 epochs, one process, one thread, which suits
it best. What its best trial reaches on the validation rows is to be reached, by

    numpy, torch    `mlpsearch run` with one worker for each core, of a study file as it comes: digits-NET and
                    fashion-mnist-NET of the catalog, on a table what `mlpsearch new` writes; but for its name, its
                    seed, --most trials, and of FashionMNIST 10,000 images, 2,000 of them for validation. The
                    command is ended once it is there.

Both see the same splits, another with each seed. Seconds are of the wall clock, from the start of the process to
the end of the trial that reached it, as the storage of either has that (trials.datetime_complete); a trial that a
pruner ended counts for nothing. `script` is the end of its thirty trials, for only then its user knows; `its best`
is when the best of them ended. A search that is not there after --most trials counts with the time they took, and
is marked "≥". Medians over seeds, of the ratios too.

Some of the package's learnt starting points come from these data sets (LANDSCAPE.md), so files of `mlpsearch new`
have those that all other tables say.
"""

import argparse
import json
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from benchmarks.commands import environment, timed
from benchmarks.tables import without_own_points
from mlpsearch.models import NETS
from mlpsearch.models.cores import available_cores
from mlpsearch.models.inputs.data import Split
from mlpsearch.studies.data.arrays.idx import read_idx
from mlpsearch.studies.spec import catalog
from mlpsearch.studies.spec.reading import parse_spec
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.study_data import load_spec_data

SCRIPT = Path(__file__).with_name("headline_script.py")
IMAGES, OF_THEM = 10_000, 2_000  # of FashionMNIST; for validation
_LOOK_SECONDS = 0.25
_ENDED = (
    "SELECT value, datetime_complete FROM trials JOIN trial_values ON trial_values.trial_id = trials.trial_id"
    " WHERE state = 'COMPLETE' ORDER BY datetime_complete"
)


@dataclass(frozen=True, slots=True)
class Size:
    """How long both search. most: trials of `mlpsearch run`."""

    trials: int
    epochs: int
    most: int


@dataclass(frozen=True, slots=True)
class Reached:
    """When a search reached an accuracy: seconds since its start; otherwise how long it took, not reached."""

    seconds: float
    is_there: bool = True


def study_document(data: str, net: str, seed: int, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Return a study file's content, as it comes, on data that can be found in the folder."""
    if data == "letter":
        written = folder / f"letter-{net}.toml"
        words = ("new", given.letter.absolute(), "--label", given.label, "--net", net, "-o", written)
        if not written.exists():
            timed([sys.executable, "-P", "-m", "mlpsearch", *words], folder)
        spec = parse_spec(without_own_points(written.read_text("utf-8"), "letter"), "letter")
    else:
        spec = catalog.find(f"{data}-{net}")
    changed: dict[str, Any] = {"name": "headline", "seed": seed}
    if data == "fashion-mnist":
        changed |= {"validation": OF_THEM, "data": str(folder)}
    return spec.to_json() | changed


def some_fashion_mnist(folder: Path, into: Path) -> None:
    """Write the first training images of FashionMNIST, in its own files; its test images are not needed."""
    raw = into / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, dimensions in (("images-idx3", 3), ("labels-idx1", 1)):
        (found,) = sorted(folder.rglob(f"train-{name}-ubyte*"))[:1]
        array = read_idx(found, dimensions)
        for prefix, rows in (("train", array[:IMAGES]), ("t10k", array[IMAGES : IMAGES + OF_THEM])):
            head = bytes([0, 0, 8, dimensions]) + b"".join(size.to_bytes(4, "big") for size in rows.shape)
            (raw / f"{prefix}-{name}-ubyte").write_bytes(head + rows.tobytes())


def write_splits(spec: StudySpec, path: Path) -> None:
    """Write what the script reads: the rows that a study trains and validates with."""
    data = load_spec_data(spec, spec.data)
    arrays: dict[str, Any] = {}
    for name, split in (("train", data.training), ("validation", data.validation)):
        arrays |= {f"x_{name}": _inputs(split), f"y_{name}": split.labels[split.rows].astype(np.int64)}
    np.savez(path, **arrays)


def _inputs(split: Split) -> Any:
    return np.asarray(split.images[split.rows]).reshape(len(split.rows), -1)


def run_script(splits: Path, seed: int, size: Size, folder: Path) -> tuple[float, Reached, Reached]:
    """Return the best accuracy that the script reaches, when its last trial ended, and when the best one did."""
    database, begun = folder / f"{splits.stem}-script.db", time.time()
    options = ("--trials", size.trials, "--epochs", size.epochs, "--seed", seed)
    command = [sys.executable, SCRIPT, splits, "--storage", f"sqlite:///{database}", *options]
    whole = timed([*map(str, command)], folder).wall
    best = max(value for value, _ in ended_trials(database))
    return best, Reached(whole), when_reached(database, best, begun) or Reached(whole, False)


def run_search(document: dict[str, Any], goal: float, size: Size, folder: Path, name: str) -> Reached:
    """Run a search until a trial has reached the goal; return when that was."""
    study, database = folder / f"{name}.toml", folder / f"{name}.db"
    study.write_text(tomli_w.dumps(document), "utf-8")
    options = ("--trials", size.most, "--workers", available_cores(), "--storage", database, "--no-evaluate")
    command = [sys.executable, "-P", "-m", "mlpsearch", "run", study, *options]
    begun = time.time()
    running = subprocess.Popen(
        [*map(str, command)],
        cwd=folder,
        env=environment(folder) | {"OMP_NUM_THREADS": str(available_cores())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while (found := when_reached(database, goal, begun)) is None and running.poll() is None:
            time.sleep(_LOOK_SECONDS)
    finally:
        running.send_signal(signal.SIGINT)
        running.wait()
    took = time.time() - begun
    return found or when_reached(database, goal, begun) or Reached(took, False)


def when_reached(database: Path, goal: float, begun: float) -> Reached | None:
    """Return when the first trial of at least this accuracy ended, if one did. begun: as time.time."""
    return next((Reached(ended - begun) for value, ended in ended_trials(database) if value >= goal), None)


def ended_trials(database: Path) -> Iterator[tuple[float, float]]:
    """Yield the value of each complete trial and when it ended, as time.time, out of Optuna's tables."""
    if not database.exists():
        return
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            rows = connection.execute(_ENDED).fetchall()
        except sqlite3.OperationalError:  # its tables are being made
            return
    for value, ended in rows:
        yield value, datetime.fromisoformat(ended).replace(tzinfo=UTC).timestamp()


def measure(data: str, seeds: int, size: Size, given: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Return a row a seed."""
    rows = []
    for seed in range(1, seeds + 1):
        documents = {net: study_document(data, net, seed, folder, given) for net in given.nets}
        splits = folder / f"{data}-{seed}.npz"
        write_splits(StudySpec.from_json(next(iter(documents.values()))), splits)
        if seed == 1:  # compiles modules, and fills caches
            run_script(splits, seed, Size(1, 1, 1), folder)
            (folder / f"{splits.stem}-script.db").unlink()
            for net, document in documents.items():
                run_search(document, -1.0, Size(1, 1, 1), folder, f"{data}-warm-{net}")
        goal, whole, best = run_script(splits, seed, size, folder)
        found = {
            net: run_search(document, goal, size, folder, f"{data}-{seed}-{net}")
            for net, document in documents.items()
        }
        rows.append({"data": data, "seed": seed, "accuracy": goal, "script": whole, "its best": best, **found})
    return rows


def show(rows: list[dict[str, Any]], nets: list[str]) -> None:
    """Print each seed, and the medians of a data set."""
    for row in rows:
        seconds = ", ".join(f"{way} {_text(row[way])}" for way in ("script", "its best", *nets))
        print(f"{row['data']}, seed {row['seed']}: {100 * row['accuracy']:.2f}% after seconds: {seconds}")
    for net in nets:
        ways = ("script", "its best")
        whole, best = (_median([row[way].seconds / row[net].seconds for row in rows]) for way in ways)
        missing = sum(not row[net].is_there for row in rows)
        taken = _median([row[net].seconds for row in rows])
        print(
            f"{rows[0]['data']}, {net}: {taken:.1f} s; sooner than the script ×{whole:.1f}, "
            f"than its best trial ×{best:.1f}; {missing} of {len(rows)} seeds did not get there"
        )


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _text(reached: Reached) -> str:
    return f"{'' if reached.is_there else '≥ '}{reached.seconds:.1f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--letter", type=Path, help="letter-train.csv")
    parser.add_argument("--label", default="lettr", help="its column with the classes")
    parser.add_argument("--fashion-mnist", type=Path, help="the folder with FashionMNIST's files")
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=30, help="of the script")
    parser.add_argument("--epochs", type=int, default=20, help="of the script's trials")
    parser.add_argument("--most", type=int, default=200, help="trials of `mlpsearch run`")
    given, found = parser.parse_args(), []
    names = ["digits", *(["letter"] if given.letter else []), *(["fashion-mnist"] if given.fashion_mnist else [])]
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            if name == "fashion-mnist":
                some_fashion_mnist(given.fashion_mnist, Path(place))
            size = Size(given.trials, given.epochs, given.most)
            rows = measure(name, given.seeds, size, given, Path(place))
        found += rows
        if not given.json:
            show(rows, given.nets)
    if given.json:
        print(json.dumps(found, indent=2, default=lambda reached: [reached.seconds, reached.is_there]))


if __name__ == "__main__":
    main()
