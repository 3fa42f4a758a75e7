"""A study file for a table that somebody has: ranges that fit its size, and comments that say why."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

from mlpsearch.models.errors import SpecError
from mlpsearch.models.paths import write_atomically
from mlpsearch.studies.data.table_columns import TableSchema, UnclearColumnError
from mlpsearch.studies.data.training import LOPSIDED, TABLE_VALIDATION, TrainingData, load_training
from mlpsearch.studies.spec.reading import parse_spec
from mlpsearch.studies.spec.table_options import TEST_SHARE, TableOptions

_FILE = Template("""\
# $rows rows; classes: $classes; columns: $columns.
$advice
$keys
start = "learnt"                # tries first what did well on other data sets
$told
[budget]
trials = 50
epochs = $epochs                     # about $steps steps

[confirm]                       # the five best are trained again over fresh seeds, then the winner over others

[search]
hidden_size = { low = $narrow, high = $wide, log = true }
learning_rate = { low = $slow, high = $fast, log = true }   # the largest of a one-cycle schedule
regularization = { low = 1e-6, high = 1e-2, log = true }  # much of it makes columns that say nothing fall silent
depth = { low = 2, high = 4 }
dropout = { low = 0.0, high = 0.3 }
batch_normalization = { choices = [false, true] }
preprocessing = { choices = ["standardize", "robust", "quantiles", "piecewise"] }   # of the numbers

[fixed]
optimizer = "adam"
schedule = "one-cycle"
warmup = 0.3
batch_size = $batch
bins = 16                       # of "piecewise"
label_smoothing = 0.05
""")


FOLDS = 5


@dataclass(frozen=True, slots=True)
class _Size:
    """What suits tables of up to so many rows, without the test's.

    validation: the share of them that trials are judged by; None for five folds.
    slow, fast: learning rates, by default what did best on ten tables of up to 4,000 rows, each judged by the
        others (benchmarks/LANDSCAPE.md).
    """

    rows: float
    epochs: int
    batch: int
    narrow: int
    wide: int
    validation: float | None
    slow: str = "3e-3"
    fast: str = "5e-2"


_SIZES = (
    _Size(500, 40, 32, 16, 128, None),
    _Size(1_000, 100, 32, 32, 256, None),
    _Size(5_000, 50, 128, 64, 512, None),
    _Size(10_000, 50, 128, 64, 512, 0.2, "1e-3", "2e-2"),
    _Size(100_000, 30, 128, 64, 512, 0.1, "1e-3", "2e-2"),
    _Size(float("inf"), 12, 512, 64, 512, 0.05, "1e-3", "2e-2"),
)


def write_new_study(data: Path, options: TableOptions, path: Path, net: str, tell: Callable[[str], None]) -> None:
    """Look at a table's training rows and write a study file for it.

    tell: is told of columns that are ignored until a person says what they are.
    Raises DataError for a table that nothing can be learnt from, and SpecError for a folder, where there is a file
    already, or where the name of the file is none for a study.
    """
    if data.is_dir():
        raise SpecError(
            f"{data}: is a folder, and a study file is written for a table alone; one for images or arrays is "
            "written by hand, with dataset = 'images' or 'arrays'",
            path=data,
        )
    if path.exists():
        raise SpecError(f"{path}: is there already; name another with -o, or remove it", path=path)
    images, options = _understood(data, options, tell)
    text = study_file(images, path.stem, _relative(data, path), options, net)
    parse_spec(text, str(path))
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise SpecError(f"{path}: cannot be written ({error.strerror})", path=path) from error


def _understood(
    data: Path, options: TableOptions, tell: Callable[[str], None]
) -> tuple[TrainingData, TableOptions]:
    """The training rows; columns that only a person can explain are ignored, as the study file then says."""
    while True:
        try:
            return load_training("table", data, validation=None, split_seed=0, options=options), options
        except UnclearColumnError as error:
            tell(f"{error}; until then it is ignored")
            ignored = {"ignore": (*options.columns.ignore, error.column)}
            options = replace(options, columns=options.columns.model_copy(update=ignored))


def study_file(images: TrainingData, name: str, data: str, options: TableOptions, net: str) -> str:
    """Return the text of a study file for a table's training rows."""
    assert images.table is not None  # noqa: S101 - they are of a table
    rows = len(images.training) + len(images.validation)
    size = next(size for size in _SIZES if rows <= size.rows)
    keys: dict[str, Any] = {"name": name, "net": net, "dataset": "table", "data": data, "label": options.label}
    if options.test != TEST_SHARE:
        keys["test"] = options.test
    keys |= {"folds": FOLDS} if _in_folds(images, size) else {"validation": size.validation or TABLE_VALIDATION}
    told = {"columns": options.columns.model_dump(mode="json", exclude_defaults=True)}
    return _FILE.substitute(
        rows=f"{rows:,} training and validation",
        classes=_shares(images),
        columns=_columns(images.table),
        advice=_advice(images, size),
        keys=tomli_w.dumps(keys).strip(),
        told=f"\n{tomli_w.dumps(told)}" if options.columns.named() else "",
        epochs=size.epochs,
        steps=f"{-(-rows // size.batch) * size.epochs:,}",
        narrow=size.narrow,
        wide=size.wide,
        slow=size.slow,
        fast=size.fast,
        batch=size.batch,
    )


def _in_folds(images: TrainingData, size: _Size) -> bool:
    """Whether trials are judged by folds: of few rows, where each fold can have some of each class."""
    return size.validation is None and int(_counts(images).min()) >= FOLDS


def _advice(images: TrainingData, size: _Size) -> str:
    """Comments on how nets are judged."""
    counts, lines = _counts(images), []
    if _in_folds(images, size):
        lines.append("# One validation split of so few rows is mostly luck, so each trial trains on five folds.")
    if counts.max() > LOPSIDED * counts.sum():
        lines.append('# A class is rare. Where it matters most: metric = "balanced-accuracy" or "auc".')
    return "\n".join(lines)


def _counts(images: TrainingData) -> NDArray[np.int64]:
    """How many rows of each class there are."""
    labels = np.concatenate([split.labels[split.rows] for split in (images.training, images.validation)])
    return np.bincount(labels, minlength=len(images.classes))


def _shares(images: TrainingData) -> str:
    counts = _counts(images)
    most = int(counts.argmax())
    return f"{len(images.classes)}, most often {images.classes[most]!r} ({counts[most] / counts.sum():.0%})"


def _columns(schema: TableSchema) -> str:
    left = f", {len(schema.left_out)} left out" if schema.left_out else ""
    return f"{schema.kinds()}{left}"


def _relative(data: Path, path: Path) -> str:
    """The table's path as the study file says it: relative to its own folder."""
    try:
        return data.resolve().relative_to(path.resolve().parent).as_posix()
    except ValueError:
        return str(data.resolve())


def file_name(table: Path) -> Path:
    """Return the path of a study file for a table: its name in the current folder, but for what no study has."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", table.name.partition(".")[0]).strip("-_")
    return Path(f"{name[:100] or 'table'}.toml")
