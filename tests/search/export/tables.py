"""Exported folders of nets of a table, whose weights are drawn and not learnt."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.prediction import Layout, prediction_shapes, statistics
from mlpsearch.models.weights import digest
from mlpsearch.search.export.document import DOCUMENT, Export, write_export
from mlpsearch.search.export.exported_data import ExportedData, ExportedTable
from mlpsearch.search.export.exported_figures import ExportedAccuracy
from mlpsearch.search.export.parameters import WEIGHTS, write_parameters
from mlpsearch.search.export.versions import versions
from mlpsearch.studies.data.table_columns import TableSchema
from mlpsearch.studies.data.tables.inference import infer
from mlpsearch.studies.spec.table_options import ColumnOptions, TableOptions

CLASSES = ["no", "yes", "maybe"]


def drawn_net(
    frame: pl.DataFrame, config: TrainConfig, options: ColumnOptions | None = None, seed: int = 0
) -> tuple[TableSchema, dict[str, NDArray[Any]]]:
    """What the columns of these training rows are, and the arrays of a net: statistics of them, weights drawn."""
    said = TableOptions(label="class", columns=options or ColumnOptions())
    schema = infer(frame, np.arange(frame.height), said, "a.csv")
    stored = schema.encoded(frame, "a.csv")
    split = Split(
        stored, np.zeros(len(stored), np.int64), np.arange(len(stored)), (1, stored.shape[1], 1), schema.stored()
    )
    random = np.random.default_rng(seed)
    shapes = prediction_shapes(Layout.of(split), len(CLASSES), config)
    arrays: dict[str, NDArray[Any]] = {
        name: random.normal(0, (shape[0] if len(shape) > 1 else 1) ** -0.5, shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    arrays |= {name: np.abs(array) + 0.5 for name, array in arrays.items() if name.startswith("variance")}
    return schema, arrays | statistics(split).preprocessing(config).arrays()


def export_of(schema: TableSchema, arrays: dict[str, NDArray[Any]], config: TrainConfig, net: Any) -> Export:
    """The document of such a net."""
    columns = len(schema.stored())
    return Export(
        study="drawn",
        trial=0,
        net=net,
        threads=1,
        command="mlpsearch train best",
        weights_digest=digest(arrays),
        config=asdict(config),
        data=ExportedData(
            dataset="table",
            validation=1,
            split_seed=0,
            fingerprint="0" * 64,
            classes=CLASSES,
            shape=(1, columns, 1),
            table=ExportedTable(label="class", test=0.2, described=schema),
        ),
        accuracy=ExportedAccuracy(validation=0.5),
        versions=versions(),
    )


def write(folder: Path, export: Export, arrays: dict[str, NDArray[Any]]) -> Path:
    """The exported folder."""
    folder.mkdir(exist_ok=True)
    write_export(export, folder / DOCUMENT)
    write_parameters(arrays, folder / WEIGHTS)
    return folder


def run_onnx(model: bytes, table: TableSchema, frame: pl.DataFrame) -> tuple[list[str], NDArray[np.float32]]:
    """What onnxruntime makes of the rows: labels and probabilities. Columns of dates have the type date."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])
    names = {about["column"]: about["input"] for about in columns}
    given = {names[column.name]: _cells(frame[column.name], column.kind) for column in table.columns}
    labels, shares = session.run(["label", "probabilities"], given)
    assert isinstance(shares, np.ndarray)
    return list(labels), shares


def _cells(cells: pl.Series, kind: str) -> NDArray[Any]:
    if kind == "category":
        return np.array([[text.strip()] for text in cells.cast(pl.String).fill_null("").to_list()], object)
    if kind == "date":
        microseconds = cells.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 86_400e6
        return microseconds.fill_null(np.nan).to_numpy()[:, None]
    if cells.dtype == pl.String:
        cells = cells.str.strip_chars()
    return cells.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()[:, None]
