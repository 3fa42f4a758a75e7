"""A small table, written and read, for tests of tables."""

from pathlib import Path
from typing import Any

import numpy as np

from mlpsearch.studies.data.tables.source import TableSource
from mlpsearch.studies.data.training import TrainingData, load_training
from mlpsearch.studies.spec.table_options import TableOptions

ROWS = 40


def rows(**changes: list[Any]) -> dict[str, list[Any]]:
    """Forty rows of a small table."""
    generator = np.random.default_rng(0)
    table: dict[str, list[Any]] = {
        "size": [round(float(value), 3) for value in generator.normal(size=ROWS)],
        "colour": [("red", "green", "blue")[number % 3] for number in range(ROWS)],
        "class": ["yes" if number % 4 == 0 else "no" for number in range(ROWS)],
    }
    return table | changes


def csv(path: Path, table: dict[str, list[Any]], separator: str = ",") -> Path:
    lines = [separator.join(table), *(separator.join(map(str, row)) for row in zip(*table.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def load(path: Path, **options: Any) -> TrainingData:
    validation = options.pop("validation", None)
    table = TableOptions("class", **options)
    return load_training("table", path, validation=validation, split_seed=0, options=table)


def source(path: Path, **options: Any) -> TableSource:
    return TableSource(path, TableOptions(options.pop("label", "class"), **options))


def columns(path: Path, **options: Any) -> dict[str, str]:
    """Name → kind of the columns, or why they are left out."""
    table = source(path, **options).decode("train").table
    assert table is not None
    return {one.name: one.kind for one in table.columns} | table.left_out
