"""Learning curves of fully-connected nets: the same configurations on thirteen data sets.

    python -m benchmarks.landscape --tables FOLDER --cifar10 ARCHIVE [--fashion-mnist FOLDER]
        [--configurations 250] [--seeds 1,2] [--minutes 85] [--work landscape.jsonl] [-o landscape.npz]

Draws configurations from one wide space, by a seed that never changes, and trains each with the product's NumPy
net and epoch loop on every data set of benchmarks/landscape_data.py. A seed is that of the split, of the
initial weights and of every draw. What was trained is appended to the file of --work, a line a training, and is
not trained again; the work goes from configuration to configuration over all data sets, first with the first
seed, so that it may be stopped anywhere. At the end, and with --minutes 0 at once, what is there is packed into
one file. benchmarks/LANDSCAPE.md says what is in that file and what was learnt from it.
"""

import argparse
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from math import log, prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.landscape_data import Places, Source, find_source, load_source, sources_at
from mlpsearch.models import NETS, build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.initialization import trained_shapes
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.inputs.tables import TableStatistics
from mlpsearch.models.prediction import statistics
from mlpsearch.models.threads import limited_threads
from mlpsearch.models.training import train

PACKED = Path(__file__).parent / "landscape.npz"
EPOCHS = 27
BINS = 16  # of "piecewise"
DRAWN_BY = 20_261_128  # the seed of the configurations: never change it
NOT_TRAINED = 65_535  # in `accuracy`
_SCALE = 10_000

# Each ten configurations have the same share of each family. "plain" is without what many studies do not search:
# dropout, label smoothing, batch normalisation; "any" draws the schedule as well.
_FAMILIES = (
    ("sgd", "step", "plain"),
    ("adam", "step", "plain"),
    ("adam", "one-cycle", "all"),
    ("sgd", "step", "plain"),
    ("adam", "step", "plain"),
    ("adam", "one-cycle", "all"),
    ("adam", "one-cycle", "all"),
    ("adamw", "one-cycle", "all"),
    ("sgd", "any", "all"),
    ("adam", "any", "all"),
)


# ---- the space -----------------------------------------------------------------------------------------------


def configurations(count: int) -> list[dict[str, Any]]:
    """Return the first `count` configurations, fields of TrainConfig; the same whatever the count.

    "preprocessing" is of tables, "image_preprocessing" of images.
    """
    random = np.random.default_rng(DRAWN_BY)
    return [_draw(random, *_FAMILIES[number % len(_FAMILIES)]) for number in range(count)]


def _draw(random: np.random.Generator, optimizer: str, schedule: str, options: str) -> dict[str, Any]:
    """One point. Every number is drawn for every family, so that all points take as many from the generator."""

    def logarithmic(low: float, high: float) -> float:
        return float(f"{np.exp(random.uniform(log(low), log(high))):.4g}")

    def one_of(*choices: Any) -> Any:
        return choices[random.integers(len(choices))]

    fast, slow = logarithmic(1e-3, 1.0), logarithmic(2e-4, 5e-2)
    point = {
        "hidden_size": round(logarithmic(16, 256)),
        "learning_rate": fast if optimizer == "sgd" else slow,
        "regularization": logarithmic(1e-7, 1e-1),
        "depth": one_of(2, 3, 4),
        "batch_size": one_of(32, 64, 128, 256),
        "optimizer": optimizer,
    }
    momentum, drawn_schedule = one_of(0.0, 0.9, 0.9, 0.9), one_of("step", "cosine", "one-cycle")
    decay, warmup, shrink = round(random.uniform(0.85, 1.0), 3), one_of(0.05, 0.3), logarithmic(1e-3, 0.5)
    dropout, normalized = one_of(0.0, round(random.uniform(0.0, 0.5), 3)), one_of(False, True)
    smoothing = one_of(0.0, 0.05, 0.1)
    point["schedule"] = schedule = drawn_schedule if schedule == "any" else schedule
    point |= {"momentum": 0.9 if options == "plain" else momentum} if optimizer == "sgd" else {}
    point |= {"weight_decay": shrink} if optimizer == "adamw" else {}
    point |= {"learning_rate_decay": decay} if schedule == "step" else {"warmup": warmup}
    if options == "all":
        point |= {"dropout": dropout, "batch_normalization": normalized, "label_smoothing": smoothing}
    point["preprocessing"] = one_of("standardize", "robust", "quantiles", "piecewise")
    return point | {"image_preprocessing": one_of("standardize", "scale")}


def train_config(point: dict[str, Any], kind: str, seed: int, epochs: int = EPOCHS) -> TrainConfig:
    """Return a configuration as it is trained on a kind of data, "images" or "table"."""
    fields = {name: value for name, value in point.items() if name != "image_preprocessing"}
    if kind == "images":
        fields["preprocessing"] = point["image_preprocessing"]
    return TrainConfig(**fields, bins=BINS, epochs=epochs, seed=seed)


# ---- the work ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """A data set of one seed, with the statistics of its training rows."""

    source: Source
    training: Split
    validation: Split
    statistics: PixelStatistics | TableStatistics

    @classmethod
    def of(cls, source: Source, places: Places, seed: int) -> "Loaded":
        """Load one."""
        training, validation = load_source(source, places, seed)
        return cls(source, training, validation, statistics(training))

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.training.labels.max()) + 1


def train_one(data: Loaded, config: TrainConfig, net: str = "numpy") -> dict[str, Any]:
    """Return the validation accuracy after each epoch, processor seconds, parameters, and how it ended."""
    preprocessing = data.statistics.preprocessing(config)
    inputs, classes = preprocessing.inputs, data.classes
    model = build_net(net, inputs=inputs, classes=classes, config=config)
    started, accuracies, diverged = time.process_time(), [], False
    for result in train(model, data.training, data.validation, config, preprocessing):
        accuracies.append(round(result.validation_accuracy, 4))
        diverged = result.diverged
    return {
        "accuracy": accuracies,
        "seconds": round(time.process_time() - started, 4),
        "parameters": sum(map(prod, trained_shapes(inputs, classes, config).values())),
        "diverged": diverged,
    }


def open_work(
    points: list[dict[str, Any]], sources: list[Source], seeds: list[int], done: set[tuple[int, str, int]]
) -> Iterator[tuple[int, Source, int]]:
    """Yield (number of the configuration, data set, seed) of what is not done, in order."""
    for seed in seeds:
        for number in range(len(points)):
            for source in sources:
                if (number, source.name, seed) not in done:
                    yield number, source, seed


def read_work(path: Path) -> list[dict[str, Any]]:
    """Return the trainings in a file; a last line that was cut off is none."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def work(given: argparse.Namespace, points: list[dict[str, Any]], seeds: list[int]) -> None:
    """Train what is missing, for at most so many minutes of processor time, and append it to the file."""
    path, places = given.work, places_of(given)
    sources = [one for one in sources_at(places) if not given.datasets or one.name in given.datasets.split(",")]
    rows = read_work(path)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = {(row["configuration"], row["dataset"], row["seed"]) for row in rows}
    loaded: dict[tuple[str, int], Loaded] = {}
    with path.open("a") as file:
        for number, source, seed in open_work(points, sources, seeds, done):
            if time.process_time() > 60 * given.minutes:
                return
            if (source.name, seed) not in loaded:
                loaded[source.name, seed] = Loaded.of(source, places, seed)
            data = loaded[source.name, seed]
            row = {"configuration": number, "dataset": source.name, "seed": seed}
            row |= {
                "rows": [len(data.training), len(data.validation)],
                "classes": int(data.training.labels.max()) + 1,
            }
            row |= train_one(data, train_config(points[number], source.kind, seed), given.net)
            file.write(json.dumps(row) + "\n")
            file.flush()


# ---- the file ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Landscape:
    """What was trained.

    points: the configurations, fields of TrainConfig and "image_preprocessing".
    datasets, kinds: of each data set its name, and "images" or "table".
    accuracy: (configurations, data sets, seeds, epochs) float64, on the validation rows after each epoch; after a
        training has diverged its last value goes on; NaN where nothing was trained.
    seconds: (configurations, data sets, seeds) float64, processor time of all epochs; of a training that diverged
        what all would have taken, lest it count as cheap; NaN where nothing was trained.
    about: provenance.
    """

    points: list[dict[str, Any]]
    datasets: list[str]
    kinds: list[str]
    accuracy: NDArray[np.float64]
    seconds: NDArray[np.float64]
    about: dict[str, Any]


def pack(rows: list[dict[str, Any]], points: list[dict[str, Any]], path: Path, net: str) -> None:
    """Write all trainings into one file, of arrays and one text of JSON."""
    names = list(dict.fromkeys(row["dataset"] for row in rows))
    seeds = sorted({row["seed"] for row in rows})
    count = 1 + max(row["configuration"] for row in rows)
    shape = count, len(names), len(seeds)
    accuracy = np.full((*shape, EPOCHS), NOT_TRAINED, np.uint16)
    seconds, parameters = np.full(shape, np.nan, np.float32), np.zeros(shape, np.int32)
    diverged = np.zeros(shape, np.bool_)
    for row in rows:
        place = row["configuration"], names.index(row["dataset"]), seeds.index(row["seed"])
        values = np.rint(np.array(row["accuracy"]) * _SCALE).astype(np.uint16)
        accuracy[place][: len(values)] = values
        seconds[place], parameters[place], diverged[place] = row["seconds"], row["parameters"], row["diverged"]
    about = {"provenance": _provenance(rows, names, seeds) | {"net": net}, "configurations": points[:count]}
    np.savez_compressed(
        path,
        about=np.array(json.dumps(about)),
        accuracy=accuracy,
        seconds=seconds,
        parameters=parameters,
        diverged=diverged,
    )


def _provenance(rows: list[dict[str, Any]], names: list[str], seeds: list[int]) -> dict[str, Any]:
    first = {name: next(row for row in rows if row["dataset"] == name) for name in names}
    packages = ("numpy", "mlpsearch", "scikit-learn")
    return {
        "made": datetime.now(UTC).date().isoformat(),
        "by": "python -m benchmarks.landscape",
        "epochs": EPOCHS,
        "bins": BINS,
        "drawn_by": DRAWN_BY,
        "seeds": seeds,
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "machine": f"{platform.machine()}, one thread",
        "datasets": [
            {
                "name": name,
                "kind": find_source(name).kind,
                "training": row["rows"][0],
                "validation": row["rows"][1],
                "classes": row["classes"],
            }
            for name, row in first.items()
        ],
    }


def load_landscape(path: Path = PACKED) -> Landscape:
    """Return what a file holds; no pickle is read."""
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        raw, seconds = file["accuracy"], file["seconds"].astype(np.float64)
    seconds *= EPOCHS / np.maximum((raw != NOT_TRAINED).sum(axis=-1), 1)
    accuracy = np.where(raw == NOT_TRAINED, np.nan, raw / _SCALE)
    for epoch in range(1, accuracy.shape[-1]):
        after = accuracy[..., epoch]
        np.copyto(after, accuracy[..., epoch - 1], where=np.isnan(after))
    datasets = about["provenance"]["datasets"]
    names, kinds = [row["name"] for row in datasets], [row["kind"] for row in datasets]
    return Landscape(about["configurations"], names, kinds, accuracy, seconds, about["provenance"])


def main() -> None:
    """Train what is missing; pack what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_places(parser)
    parser.add_argument("--configurations", type=int, default=250)
    parser.add_argument("--seeds", default="1,2")
    parser.add_argument("--datasets", default="", help="names, separated by commas; all where none is given")
    parser.add_argument("--net", choices=NETS, default="numpy")
    parser.add_argument("--minutes", type=float, default=85, help="processor time at most; 0 packs what is there")
    parser.add_argument("--work", type=Path, default=Path("landscape.jsonl"))
    parser.add_argument("-o", "--output", type=Path, default=PACKED)
    given = parser.parse_args()
    points, seeds = configurations(given.configurations), [int(seed) for seed in given.seeds.split(",")]
    with limited_threads(1):
        work(given, points, seeds)
    rows = read_work(given.work)
    pack(rows, points, given.output, given.net)
    print(f"{len(rows):,} trainings, {sum(row['seconds'] for row in rows) / 60:.1f} minutes: {given.output}")


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where data are."""
    parser.add_argument("--tables", type=Path, help="the folder with the tables of benchmarks/tables.py")
    parser.add_argument("--cifar10", type=Path, help="images of CIFAR-10, as for `mlpsearch run cifar10-numpy`")
    parser.add_argument("--fashion-mnist", type=Path, help="the folder with its four files")


def places_of(given: argparse.Namespace) -> Places:
    """Return what they say."""
    return Places(**{name: getattr(given, name) for name in ("tables", "cifar10", "fashion_mnist")})


if __name__ == "__main__":
    main()
