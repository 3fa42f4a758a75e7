"""Tables from files that cannot be used: one line that says where, and what to do."""

import pickle
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.tables.source import TableSource
from mlpsearch.studies.spec.table_options import ColumnOptions, TableOptions
from tests.studies.data.tables.makers import ROWS, columns, csv, rows, source

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
    "a name that is a pattern to Polars": (
        rows(**{"^a$": [1, 2] * (ROWS // 2)}),
        {},
        r"column '\^a\$': a name that begins with \^ and ends with \$ is a pattern .*columns\.ignore",
    ),
    "a label whose name is a pattern to Polars": (
        {"a": [1, 2] * (ROWS // 2), "^c$": rows()["class"]},
        {"label": "^c$"},
        r"column '\^c\$': a name that begins with \^ and ends with \$ is a pattern",
    ),
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


def test_a_column_whose_name_is_a_pattern_may_be_ignored(tmp_path: Path) -> None:
    path = csv(tmp_path / "a.csv", rows(**{"^a$": [1, 2] * (ROWS // 2)}))
    assert columns(path, columns=ColumnOptions(ignore=("^a$",)))["^a$"] == "ignored"


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
