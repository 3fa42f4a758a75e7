"""Whether onnxruntime makes of an ONNX model what the net is, on validation images or rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.ensemble import average_probabilities
from mlpsearch.models.errors import ExportError
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.metrics import probabilities
from mlpsearch.search.export.document import AnyExport
from mlpsearch.search.export.table_onnx import input_names
from mlpsearch.search.results.winner import Winner
from mlpsearch.studies.data.table_columns import TableColumn, TableSchema

_MOST = 1_000  # images or rows
_AT_ONCE = 20  # of them: a model may see each image in many poses
_TOLERANCE = 1e-5


def check_onnx(content: bytes, export: AnyExport, nets: Sequence[Winner]) -> None:
    """Raise ExportError where onnxruntime gives other probabilities than the nets, or is not there.

    A probability may differ by 1e-5, or by that share of the row's largest logit where that is above 1, for both
    compute logits in float32.
    """
    sample = nets[0].data.validation.sample(_MOST)
    found = _run(content, _inputs(export, np.asarray(sample.images[sample.rows])))
    with np.errstate(over="ignore", invalid="ignore"):
        shares = (probabilities(one.net, sample, one.preprocessing) for one in nets)
        expected = average_probabilities(shares, export.weights())
        largest = [np.abs(one.net.logits(one.preprocessing.everything(sample))).max(axis=1) for one in nets]
        allowed = _TOLERANCE * np.maximum(1, np.max(largest, axis=0))[:, None]
        differ = ~((np.abs(found["probabilities"] - expected) <= allowed) | np.isnan(expected))
    if differ.any():
        what = "the net" if len(nets) == 1 else "the average of the nets"
        raise ExportError(f"the ONNX model gives other probabilities than {what} for {_count(sample, differ)}")
    names = [export.data.classes[best] for best in found["probabilities"].argmax(axis=1)]
    if list(found.get("label", names)) != names:
        raise ExportError("the ONNX model gives other labels than its probabilities say")


def _count(sample: Split, differ: NDArray[np.bool_]) -> str:
    what = "images" if sample.columns is None else "rows"
    return f"{int(differ.any(axis=1).sum()):,} of {len(sample):,} validation {what}"


def _run(content: bytes, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    try:
        import onnxruntime
    except ImportError as error:
        raise ExportError(
            "an ONNX model is checked with the package onnxruntime: pip install 'mlpsearch[onnx]'"
        ) from error
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    rows = len(next(iter(inputs.values())))
    parts = [
        session.run(names, {name: given[start : start + _AT_ONCE] for name, given in inputs.items()})
        for start in range(0, rows, _AT_ONCE)
    ]
    return {name: np.concatenate(found) for name, *found in zip(names, *parts, strict=True)}


def _inputs(export: AnyExport, stored: NDArray[Any]) -> dict[str, NDArray[Any]]:
    if export.data.table is None:
        return {"images": stored.reshape(-1, *export.data.shape)}
    table = export.data.table.described
    names = input_names(table)
    return {names[column]: cells for column, cells in cells_of(table, stored).items()}


def cells_of(table: TableSchema, stored: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
    """Return the columns that rows, (N, stored columns), are stored of, as the ONNX model takes them, (N, 1) each.

    Of categories that share a number it is the first, and of an unknown one a text that is no category.
    """
    cells, place = dict[str, NDArray[Any]](), 0
    for column in table.columns:
        given = stored[:, place : place + 1]
        if column.kind == "category":
            cells[column.name] = np.array(_texts(column), object)[given.astype(np.int64)]
        else:
            cells[column.name] = given + column.first
        place += len(column.stored())
    return cells


def _texts(column: TableColumn) -> list[str]:
    """A text for each number, and one for -1, which is the last."""
    unknown = max([*column.categories, *column.together], key=len) + "+"
    return [*column.categories, *column.together[:1], unknown]
