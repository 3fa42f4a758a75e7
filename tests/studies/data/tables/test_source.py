"""Tables from files: what their columns are, how they are split, and what is said of those that cannot be used."""

import gzip
import json
import pickle
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.search.checking import warnings_about
from mlpsearch.studies.data.decoded import DecodedImages, SealedCounts
from mlpsearch.studies.data.stratified import split_groups
from mlpsearch.studies.data.tables.files import read_table
from mlpsearch.studies.data.tables.source import TableSource
from mlpsearch.studies.data.training import TrainingData, check_images, load_training
from mlpsearch.studies.spec.table_options import ColumnOptions, TableOptions

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


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLPSEARCH_CACHE", str(tmp_path / "cache"))


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


# ---- splits ----


def test_every_row_is_on_one_side_also_those_of_rare_classes(tmp_path: Path) -> None:
    labels = ["often"] * 34 + ["seldom"] * 5 + ["once"]
    data = load(path := csv(tmp_path / "a.csv", rows(**{"class": labels})))
    sides = [split.images[split.rows, 0] for split in (data.training, data.validation)]
    sides.append(source(path).decode("test").images[:, 0])
    assert sorted(np.concatenate(sides)) == sorted(rows()["size"])


def test_the_test_rows_never_move_and_keep_the_shares_of_the_classes(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", rows())
    train, test = (source(path).decode(split) for split in ("train", "test"))
    assert (len(train.labels), len(test.labels)) == (32, 8)
    assert np.bincount(test.labels).tolist() == [6, 2]
    expected = [0.362, -0.732, 0.412, -0.922, -0.458, -1.01, 0.355, -0.654]
    assert [round(row[0], 3) for row in test.images.tolist()] == expected, "they are part of what a study is"


def test_rows_of_a_group_are_on_one_side(tmp_path: Path) -> None:
    groups = [f"g{number % 10}" for number in range(ROWS)]
    path = csv(tmp_path / "a.csv", rows(patient=groups))
    decoded = source(path, group="patient").decode("train")
    assert decoded.groups is not None
    assert len(decoded.labels) == 32
    data = load(path, group="patient")
    sides = [{int(decoded.groups[row]) for row in split.rows} for split in (data.training, data.validation)]
    assert sides[0].isdisjoint(sides[1])
    assert data.table is not None
    assert data.table.left_out == {"patient": "the group"}


def test_test_rows_of_a_group_that_trains_are_counted(tmp_path: Path) -> None:
    train = csv(tmp_path / "a.csv", rows(patient=[f"g{number % 10}" for number in range(ROWS)]))
    mixed = ["g1", "g2", "new", ""] * (ROWS // 4)
    test = csv(tmp_path / "b.csv", rows(patient=mixed))
    data = load(train, group="patient", test=str(test))
    assert data.sealed is not None
    assert data.sealed.in_training_groups == ROWS // 2, "an empty cell is no group"
    (warning,) = [one for one in warnings_about(data) if "of a group" in one]
    assert f"{ROWS // 2} of {ROWS}" in warning
    split = load(train, group="patient").sealed
    assert split is not None
    assert split.in_training_groups == 0


def test_other_groups_are_other_data(tmp_path: Path) -> None:
    groups = [number // 4 for number in range(ROWS)]
    path = csv(tmp_path / "a.csv", rows(patient=groups))
    first = load(path, group="patient", test=0.0).fingerprint
    csv(path, rows(patient=[f"{number}.0" if number % 2 else number for number in groups]))
    assert load(path, group="patient", test=0.0).fingerprint == first, "7 and 7.0 are one patient"
    csv(path, rows(patient=[number // 5 for number in range(ROWS)]))
    assert load(path, group="patient", test=0.0).fingerprint != first


def test_the_newest_rows_are_the_test_and_then_the_validation(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(ROWS)
    days = [f"2024-01-{1 + day % 28:02d}" if day < 28 else f"2024-02-{day - 27:02d}" for day in order]
    path = csv(tmp_path / "a.csv", rows(day=days))
    ordered = {"order": "day"}
    data = load(path, **ordered)
    newest = source(path, **ordered).decode("test").images[:, -3].min()
    images = data.training.images
    assert images[data.training.rows, -3].max() < images[data.validation.rows, -3].min()
    assert images[data.validation.rows, -3].max() < newest


def test_a_file_of_test_rows_in_another_order_of_columns(tmp_path: Path) -> None:
    train = csv(tmp_path / "a.csv", rows())
    table = rows()
    test = csv(tmp_path / "t.csv", {name: table[name] for name in ("class", "size", "colour")})
    options = {"test": str(test)}
    assert len(source(train, **options).decode("train").labels) == ROWS
    np.testing.assert_array_equal(
        source(train, **options).decode("test").images, source(train, **options).decode("train").images
    )


def test_columns_are_told_from_training_rows_alone(tmp_path: Path) -> None:
    """What stands in a test row changes nothing that a search sees."""
    path, said = csv(tmp_path / "a.csv", rows()), ColumnOptions(numeric=("size",))
    before = source(path, columns=said).decode("train")
    test = {row[0] for row in source(path).decode("test").images.tolist()}
    table = rows()
    place = next(number for number, size in enumerate(table["size"]) if size in test)
    table["size"][place], table["colour"][place] = "not a number", "violet"
    after = source(csv(tmp_path / "b.csv", table), columns=said).decode("train")
    assert (after.table, after.remarks) == (before.table, before.remarks)
    np.testing.assert_array_equal(after.images, before.images)


def test_nothing_but_counts_of_the_test_rows_goes_with_the_training_rows(tmp_path: Path) -> None:
    train = csv(tmp_path / "a.csv", rows())
    table = rows()
    halves = [{name: cells[part] for name, cells in table.items()} for part in (slice(0, 20), slice(20, None))]
    halves[0]["size"][0] = 99.5  # this one is no training row
    first, second = (csv(tmp_path / f"{name}.csv", half) for name, half in zip("tu", halves, strict=True))
    seen = [source(train, test=str(path)).decode("train") for path in (first, second)]
    assert seen[0].sealed == SealedCounts(rows=20, also_in_training=19)
    assert seen[1].sealed == SealedCounts(rows=20, also_in_training=20)
    for name in set(DecodedImages.__dataclass_fields__) - {"sealed"}:
        one, other = (getattr(each, name) for each in seen)
        np.testing.assert_array_equal(one, other) if isinstance(one, np.ndarray) else None
        assert isinstance(one, np.ndarray) or one == other


def test_the_cached_training_rows_hold_counts_of_the_test_rows_alone(tmp_path: Path) -> None:
    data = load(csv(tmp_path / "a.csv", rows()))
    assert data.sealed is not None
    assert (data.sealed.rows, data.sealed.also_in_training, data.sealed.missing_classes) == (8, 0, ())
    (entry,) = (path for path in (tmp_path / "cache").iterdir() if path.is_dir())
    assert entry.name.startswith("train-")
    assert sorted(path.name for path in entry.iterdir()) == ["images.npy", "labels.npy", "meta.json"]
    assert json.loads((entry / "meta.json").read_text())["sealed"].keys() == {
        "rows",
        "also_in_training",
        "missing_classes",
        "in_training_groups",
    }


def test_a_table_is_read_once_for_all_that_comes_before_a_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = csv(tmp_path / "a.csv", rows()), list[Path]()

    def noted(path: Path) -> pl.DataFrame:
        read.append(path)
        return read_table(path)

    monkeypatch.setattr("mlpsearch.studies.data.tables.source.read_table", noted)
    for _ in range(2):
        assert check_images("table", path, TableOptions("class")) == []
        assert load(path).remarks == (f"{path}: 2 columns: 1 of numbers, 1 of categories",)
    assert read == [path]


def test_dates_with_a_format_put_rows_in_their_order(tmp_path: Path) -> None:
    days = [f"{1 + day % 28:02d}/{1 + day // 28:02d}/2024" for day in range(ROWS)]  # as texts they are not ordered
    said = ColumnOptions(dates={"day": "%d/%m/%Y"})
    held_out = source(csv(tmp_path / "a.csv", rows(day=days)), order="day", columns=said).decode("test")
    assert sorted(held_out.images[:, 2]) == [*range(35, 43)]


def test_an_order_by_nothing_is_refused(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", rows(day=[""] * ROWS))
    with pytest.raises(DataError, match="order = 'day': all its cells are empty, so no row is the newest"):
        source(path, order="day").decode("train")


def test_groups_are_split_near_the_wanted_number() -> None:
    groups = np.repeat(np.arange(20), 5)
    kept, held_out = split_groups(groups, 30, seed=0, where="g")
    assert len(held_out) == 30
    assert {*groups[kept]}.isdisjoint(groups[held_out])
    with pytest.raises(DataError, match="all rows are of one group"):
        split_groups(np.zeros(5, np.int64), 1, seed=0, where="g")


# ---- mistakes ----

LONG = rows(**{name: values * 100 for name, values in rows().items()})


def broken_quotes(path: Path) -> None:
    lines = csv(path, LONG).read_text().splitlines()
    lines[2_999] = '0.1,"red,yes'
    path.write_text("\n".join(lines))


MISTAKES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no such label": (rows(), {"label": "klass"}, r"has no column 'klass' \(it has 'size', 'colour', 'class'\)"),
    "label all the same": (rows(**{"class": ["x"] * ROWS}), {}, "'class' is 'x' in all rows"),
    "label empty": (rows(**{"class": [""] * ROWS}), {}, "no row has a 'class'"),
    "no header": (
        {str(number): [number] * ROWS for number in range(3)},
        {},
        "its first row, 0, 1, 2, .* are numbers",
    ),
    "two columns of one name": (
        b"a,a,class\n1,2,x\n1,3,y\n",
        {},
        "has two columns 'a': give each a name of its own",
    ),
    "a column without a name": (b"a,,class\n1,2,x\n1,3,y\n", {}, "column 2 has no name: give it one$"),
    "the index of pandas": (b",a,class\n0,2,x\n1,3,y\n", {}, r"column 1 has no name: .*index=False"),
    "a header missing among texts": (
        b"1.5,red,x\n2.5,blue,y\n",
        {},
        "its first row, which names the columns, is '1.5'",
    ),
    "Latin-1": (
        "a,class\n1,x\n2,größe\n3,y\n".encode("latin-1"),
        {},
        r"is not text in UTF-8 \(line 3, b'\\xf6'\): save it as UTF-8",
    ),
    "Latin-1 in the header": ("größe,class\n1,x\n".encode("latin-1"), {}, r"UTF-8 \(line 1, byte 3\)"),
    "a spreadsheet": (b"PK", {"name": "a.xlsx"}, "must be a table .*: save it as one"),
    "dates in three forms": (
        rows(day=["2024-01-05", "05.01.2024", "Jan 5 2024", "2024-01-05"] * (ROWS // 4)),
        {},
        "'day' has dates of several forms, like '.*' and '.*': write them in one form, or leave the column out",
    ),
    "months in words": (rows(day=["Jan 5 2024"] * ROWS), {}, r"dates like 'Jan 5 2024': say .* columns\.dates"),
    "an order that is not certain": (
        rows(day=[f"{1 + number % 28}/1/2024" for number in range(ROWS)]),
        {"order": "day", "columns": ColumnOptions(ignore=("day",))},
        "order = 'day': has '1/1/2024', and it is not certain what is later",
    ),
    "a label of lists": (pl.DataFrame({"a": [1, 2], "class": [[1], [2]]}), {}, "column 'class' holds List"),
    "empty": (b"", {}, "is empty"),
    "only a header": (b"a,class\n", {}, "has no rows"),
    "one row": (b"a,class\n1,x\n", {}, "'class' is 'x' in all rows"),
    "a short row": (b"a,b,class\n1,2,x\n3,4\n5,6,y\n", {}, "line 3 has 2 cells, the header 3"),
    "a long row": (b"a,b,class\n1,2,x\n3,4,y,5\n", {}, "line 3 has 4 cells, the header 3"),
    "broken quotes": (broken_quotes, {}, "line 3000: a quote is not closed, or in the wrong place"),
    "no group column": (rows(), {"group": "patient"}, "has no column 'patient'"),
    "ambiguous dates": (rows(day=["3/4/2024"] * ROWS), {}, r"dates like '3/4/2024': say which is the day"),
    "another format": (b"\x00\x01\x02", {}, "is not text in UTF-8"),
    "a mark of the byte order alone": (b"\xef\xbb\xbf", {}, "is empty"),
    "an empty first line": (b"\na,class\n1,x\n2,y\n", {}, "its first line is empty, and the names of the columns"),
    "carriage returns alone": (b"a,class\r1,x\r2,y\r", {}, "its lines end with carriage returns alone"),
    "two names but for a space": (
        pl.DataFrame({"a": [1, 2], "a ": [1, 2], "class": ["x", "y"]}),
        {},
        "has two columns 'a'",
    ),
    "a label of lengths of time": (
        pl.DataFrame({"a": [1, 2], "class": [timedelta(1), timedelta(2)]}),
        {},
        "column 'class' holds Duration",
    ),
    "NaN in JSON": (
        b'{"a": 1, "class": "x"}\n{"a": NaN, "class": "y"}\n',
        {"name": "a.jsonl"},
        "line 2 is no JSON object",
    ),
    "nothing left": ({"a": [1] * ROWS, "class": rows()["class"]}, {}, r"nothing is left .*a: all its cells are 1"),
    "a class that could do something to a terminal": (
        rows(**{"class": ["yes", "no\x1b[2J"] * (ROWS // 2)}),
        {},
        r"'class' has the class 'no.*': the name must be printable",
    ),
    "too many classes": (
        {"a": [*range(0, 4_000, 2)], "class": [f"c{number % 1500}" for number in range(2_000)]},
        {},
        "has 1,500 classes: at most 1,000",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_says_where(tmp_path: Path, mistake: str) -> None:
    content, options, message = MISTAKES[mistake]
    options = dict(options)
    path = tmp_path / options.pop("name", "a.csv")
    if callable(content):
        content(path)
    elif isinstance(content, pl.DataFrame):
        content.write_parquet(path := tmp_path / "a.parquet")
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        csv(path, content)
    with pytest.raises(DataError, match=message) as error:
        source(path, **options).decode("train")
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_quantity_is_no_class(tmp_path: Path) -> None:
    table = {"a": [*range(0, 400, 2)], "class": [number / 3 for number in range(200)]}
    with pytest.raises(DataError, match="has 200 different numbers: that is a quantity, not a class"):
        source(csv(tmp_path / "a.csv", table)).decode("train")


@pytest.mark.parametrize(("cell", "kind"), [([1, 2], "lists"), (timedelta(1), "durations"), (b"x", "bytes")])
def test_a_column_of_a_type_that_no_net_can_use_is_named(tmp_path: Path, cell: Any, kind: str) -> None:
    frame = pl.DataFrame(rows()).with_columns(bad=pl.Series([cell] * ROWS))
    frame.write_parquet(tmp_path / "a.parquet")
    assert columns(tmp_path / "a.parquet")["bad"] == f"it holds {kind}, which no net can use"


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "opened",)

    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match="a pickle can run any program, so it is not read"):
        source(tmp_path / "a.pkl").decode("train")
    assert not (tmp_path / "opened").exists()


def test_a_test_file_that_does_not_fit_is_found_before_the_search(tmp_path: Path) -> None:
    train = csv(tmp_path / "a.csv", rows())
    other = csv(tmp_path / "t.csv", rows(**{"class": ["maybe"] * ROWS}))
    with pytest.raises(DataError, match=r"t\.csv: has a class 'maybe' that no training row has"):
        source(train, test=str(other)).decode("train")
    lacking = csv(tmp_path / "u.csv", {name: cells for name, cells in rows().items() if name != "size"})
    with pytest.raises(DataError, match=r"u\.csv: has no column 'size'"):
        source(train, test=str(lacking)).decode("train")


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


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_panic_of_polars_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """PanicException is no Exception."""
    path = tmp_path / name
    csv(path, rows()) if path.suffix == ".csv" else pl.DataFrame(rows()).write_parquet(path)

    def panic(*_: Any, **__: Any) -> pl.DataFrame:
        raise pl.exceptions.PanicException("called `unwrap()`\non a value")

    monkeypatch.setattr(pl, "read_csv", panic)
    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(DataError, match=r"called `unwrap\(\)`\)$"):
        TableSource(path, TableOptions("class")).decode("train")
