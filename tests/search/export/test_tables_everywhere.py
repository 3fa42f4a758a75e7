"""A row's prediction is the same wherever it is made: alone, among others, from a file, by onnxruntime."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import mlpsearch as package
from mlpsearch.models.config import TABLE_PREPROCESSING, TrainConfig
from mlpsearch.models.errors import DataError
from mlpsearch.models.inputs.data import Split
from mlpsearch.search.export.onnx_model import onnx_model
from mlpsearch.search.export.table_prediction import classify_file
from mlpsearch.studies.data.table_columns import TableSchema, is_pattern
from mlpsearch.studies.spec.table_options import ColumnOptions
from tests.search.export.tables import drawn_net, export_of, run_onnx, write
from tests.search.makers import NETS

_LETTERS = st.characters(exclude_categories=["Cc", "Cs", "Cn", "Co"])
# Not one that might separate columns better than the comma, nor what the code gives back as an empty name.
_NAMES = st.text(_LETTERS.filter(lambda letter: letter not in ";|"), min_size=1, max_size=8).filter(
    lambda name: name.isprintable() and name == name.strip() and name != "class" and not _is_refused(name)
) | st.just("*")  # a pattern to Polars
_TEXTS = st.text(_LETTERS | st.sampled_from('\n",;'), max_size=6) | st.sampled_from(
    ["NA", "nan", " x ", "", "1", "1.0", "01.0", "True", "FALSE", "?", "=1", "x\u00a0"]
)

_ORDINARY = 30.0  # a logit: of far larger ones float32 leaves no digits for the difference of two


@dataclass(frozen=True)
class Kind:
    """Cells of the training rows and of others, None for empty ones, and their type."""

    cells: st.SearchStrategy[Any]
    others: st.SearchStrategy[Any]
    dtype: Any
    is_category: bool = False


_FLOATS = st.floats(-1e100, 1e100) | st.sampled_from([1e-310, 5e-324, -0.0, 2.0**40 + 1, 2.0**40 + 2])
_FEW_FLOATS = [0.5, 1.0, 2.0, -1.0, 1e16, 0.00001]
_DAYS = st.dates(date(1890, 1, 1), date(2110, 1, 1))
_TIMES = st.datetimes(datetime(1890, 1, 1), datetime(2110, 1, 1))
KINDS = {
    "numbers": Kind(_FLOATS, st.floats(), pl.Float64()),
    "whole numbers": Kind(st.sampled_from([1, 2, 3, 2**40]), st.integers(-(2**62), 2**62), pl.Int64()),
    "categories": Kind(st.sampled_from(["Rome", " Oslo", "", "a,b", 'say "x"', "é"]), _TEXTS, pl.String()),
    "any text": Kind(_TEXTS, _TEXTS, pl.String()),
    "yes or no": Kind(st.booleans(), st.booleans(), pl.Boolean()),
    "days": Kind(_DAYS, st.dates(date(1600, 1, 1), date(2900, 1, 1)), pl.Date()),
    "times": Kind(_TIMES, _TIMES, pl.Datetime("us")),
    "numbered categories": Kind(st.sampled_from([1, 2, 3]), st.integers(-1, 5), pl.Int32(), is_category=True),
    "floats as categories": Kind(
        st.sampled_from(_FEW_FLOATS),
        st.sampled_from([*_FEW_FLOATS, 7.0, 1e300, 0.1]),
        pl.Float64(),
        is_category=True,
    ),
}


@dataclass(frozen=True)
class Case:
    """Training rows, others, and what is made of them."""

    training: pl.DataFrame
    others: pl.DataFrame
    options: ColumnOptions
    config: TrainConfig
    net: str


@st.composite
def cases(draw: Callable[..., Any]) -> Case:
    kinds = [KINDS[kind] for kind in draw(st.lists(st.sampled_from([*KINDS]), min_size=1, max_size=4))]
    names = draw(st.lists(_NAMES, min_size=len(kinds), max_size=len(kinds), unique=True))
    count, rows = draw(st.integers(6, 12)), draw(st.integers(1, 5))
    training, others = dict[str, pl.Series](), dict[str, pl.Series]()
    for name, kind in zip(names, kinds, strict=True):
        empty = st.none() if draw(st.booleans()) else st.nothing()
        training[name] = pl.Series(
            draw(st.lists(kind.cells | empty, min_size=count, max_size=count)), dtype=kind.dtype
        )
        cells = kind.others | kind.cells | st.none()
        others[name] = pl.Series(draw(st.lists(cells, min_size=rows, max_size=rows)), dtype=kind.dtype)
    categorical = [name for name, kind in zip(names, kinds, strict=True) if kind.is_category]
    config = TrainConfig(
        hidden_size=6,
        depth=draw(st.integers(2, 3)),
        preprocessing=draw(st.sampled_from(TABLE_PREPROCESSING)),
        bins=draw(st.integers(2, 6)),
        batch_normalization=draw(st.booleans()),
    )
    frames = pl.DataFrame({**training}), pl.DataFrame({**others})
    return Case(*frames, ColumnOptions(categorical=tuple(categorical)), config, draw(st.sampled_from([*NETS])))


def _patiently(examples: int) -> settings:
    ignored = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(max_examples=examples, deadline=None, suppress_health_check=ignored)


@_patiently(20)
@given(cases(), st.integers(0, 3))
def test_a_row_is_the_same_alone_among_others_in_files_and_in_onnx(case: Case, seed: int) -> None:
    assert_same_everywhere(case, seed)


@pytest.mark.stress
@_patiently(500)
@given(cases(), st.integers(0, 3))
def test_many_rows_are_the_same_alone_among_others_in_files_and_in_onnx(case: Case, seed: int) -> None:
    assert_same_everywhere(case, seed)


def assert_same_everywhere(case: Case, seed: int) -> None:
    """Check what a net drawn by the seed says of the case's other rows, wherever it is asked."""
    try:
        schema, arrays = drawn_net(case.training, case.config, case.options, seed)
    except DataError as error:
        assert "nothing is left to learn from" in str(error) or "has dates like" in str(error)  # noqa: PT017
        assume(False)
    export, others = export_of(schema, arrays, case.config, case.net), _readable(schema, case.others)
    with tempfile.TemporaryDirectory() as folder:
        net = package.load(write(Path(folder) / "best", export, arrays))
        expected = net.predict_proba(others)
        largest = np.nan_to_num(_largest_logits(net, others))
        allowed = 1e-5 * np.where(largest <= _ORDINARY, 1, largest)
        for row in range(others.height):
            alone = net.predict_proba(others[row : row + 1])
            assert _is_close(alone[0], expected[row], allowed[row])
        mixed = net.predict_proba(others[others.columns[::-1]].with_columns(more=pl.lit("x")))
        np.testing.assert_array_equal(mixed, expected)
        others.write_csv(Path(folder) / "rows.csv")
        others.write_parquet(Path(folder) / "rows.parquet")
        others.write_ndjson(Path(folder) / "rows.jsonl")
        expected[~np.isfinite(expected).all(axis=1)] = np.nan
        for name in ("rows.csv", "rows.parquet", "rows.jsonl"):
            (part,) = classify_file(net, Path(folder) / name, lambda _: None)
            np.testing.assert_array_equal(part.probabilities, expected, err_msg=name)
    labels, shares = run_onnx(onnx_model(export, [arrays]), schema, others)
    for row in np.flatnonzero(np.isfinite(expected).all(axis=1)).tolist():
        assert _is_close(shares[row], expected[row], allowed[row])
        assert labels[row] == net.classes[int(shares[row].argmax())]


def _largest_logits(net: package.Classifier, rows: pl.DataFrame) -> Any:
    """Of each row, absolute."""
    table = net.export.data.table
    assert table is not None
    stored = table.described.encoded(rows, "a.csv")
    count = np.arange(len(stored))
    split = Split(stored, np.zeros_like(count), count, net.export.data.shape, table.described.stored())
    with np.errstate(over="ignore", invalid="ignore"):
        (one,) = net.members
        return np.abs(one.net.logits(one.preprocessing.everything(split))).max(axis=1)


def _readable(schema: TableSchema, rows: pl.DataFrame) -> pl.DataFrame:
    """Cells that cannot be read are empty: text may look like numbers in all training rows."""
    masks = {column.name: pl.Series(column.unreadable(rows[column.name])) for column in schema.columns}
    # Not by pl.col(), to which a name such as "*" is a pattern.
    return rows.with_columns(rows[name].zip_with(~mask, rows[name].clear(1)) for name, mask in masks.items())


def _is_close(one: Any, other: Any, allowed: Any) -> bool:
    return bool(np.allclose(one, other, rtol=0, atol=allowed, equal_nan=True))


def _is_refused(name: str) -> bool:
    return _is_number(name) or is_pattern(name)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
