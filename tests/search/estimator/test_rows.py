"""Data frames of pandas and Polars: each column is what its type says, the same from both."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mlpsearch.models.errors import RowsError
from mlpsearch.search.estimator.rows import rows_of, table_of
from tests.search.estimator.makers import apart, tiny

COUNT = 60
NUMBERS = np.random.default_rng(0).normal(size=COUNT)
MISSING = np.where(np.arange(COUNT) % 7 == 0, np.nan, NUMBERS)
TOWNS = [("Oslo", "Rome", "Bern")[i % 3] for i in range(COUNT)]
CODES = [(1, 2, 10)[i % 3] for i in range(COUNT)]
YES = [i % 2 == 0 for i in range(COUNT)]
DAYS = [date(2024, 1, 1) + timedelta(days=(i * 17) % 365) for i in range(COUNT)]
SPANS = [timedelta(hours=(i * 5) % 24) for i in range(COUNT)]
LABELS = np.array(YES)


def polars_frame() -> pl.DataFrame:
    """A column of each kind."""
    return pl.DataFrame(
        {
            "missing": pl.Series(MISSING).fill_nan(None),
            "town": TOWNS,
            "code": pl.Series([str(code) for code in CODES], dtype=pl.Categorical()),
            "size": pl.Series(TOWNS, dtype=pl.Enum(["Bern", "Oslo", "Rome"])),
            "yes": YES,
            "day": DAYS,
            "span": SPANS,
            "one": [1] * COUNT,
        }
    )


def pandas_frame() -> pd.DataFrame:
    """The same."""
    return pd.DataFrame(
        {
            "missing": MISSING,
            "town": TOWNS,
            "code": pd.Categorical(CODES),
            "size": pd.Series(TOWNS, dtype="category"),
            "yes": YES,
            "day": pd.to_datetime(DAYS),
            "span": pd.to_timedelta(SPANS),
            "one": 1,
        }
    )


def test_pandas_and_polars_give_the_same_net() -> None:
    ours, others = (tiny(trials=1).fit(frame, LABELS) for frame in (polars_frame(), pandas_frame()))
    schema = ours._net.schema
    kinds = {column.name: column.kind for column in schema.columns}
    assert kinds == {
        "missing": "number",
        "town": "category",
        "code": "category",
        "size": "category",
        "yes": "category",
        "day": "date",
        "span": "number",
    }
    assert ours.left_out_ == others.left_out_ == {"one": "all its cells are 1"}
    assert ours.feature_names_in_.tolist() == others.feature_names_in_.tolist() == polars_frame().columns
    expected = ours.predict_proba(polars_frame())
    for found in (ours, others):
        for frame in (polars_frame(), pandas_frame()):
            assert np.array_equal(found.predict_proba(frame), expected)


def test_what_a_column_of_pandas_may_be_stored_as() -> None:
    found = tiny(trials=1).fit(pandas_frame(), LABELS)
    expected = found.predict_proba(pandas_frame())
    other = pandas_frame()
    other["missing"] = other["missing"].astype("Float64")
    other["town"] = other["town"].astype("category")
    other["code"] = other["code"].astype(object).astype(float)
    other["size"] = other["size"].astype("string")
    other["yes"] = other["yes"].astype("boolean")
    other["day"] = other["day"].dt.tz_localize("UTC")
    other["one"] = other["one"].astype("Int64")
    assert np.array_equal(found.predict_proba(other), expected)
    other["yes"] = other["yes"].astype(object)
    other["code"] = [1, *other["code"][1:].astype(object)]
    assert np.array_equal(found.predict_proba(other), expected)


@pytest.mark.parametrize(
    ("name", "cells", "message"),
    [
        ("missing", ["many"] * COUNT, r"^X: column 'missing' must have numbers, as it had in fit$"),
        ("day", TOWNS, r"^X: column 'day' must have dates, as it had in fit; it has String$"),
    ],
)
def test_a_column_of_another_kind_is_refused(name: str, cells: list[str], message: str) -> None:
    found = tiny(trials=1, epochs=1).fit(polars_frame(), LABELS)
    for frame in (polars_frame().with_columns(**{name: pl.Series(cells)}), pandas_frame().assign(**{name: cells})):
        with pytest.raises(RowsError, match=message):
            found.predict(frame)
    unknown = polars_frame().with_columns(town=pl.lit("Paris"), missing=pl.lit(None))
    assert found.predict(unknown).shape == LABELS.shape


def test_frames_of_numbers_are_as_arrays_are() -> None:
    X, y = apart(np.array([0, 1]))  # noqa: N806
    expected = tiny(trials=1).fit(X, y).predict_proba(X)
    named = pd.DataFrame(X, columns=["a", "b"])
    for frame in (named, pd.DataFrame(X), pl.DataFrame(X, schema=["a", "b"])):
        assert np.array_equal(tiny(trials=1).fit(frame, y).predict_proba(frame), expected)
    found = tiny(trials=1).fit(named, pl.Series(y))
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        found.predict(named[["b", "a"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert np.array_equal(found.predict_proba(X), expected)


@pytest.mark.parametrize(
    "labels",
    [
        pd.Series(["no", "yes"] * 30),
        pd.Series(["no", "yes"] * 30, dtype="category"),
        pl.Series(["no", "yes"] * 30),
        pl.Series(["no", "yes"] * 30, dtype=pl.Categorical()),
        ["no", "yes"] * 30,
    ],
    ids=["pandas", "pandas-category", "polars", "polars-category", "list"],
)
def test_labels_may_be_a_column(labels: Any) -> None:
    X, _ = apart(np.array([0, 1]))  # noqa: N806
    for rows in (X, pl.DataFrame(X)):
        found = tiny(trials=1, epochs=60).fit(rows, labels)
        assert found.classes_.tolist() == ["no", "yes"]
        assert np.mean(found.predict(rows) == np.array(labels)) > 0.8


@pytest.mark.parametrize(
    ("names", "columns", "label"),
    [
        (["a", "class"], ["a", "class"], "class_"),
        (["class", "class_"], ["class", "class_"], "class__"),
        (["a", " a"], ["x0", "x1"], "class"),
        (["a", ""], ["x0", "x1"], "class"),
        (["a", "b\n"], ["x0", "x1"], "class"),
        (["a", "^b$"], ["x0", "x1"], "class"),
        (["1", "2"], ["1", "2"], "class"),
        (None, ["x0", "x1"], "class"),
    ],
)
def test_names_of_columns_are_the_features_where_they_can_be(names: Any, columns: list[str], label: str) -> None:
    X, y = apart(np.array([0, 1]))  # noqa: N806
    rows = rows_of(X, names, np.array([0, 1]), y)
    assert (rows.columns, rows.options.label) == (columns, label)
    assert rows.table.columns == [*columns, label]
    frame = pd.DataFrame(X, columns=names)
    assert tiny(trials=1, epochs=1).fit(frame, y).predict(frame).shape == y.shape


@pytest.mark.parametrize("cell", [[1], {"a": 1}, (1,), np.zeros(2)])
def test_cells_that_are_no_cells_are_refused(cell: Any) -> None:
    with pytest.raises(RowsError, match=r"^X: column 'a' holds a .*: its cells must be strings or numbers$"):
        table_of(pd.DataFrame({"a": [cell, "b"]}), ["a"])
