"""What cells are, one by one: the same alone, among others and in every kind of file."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from mlpsearch.studies.data.table_columns import TableColumn, category_texts, days_of, texts


def test_what_text_a_number_is_does_not_depend_on_the_other_cells() -> None:
    cells = pl.Series([3.0, 0.5, -1.0, 2.0**60, 1e-7, float("nan"), None])
    assert texts(cells).to_list() == ["3", "0.5", "-1", "1.152921504606847e+18", "1e-7", None, None]
    for cell, text in zip(cells, texts(cells), strict=True):
        assert texts(pl.Series([cell], dtype=pl.Float64)).to_list() == [text]


def test_a_category_is_the_same_as_a_number_a_boolean_and_text() -> None:
    assert category_texts(pl.Series([3.0, 0.5, None])).to_list() == ["3", "0.5", None]
    assert category_texts(pl.Series(["3.0", " 0.5", "NA"])).to_list() == ["3", "0.5", None]
    assert category_texts(pl.Series(["True", "FALSE", "yes", "03.0", "3.10"])).to_list() == [
        "true",
        "false",
        "yes",
        "03.0",
        "3.10",
    ]
    assert category_texts(pl.Series([True, None])).to_list() == ["true", None]


def test_dates_that_had_a_type_may_come_as_text() -> None:
    days = [date(2024, 2, 29), date(1969, 12, 31), None]
    np.testing.assert_array_equal(days_of(pl.Series(days), ""), [19782, -1, np.nan])
    np.testing.assert_array_equal(
        days_of(pl.Series(["2024-02-29", "1969-12-31", "29.2.24"]), ""), [19782, -1, np.nan]
    )
    times = pl.Series(["2024-02-29T12:00:00.000000", "2024-02-29 12:00:00", "2024-02-29"])
    np.testing.assert_array_equal(days_of(times, ""), [19782.5, 19782.5, 19782])
    np.testing.assert_array_equal(days_of(pl.Series([datetime(2024, 2, 29, 12)]), "%d/%m/%Y"), [19782.5])


def test_a_format_may_say_the_time_zone() -> None:
    times = pl.Series(["2024-02-29T12:00:00+0000", "2024-02-29T12:00:00+0600", "2024-02-29T12:00:00", None])
    np.testing.assert_array_equal(days_of(times, "%Y-%m-%dT%H:%M:%S%z"), [19782.5, 19782.25, np.nan, np.nan])


@pytest.mark.parametrize(
    ("kind", "cells", "expected"),
    [
        ("number", pl.Series(["1", "+1.5", "x", "", "NaN", None, "inf", "1,5"]), [2, 7]),
        ("number", pl.Series([1.0, float("nan"), None]), []),
        ("number", pl.Series([True, None]), [0]),
        ("number", pl.Series([date(2024, 1, 1)]), [0]),
        ("date", pl.Series(["2024-02-29", "2023-02-29", "", None]), [1]),
        ("date", pl.Series([3, None]), [0]),
        ("date", pl.Series([date(2024, 1, 1), None]), []),
        ("category", pl.Series(["x", None]), []),
    ],
)
def test_which_cells_cannot_be_read(kind: str, cells: pl.Series, expected: list[int]) -> None:
    column = TableColumn.model_validate({"name": "a", "kind": kind})
    assert np.flatnonzero(column.unreadable(cells)).tolist() == expected
