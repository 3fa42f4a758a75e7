"""A study file for a table that somebody has: ranges that fit its size, and comments that say why."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import tomli_w

from mlpsearch.models.errors import SpecError
from mlpsearch.models.paths import write_atomically
from mlpsearch.studies.data.table_columns import TableSchema, UnclearColumnError
from mlpsearch.studies.data.training import TrainingData, load_training
from mlpsearch.studies.spec.reading import parse_spec
from mlpsearch.studies.spec.table_options import TEST_SHARE, TableOptions

_FILE = Template("""\
# $rows rows; classes: $classes; columns: $columns.
$keys

[budget]
trials = 50
epochs = $epochs                     # $why_epochs

[confirm]                       # the five best are trained again over fresh seeds, then the winner over others

[search]
hidden_size = { low = $narrow, high = $wide, log = true }
learning_rate = { low = 5e-4, high = 2e-2, log = true }   # the largest of a one-cycle schedule
depth = { low = 2, high = 4 }
dropout = { low = 0.0, high = 0.4 }
weight_decay = { low = 1e-3, high = 1.0, log = true }
preprocessing = { choices = ["standardize", "robust", "quantiles", "piecewise"] }   # of the numbers

[fixed]
optimizer = "adamw"
schedule = "one-cycle"
warmup = 0.3
batch_size = $batch
bins = 16                       # of "piecewise"
label_smoothing = 0.05
""")


@dataclass(frozen=True, slots=True)
class _Size:
    """What suits tables of up to so many rows."""

    rows: float
    epochs: int
    batch: int
    narrow: int
    wide: int


_SIZES = (
    _Size(1_000, 80, 32, 16, 128),
    _Size(10_000, 50, 64, 32, 256),
    _Size(100_000, 30, 128, 64, 384),
    _Size(float("inf"), 12, 512, 64, 512),
)


def write_new_study(data: Path, options: TableOptions, path: Path, net: str, tell: Callable[[str], None]) -> None:
    """Look at a table's training rows and write a study file for it.

    tell: is told of columns that are ignored until a person says what they are.
    Raises DataError for a table that nothing can be learnt from, and SpecError where there is a file already, or
    the name of the file is none for a study.
    """
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
    if options.columns.named():
        keys["columns"] = options.columns.model_dump(mode="json", exclude_defaults=True)
    return _FILE.substitute(
        rows=f"{rows:,} training and validation",
        classes=_shares(images),
        columns=_columns(images.table),
        keys=tomli_w.dumps(keys).strip(),
        epochs=size.epochs,
        why_epochs=f"about {-(-rows // size.batch) * size.epochs:,} steps",
        narrow=size.narrow,
        wide=size.wide,
        batch=size.batch,
    )


def _shares(images: TrainingData) -> str:
    labels = np.concatenate([split.labels[split.rows] for split in (images.training, images.validation)])
    counts = np.bincount(labels, minlength=len(images.classes))
    most = int(counts.argmax())
    return f"{len(images.classes)}, most often {images.classes[most]!r} ({counts[most] / len(labels):.0%})"


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
    """Return the name of a study file for a table: the table's, in the current folder."""
    name = table.name.partition(".")[0] or "table"
    return Path(f"{name}.toml")
