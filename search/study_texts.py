"""The text of a study file for data that somebody has: ranges that fit their size, and comments that say why."""

from dataclasses import dataclass
from string import Template
from typing import Any

import tomli_w

from mlpsearch.studies.data.table_columns import TableSchema
from mlpsearch.studies.data.training import FOLDS, LOPSIDED, TABLE_VALIDATION, TrainingData
from mlpsearch.studies.spec.table_options import TEST_SHARE, TableOptions

_FILE = Template("""\
# $count training and validation $items; classes: $classes; $what.
$advice
$keys
start = "learnt"                # tries first what did well on other data sets
$told
[budget]
trials = $trials
epochs = $epochs                     # about $steps steps

[confirm]                       # the five best are trained again over fresh seeds, then the winner over others

[search]
hidden_size = { low = $narrow, high = $wide, log = true }
learning_rate = { low = $slow, high = $fast, log = true }   # the largest of a one-cycle schedule
regularization = { low = 1e-6, high = 1e-2, log = true }  # much of it makes inputs that say nothing fall silent
depth = { low = 2, high = 4 }
dropout = { low = 0.0, high = $dropout }
batch_normalization = { choices = [false, true] }
$preprocessing
[fixed]
optimizer = "adam"
schedule = "one-cycle"
warmup = 0.3
batch_size = $batch
label_smoothing = 0.05
$fixed""")

_OF_NUMBERS = """\
preprocessing = { choices = ["standardize", "robust", "quantiles", "piecewise"] }   # of the numbers
"""
_BINS = """\
bins = 16                       # of "piecewise"
"""
_OF_PIXELS = """\
preprocessing = { choices = ["scale", "standardize"] }   # of the pixels
# flip = { choices = [false, true] }   # where a mirror image is of the same class; not for digits and letters
# shift = { low = 0, high = 2 }        # by so many pixels: where it does not matter what is exactly where
"""


@dataclass(frozen=True, slots=True)
class _Size:
    """What suits up to so many rows or images, without the test's.

    validation: the share of them that trials are judged by; None for five folds.
    slow, fast: learning rates.  dropout: the most of it. Of tables of up to 5,000 rows these are what did best on
        ten tables of up to 4,000 (benchmarks/LANDSCAPE.md).
    """

    rows: float
    epochs: int
    batch: int
    narrow: int
    wide: int
    validation: float | None
    slow: str = "3e-3"
    fast: str = "5e-2"
    dropout: float = 0.5


_TABLES = (
    _Size(500, 40, 32, 16, 128, None),
    _Size(1_000, 100, 32, 32, 256, None),
    _Size(5_000, 50, 128, 64, 512, None),
    _Size(10_000, 50, 128, 64, 512, 0.2, "1e-3", "2e-2", 0.3),
    _Size(100_000, 30, 128, 64, 512, 0.1, "1e-3", "2e-2", 0.3),
    _Size(float("inf"), 12, 512, 64, 512, 0.05, "1e-3", "2e-2", 0.3),
)
_IMAGES = (
    _Size(1_000, 40, 32, 32, 256, None, "1e-3", "3e-2"),
    _Size(3_000, 30, 64, 64, 512, None, "1e-3", "3e-2"),
    _Size(10_000, 30, 64, 64, 512, 0.2, "1e-3", "3e-2"),
    _Size(100_000, 20, 128, 64, 512, 0.1, "3e-4", "1e-2", 0.3),
    _Size(float("inf"), 10, 256, 128, 1024, 0.05, "3e-4", "1e-2", 0.3),
)


def table_study(rows: TrainingData, keys: dict[str, Any], options: TableOptions) -> str:
    """Return the text of a study file for rows of a table. keys: name, net, dataset and data."""
    assert rows.table is not None  # noqa: S101 - they are of a table
    if keys["dataset"] == "table":
        keys = keys | {"label": options.label}
    if options.test != TEST_SHARE:
        keys = keys | {"test": options.test}
    told = {"columns": options.columns.model_dump(mode="json", exclude_defaults=True)}
    return _file(
        rows,
        _TABLES,
        keys,
        items="rows",
        what=f"columns: {_columns(rows.table)}",
        told=f"\n{tomli_w.dumps(told)}" if options.columns.named() else "",
        trials=50,
        preprocessing=_OF_NUMBERS,
        fixed=_BINS,
    )


def image_study(images: TrainingData, keys: dict[str, Any]) -> str:
    """Return the text of a study file for images.

    keys: name, net, dataset and data and, where they are resized, image_size.
    """
    height, width, channels = images.shape
    colour = "grey" if channels == 1 else "in colour"
    return _file(
        images,
        _IMAGES,
        keys,
        items="images",
        what=f"{height}×{width} pixels (height × width), {colour}",
        told="",
        trials=30,
        preprocessing=_OF_PIXELS,
        fixed="",
    )


def _file(data: TrainingData, sizes: tuple[_Size, ...], keys: dict[str, Any], **parts: Any) -> str:
    count = int(data.class_counts().sum())
    size = next(size for size in sizes if count <= size.rows)
    return _FILE.substitute(
        parts,
        count=f"{count:,}",
        classes=_shares(data),
        advice=_advice(data, size, parts["items"]),
        keys=tomli_w.dumps(keys | _judging(data, size)).strip(),
        epochs=size.epochs,
        steps=f"{-(-_training(data, size, count) // size.batch) * size.epochs:,}",
        narrow=size.narrow,
        wide=size.wide,
        slow=size.slow,
        fast=size.fast,
        dropout=size.dropout,
        batch=size.batch,
    )


def _judging(data: TrainingData, size: _Size) -> dict[str, Any]:
    """What trials are judged by, as keys of the file; none where the data have a validation split of their own."""
    if data.validation_folder is not None:
        return {}
    return {"folds": FOLDS} if _in_folds(data, size) else {"validation": size.validation or TABLE_VALIDATION}


def _training(data: TrainingData, size: _Size, count: int) -> int:
    """How many of `count` images or rows a net is trained on, about."""
    if data.validation_folder is not None:
        return len(data.training)
    held_out = 1 / FOLDS if _in_folds(data, size) else size.validation or TABLE_VALIDATION
    return round(count * (1 - held_out))


def _in_folds(data: TrainingData, size: _Size) -> bool:
    """Whether trials are judged by folds: of few rows, where each fold can have some of each class."""
    few = size.validation is None and data.validation_folder is None
    return few and int(data.class_counts().min()) >= FOLDS


def _advice(data: TrainingData, size: _Size, items: str) -> str:
    """Comments on how nets are judged."""
    counts, lines = data.class_counts(), []
    if _in_folds(data, size):
        lines.append(
            f"# One validation split of so few {items} is mostly luck, so each trial trains on five folds."
        )
    if counts.max() > LOPSIDED * counts.sum():
        lines.append('# A class is rare. Where it matters most: metric = "balanced-accuracy" or "auc".')
    return "\n".join(lines)


def _shares(data: TrainingData) -> str:
    counts = data.class_counts()
    most = int(counts.argmax())
    return f"{len(data.classes)}, most often {data.classes[most]!r} ({counts[most] / counts.sum():.0%})"


def _columns(schema: TableSchema) -> str:
    left = f", {len(schema.left_out)} left out" if schema.left_out else ""
    return f"{schema.kinds()}{left}"
