"""Tables from files: how they are read, and what their columns are."""

import gzip
import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import SealedCounts
from mlpsearch.studies.spec.table_options import ColumnOptions
from tests.studies.data.tables.makers import ROWS, columns, csv, load, rows, source

# ---- reading ----


def test_every_format_gives_the_same_rows(tmp_path: Path) -> None:
    expected = load(csv(tmp_path / "a.csv", rows()))
    frame = pl.DataFrame(rows())
    csv(tmp_path / "b.tsv", rows(), "\t")
    csv(tmp_path / "c.csv", rows(), ";")
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    frame.write_parquet(tmp_path / "e.parquet")
    frame.write_ipc(tmp_path / "f.feather")
    frame.write_ndjson(tmp_path / "g.jsonl")
    (tmp_path / "h.csv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.csv").read_bytes().replace(b"\n", b"\r\n"))
    for name in ("b.tsv", "c.csv", "d.csv.gz", "e.parquet", "f.feather", "g.jsonl", "h.csv"):
        assert load(tmp_path / name).fingerprint == expected.fingerprint, name


@pytest.mark.parametrize(
    ("written", "typed", "classes"),
    [
        (["1.0", "0"], [1, 0], ("0", "1")),
        (["1", "0.0"], [1.0, 0.0], ("0", "1")),
        (["True", "FALSE"], [True, False], ("false", "true")),
        (["2024-01-31", "2023-12-24"], [date(2024, 1, 31), date(2023, 12, 24)], ("2023-12-24", "2024-01-31")),
        (["1.50", "0.5"], [1.5, 0.5], None),
    ],
)
def test_classes_have_one_name_whatever_type_their_column_has(
    tmp_path: Path, written: list[str], typed: list[Any], classes: tuple[str, ...] | None
) -> None:
    text = csv(tmp_path / "a.csv", rows(**{"class": written * (ROWS // 2)}))
    pl.DataFrame(rows(**{"class": typed * (ROWS // 2)})).write_parquet(tmp_path / "a.parquet")
    found = [load(path) for path in (text, tmp_path / "a.parquet")]
    if classes is None:  # what a decimal place says stays as it is written
        assert [one.classes for one in found] == [("0.5", "1.50"), ("0.5", "1.5")]
    else:
        assert [one.classes for one in found] == [classes, classes]
        assert found[0].fingerprint == found[1].fingerprint
        assert load(text, test=str(tmp_path / "a.parquet")).sealed is not None


def test_the_rows_are_stored_as_numbers_and_numbers_of_categories(tmp_path: Path) -> None:
    table = rows()
    data = load(csv(tmp_path / "a.csv", table))
    assert data.classes == ("no", "yes")
    assert data.table is not None
    assert data.table.columns[1].categories == ["blue", "green", "red"]
    stored = {tuple(row) for row in data.training.images.tolist()}
    numbers = {name: number for number, name in enumerate(["blue", "green", "red"])}
    assert stored < {
        (size, float(numbers[colour])) for size, colour in zip(table["size"], table["colour"], strict=True)
    }


# ---- what columns are ----


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([f"+{number}" for number in range(5)] * 8, "number"),
        ([f"1,{number}" for number in range(8)] * 5, "number"),
        (["1e3", " 2 ", "NA", "-0.5", ""] * 8, "number"),
        (["true", "false"] * 20, "category"),
        (["2024-01-31", "2024-02-01", "", "2023-12-24"] * 10, "date"),
        (["5"] * 40, "all its cells are 5"),
        (["x"] * 40, "all its cells are 'x'"),
        ([""] * 40, "all its cells are empty"),
        ([str(number) for number in range(40)], "its cells are row numbers"),
        ([f"{number} Main Street" for number in range(40)], "it is text, with 32 different values in 32 rows"),
        (["1", "2", "three", "4"] * 10, "category"),
        (
            [f"{number / 7:.3f}" for number in range(39)] + ["oops"],
            "no numbers, like 'oops'; with columns.numeric = [\"new\"] it is one of numbers, and they are empty",
        ),
    ],
)
def test_columns_are_what_they_look_like(tmp_path: Path, cells: list[str], kind: str) -> None:
    path = tmp_path / "a.csv"
    pl.DataFrame(rows(new=cells)).write_csv(path)
    assert columns(path)["new"].endswith(kind)


@pytest.mark.parametrize(
    "cells",
    [["950", "1,234", "12,000"], ["1,234,567", "-1,234", "3"], ["1,234.50", "0.75", "NA"], ["1,234", "1,235"]],
)
def test_commas_between_thousands_are_no_decimal_commas(tmp_path: Path, cells: list[str]) -> None:
    path = csv(tmp_path / "t.csv", rows(price=(cells * ROWS)[:ROWS]), separator=";")
    with pytest.raises(DataError, match=r"column 'price' has numbers like .*comma may stand between thousands"):
        load(path)
    assert load(path, columns=ColumnOptions(ignore=("price",))).table is not None


def test_what_cannot_stand_between_thousands_is_a_decimal_comma(tmp_path: Path) -> None:
    path = csv(tmp_path / "t.csv", rows(price=(["1,234", "950", "0,125"] * ROWS)[:ROWS]), separator=";")
    assert set(load(path).training.images[:, 2]) == {1.234, 950, 0.125}


def test_kinds_can_be_said(tmp_path: Path) -> None:
    new = {"code": [str(number % 5) for number in range(ROWS)], "day": ["3/4/2024", "1/12/2024"] * 20}
    path = csv(tmp_path / "a.csv", rows(**new))
    said = ColumnOptions(categorical=("code",), ignore=("size",), dates={"day": "%d/%m/%Y"})
    found = columns(path, columns=said)
    assert found == {"colour": "category", "code": "category", "day": "date", "size": "ignored"}
    assert (
        columns(path, columns=ColumnOptions(numeric=("colour",), dates=said.dates))["colour"]
        == "no cell is a number"
    )


def test_what_is_said_to_be_a_number_is_no_row_number(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", rows(order=list(range(ROWS))))
    assert columns(path)["order"] == "its cells are row numbers"
    assert columns(path, columns=ColumnOptions(numeric=("order",)))["order"] == "number"


def test_without_test_rows_all_are_for_training(tmp_path: Path) -> None:
    whole = source(csv(tmp_path / "a.csv", rows()), test=0.0)
    assert len(whole.decode("train").labels) == ROWS
    assert whole.decode("train").sealed == SealedCounts(rows=0, also_in_training=0)
    with pytest.raises(DataError, match=r"a\.csv: test = 0 holds no row out, so there is none to test on"):
        whole.decode("test")


def test_a_date_is_days_since_the_first_with_weekday_and_month(tmp_path: Path) -> None:
    days = ["2024-03-01", "2024-03-04", "2023-12-31", "2024-03-01"] * 10
    decoded = source(csv(tmp_path / "a.csv", rows(day=days))).decode("train")
    seen = {tuple(row) for row in decoded.images[:, -3:].tolist()}
    assert seen == {(61.0, 4.0, 2.0), (64.0, 0.0, 2.0), (0.0, 6.0, 11.0)}


def test_rare_categories_go_together_and_an_unseen_one_is_none(tmp_path: Path) -> None:
    cells = ["a", "b"] * 18 + ["c", "d", "e", "f"]
    train = csv(tmp_path / "a.csv", rows(new=cells))
    test = csv(tmp_path / "t.csv", rows(new=["a", "c", "zebra", "d"] * 10))
    held_out = source(train, test=str(test)).decode("test")
    assert [row[2] for row in held_out.images[:4].tolist()] == [0, 2, -1, 2]


def test_types_of_parquet_are_taken_as_they_are(tmp_path: Path) -> None:
    frame = pl.DataFrame(rows()).with_columns(
        yes=pl.Series([True, False] * 20),
        price=pl.Series(range(ROWS)).cast(pl.Decimal(10, 2)) / 7,
        whole=pl.Series([1.0, 2.0, float("nan"), float("inf")] * 10),
        when=pl.Series(["2024-01-01", "2024-05-05"] * 20).str.to_date(),
    )
    frame.write_parquet(tmp_path / "a.parquet")
    assert columns(tmp_path / "a.parquet") == {
        "size": "number",
        "colour": "category",
        "yes": "category",
        "price": "number",
        "whole": "number",
        "when": "date",
    }
    stored = source(tmp_path / "a.parquet").decode("train")
    assert stored.table is not None
    assert not np.isinf(stored.images).any()


def test_codes_of_categories_do_not_depend_on_what_polars_read_before(tmp_path: Path) -> None:
    other_codes = pl.Series([*reversed(["red", "green", "blue"]), *rows()["colour"]], dtype=pl.Categorical)
    frame = pl.DataFrame(rows()).with_columns(colour=other_codes[3:])
    frame.write_parquet(tmp_path / "b.parquet")
    expected = load(csv(tmp_path / "a.csv", rows()))
    assert load(tmp_path / "b.parquet").fingerprint == expected.fingerprint


def test_cells_that_are_not_what_a_person_says_are_counted(tmp_path: Path) -> None:
    new = {"age": ["3", "4", "old", ""] * 10, "day": ["31/12/2024", "31/12/2024", "30/11/2024", "2024-12-31"] * 10}
    said = ColumnOptions(numeric=("age",), dates={"day": "%d/%m/%Y"})
    remarks = source(csv(tmp_path / "a.csv", rows(**new)), columns=said).decode("train").remarks
    assert [re.sub(r"\d+ cells", "N cells", remark) for remark in remarks[1:]] == [
        "column 'age': 'old' is no number and counts as empty, in N cells in all",
        "column 'day': '2024-12-31' is no date like %d/%m/%Y and counts as empty, in N cells in all",
    ]


def test_remarks_say_what_was_understood(tmp_path: Path) -> None:
    table = rows(id=[*range(ROWS)], **{"class": ["", *rows()["class"][1:-1], "odd"]})
    assert source(csv(tmp_path / "a.csv", table)).decode("train").remarks == (
        "2 columns: 1 of numbers, 1 of categories",
        "column 'id' is left out: its cells are row numbers",
        "1 row has no 'class', and is left out",
        "class 'odd' has one row, which stays in training",
    )


def test_infinite_values_and_nan_as_text_are_missing_numbers(tmp_path: Path) -> None:
    cells = ["inf", "-Infinity", "NaN", "nan", "1", "2", "3", "4"] * 5
    decoded = source(csv(tmp_path / "a.csv", rows(new=cells))).decode("train")
    assert decoded.table is not None
    (column,) = (one for one in decoded.table.columns if one.name == "new")
    assert (column.kind, column.has_missing) == ("number", True)
    assert {*decoded.images[:, -1][~np.isnan(decoded.images[:, -1])]} == {1, 2, 3, 4}
