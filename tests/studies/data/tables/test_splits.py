"""Tables from files: which rows train, validate and test, and what a search may know of the test rows."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.search.checking import warnings_about
from mlpsearch.studies.data.decoded import DecodedImages, SealedCounts
from mlpsearch.studies.data.stratified import split_groups
from mlpsearch.studies.data.tables.files import read_table
from mlpsearch.studies.data.training import check_images
from mlpsearch.studies.spec.table_options import ColumnOptions, TableOptions
from tests.studies.data.tables.makers import ROWS, csv, load, rows, source


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
