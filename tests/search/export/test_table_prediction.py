"""Predicting the rows of a table: files of any kind, some rows at a time, and on after a row that is none."""

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tomli_w

import mlpsearch as package
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import DataError, ExportError, WeightsError
from mlpsearch.models.weights import digest
from mlpsearch.search.export.document import DOCUMENT
from mlpsearch.search.export.parameters import WEIGHTS
from mlpsearch.studies.data.arrays.files import array_frame
from mlpsearch.studies.data.tables import batches
from mlpsearch.studies.spec.table_options import ColumnOptions
from tests.search.conftest import Command
from tests.search.export.conftest import Folder
from tests.search.export.reading import read_export, read_parameters
from tests.search.export.tables import drawn_net, export_of, write
from tests.studies.image_makers import grey_pixels


def shop(rows: int = 60, seed: int = 0) -> pl.DataFrame:
    """Columns of each kind, some of their cells empty."""
    random = np.random.default_rng(seed)
    day = np.datetime64("2024-01-01") + random.integers(0, 365, rows)
    spent, city = random.gamma(2, 6, rows).round(2), random.choice(["Rome", "Oslo", "Lima"], rows)
    frame = pl.DataFrame({"spent": spent, "city": city, "day": day.astype(str)})
    return frame.with_columns(spent=pl.when(pl.int_range(rows) % 17 != 3).then("spent"))


@pytest.fixture
def best(tmp_path: Path) -> Path:
    """An exported folder."""
    config = TrainConfig(hidden_size=8, preprocessing="quantiles")
    schema, arrays = drawn_net(shop(), config)
    return write(tmp_path / "best", export_of(schema, arrays, config, "numpy"), arrays)


def test_rows_that_cannot_be_read_are_named_and_the_rest_is_classified(
    best: Path, mlpsearch: Command, tmp_path: Path
) -> None:
    text = 'city,spent,day\nRome,5,2024-02-30\nOslo,much,2024-02-01\nMars,,\nRome,5\n"Ro"me,1,\n,inf,2024-01-01\n'
    (tmp_path / "new.csv").write_text(text)
    answer = mlpsearch("predict", "best", "new.csv")
    assert answer.code == 1
    assert answer.err.splitlines() == [
        "new.csv: row 1: day = '2024-02-30' is no date; it has no answer",
        "new.csv: row 2: spent = 'much' is no number; it has no answer",
        "new.csv: row 4: line 5 has 2 cells, the header 3; it has no answer",
        "new.csv: row 5: line 6: a quote is not closed, or in the wrong place; it has no answer",
    ]
    answers = pl.read_csv(answer.out.encode())
    assert answers["row"].to_list() == [1, 2, 3, 4, 5, 6]
    assert answers["class"].is_null().to_list() == [True, True, False, True, True, False]
    assert mlpsearch("predict", "best", "new.csv", "-o", "a.jsonl").err.splitlines()[-1] == (
        "wrote a.jsonl: 6 rows, 4 of them without an answer"
    )
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert lines[0] == {
        "row": 1,
        "class": None,
        "probability of no": None,
        "probability of yes": None,
        "probability of maybe": None,
    }
    assert lines == json.loads(mlpsearch("predict", "best", "new.csv", "--json").out)["predictions"]
    assert mlpsearch("predict", "best", "new.csv", "-o", "a.txt").err == (
        "error: a.txt: must end in .csv, .json or .jsonl\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("city\nRome\n", "has no columns 'spent', 'day'"),
        ("city,day\nRome,2024-02-03\n", "has no column 'spent'"),
        (
            "city,day,spent\nRome,2024-02-03,a\nOslo,2024-02-03,b\n",
            "column 'spent' must hold numbers, not 'a', as in training",
        ),
        ("city,day,spent\n", "has no rows"),
        ("", "is empty"),
    ],
)
def test_columns_that_are_not_those_of_the_training_rows_are_named(
    best: Path, mlpsearch: Command, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "other.csv").write_text(text)
    answer = mlpsearch("predict", "best", "other.csv", "-o", "answers.csv")
    assert (answer.code, answer.err) == (1, f"error: other.csv: {message}\n")
    assert not (tmp_path / "answers.csv").exists()


def answered(text: str) -> list[list[str | float]]:
    """Return the row, the class and the probabilities of each line of answers but the first."""
    cells = [line.split(",") for line in text.splitlines()[1:]]
    return [[*line[:2], *map(float, line[2:])] for line in cells]


def test_a_file_is_gone_through_some_rows_at_a_time(
    best: Path, mlpsearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = shop(53, seed=1)
    rows.write_csv(tmp_path / "rows.csv")
    rows.write_parquet(tmp_path / "rows.parquet", row_group_size=20)
    rows.write_ipc(tmp_path / "rows.feather")
    rows.write_ndjson(tmp_path / "rows.jsonl")
    (tmp_path / "rows.tsv.gz").write_bytes(gzip.compress(rows.write_csv(separator="\t").encode()))
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress((tmp_path / "rows.jsonl").read_bytes()))
    whole = mlpsearch("predict", "best", "rows.csv")
    assert whole.code == 0
    assert len(whole.out.splitlines()) == 54
    monkeypatch.setattr(batches, "ROWS", 7)
    some = mlpsearch("predict", "best", "rows.csv")
    for name in ("rows.parquet", "rows.feather", "rows.jsonl", "rows.tsv.gz", "rows.jsonl.gz"):
        answer = mlpsearch("predict", "best", name)
        if name != "rows.parquet":  # whose groups of rows are divided
            assert answer == some
        assert (answer.code, answer.err) == (whole.code, whole.err)
        # Some processors' products of other numbers of rows have other last bits.
        for one, other in zip(answered(answer.out), answered(whole.out), strict=True):
            assert one[:2] == other[:2]
            assert one[2:] == pytest.approx(other[2:], abs=1e-6)
    as_json = json.loads(mlpsearch("predict", "best", "rows.csv", "--json").out)["predictions"]
    assert [row["row"] for row in as_json] == [*range(1, 54)]
    for output in ("a.json", "a.jsonl", "a.csv"):
        assert mlpsearch("predict", "best", "rows.jsonl", "-o", output).err == f"wrote {output}: 53 rows\n"
    assert json.loads((tmp_path / "a.json").read_text()) == as_json
    assert (tmp_path / "a.csv").read_text() == mlpsearch("predict", "best", "rows.jsonl").out


def test_many_rows_without_an_answer_are_counted(
    best: Path, mlpsearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "ROWS", 10)
    (tmp_path / "rows.csv").write_text("city,day,spent\n" + "Rome,,1\n" + 25 * "Rome,,x\nRome,,2\n")
    answer = mlpsearch("predict", "best", "rows.csv", "-o", "answers.csv")
    assert answer.code == 1
    lines = answer.err.splitlines()
    assert lines[0] == "rows.csv: row 2: spent = 'x' is no number; it has no answer"
    assert lines[-2:] == [
        "rows.csv: 5 more rows have no answer",
        "wrote answers.csv: 51 rows, 25 of them without an answer",
    ]
    assert len(lines) == 22


def test_lines_of_json_that_are_no_rows_are_named(best: Path, mlpsearch: Command, tmp_path: Path) -> None:
    lines = ['{"city": "Rome", "spent": 3, "day": "2024-01-05"}', "[1, 2]", '{"spent": ', "", '{"day": null}']
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    answer = mlpsearch("predict", "best", "rows.jsonl")
    assert answer.err.splitlines() == [
        "rows.jsonl: row 2: is no JSON object; it has no answer",
        "rows.jsonl: row 3: is no JSON object; it has no answer",
    ]
    assert pl.read_csv(answer.out.encode())["class"].is_null().to_list() == [False, True, True, False]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv.gz",
            gzip.compress(b"city,day,spent\nRome,,1\n", mtime=0)[:-9],
            "is damaged or ends too early: is the",
        ),
        ("a.csv", b"city,day,spent\n" + b"x" * 2**24, "has a line of more than 16,777,216 characters"),
        ("a.parquet", b"PAR1 and no more", "cannot be read as a table ("),
        ("a.pkl", b"", "a pickle can run any program, so it is not read"),
        ("none.csv", None, "cannot be read (No such file or directory)"),
    ],
    ids=["packed", "long", "parquet", "pickle", "none"],  # two processes must agree on them
)
def test_files_that_cannot_be_read_on(
    best: Path, mlpsearch: Command, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    answer = mlpsearch("predict", "best", name, "-o", "answers.csv")
    assert answer.code == 1
    assert answer.err.startswith(f"error: {name}: {message}")
    assert not (tmp_path / "answers.csv").exists()


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_a_panic_of_polars_is_refused_in_one_line(
    best: Path, mlpsearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def panic(*_: object, **__: object) -> pl.DataFrame:
        raise pl.exceptions.PanicException("called `unwrap()`\non a value")

    shop().write_parquet(tmp_path / "rows.parquet")
    shop().write_ndjson(tmp_path / "rows.jsonl")
    monkeypatch.setattr(pl, "scan_parquet", panic)
    monkeypatch.setattr(pl, "read_ndjson", panic)
    message = f"error: {name}: cannot be read as a table (called `unwrap()`)\n"
    assert mlpsearch("predict", "best", name).err == message


def test_a_row_that_is_not_utf_8_is_named(best: Path, mlpsearch: Command, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("city,day,spent\nÖlme,,1\n".encode() + b"\xd6lme,,1\n\nRome,,2\n")
    answer = mlpsearch("predict", "best", "rows.csv")
    assert answer.err == "rows.csv: row 2: line 3 is not text in UTF-8; it has no answer\n"
    assert pl.read_csv(answer.out.encode())["class"].is_null().to_list() == [False, True, False]


def test_a_column_whose_categories_are_all_unknown_is_named(
    best: Path, mlpsearch: Command, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("city,day,spent\nrome,,1\nROME,,1\n")
    answer = mlpsearch("predict", "best", "rows.csv")
    assert (answer.code, answer.err) == (
        0,
        "rows.csv: column 'city': no training row had any of its values, such as 'rome'\n",
    )


def test_rows_of_python(best: Path) -> None:
    net, rows = package.load(best), shop(5, seed=2)
    shares = net.predict_proba(rows)
    assert shares.shape == (5, 3)
    np.testing.assert_array_equal(net.predict_proba(rows.to_dict(as_series=False)), shares)
    with pytest.raises(DataError, match=r"^the data frame: row 3: day = 'today' is no date$"):
        net.predict(rows.with_columns(day=pl.Series([*rows["day"][:2], "today", "today", ""])))
    with pytest.raises(DataError, match="must be a data frame, columns by name, or an array of numbers"):
        net.predict([["Rome", 3]])
    with pytest.raises(DataError, match=r"column 'city' holds List\(Int64\), not a category"):
        net.predict(rows.with_columns(city=pl.Series([[1]] * 5)))


def test_in_columns_that_the_study_file_calls_numeric_other_cells_are_empty(tmp_path: Path) -> None:
    config = TrainConfig(hidden_size=8, preprocessing="standardize")
    options = ColumnOptions(numeric=("spent",))
    schema, arrays = drawn_net(shop(), config, options)
    export = export_of(schema, arrays, config, "numpy")
    assert export.data.table is not None
    table = export.data.table.model_copy(update={"options": options})
    export = export.model_copy(update={"data": export.data.model_copy(update={"table": table})})
    net = package.load(write(tmp_path / "best", export, arrays))
    cells = {"city": ["Rome"] * 2, "day": [None] * 2}
    shares = net.predict_proba({"spent": ["unknown", None], **cells})
    np.testing.assert_array_equal(shares[0], shares[1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "\x1b[31m"}, "of its columns, names must be printable, and each once"),
        ({"name": "city"}, "of its columns, names must be printable, and each once"),
        ({"kind": "category"}, "of its columns, a category needs categories"),
        ({"first": 10**9}, "of its columns, first must be a day"),
        ({"kind": "pickle"}, "input should be 'number', 'category' or 'date'"),
        ({"path": "/etc/passwd"}, "extra inputs are not permitted"),
    ],
)
def test_columns_of_an_export_from_elsewhere_are_checked(
    best: Path, change: dict[str, str | int], message: str
) -> None:
    document = read_export(best).model_dump(mode="json", exclude_none=True)
    document["data"]["table"]["described"]["columns"][0] |= change
    (best / DOCUMENT).write_text(tomli_w.dumps(document))
    with pytest.raises(ExportError) as caught:
        package.load(best)
    assert str(caught.value).startswith(f"{best / DOCUMENT}: data.table.described")
    assert str(caught.value).endswith(message)


def test_statistics_of_an_export_from_elsewhere_that_make_no_sense_give_no_answer(best: Path) -> None:
    export = read_export(best)
    arrays = read_parameters(best / WEIGHTS, export)
    arrays |= {"knots": arrays["knots"][:, ::-1] * 1e300, "spread": arrays["spread"] * 0}
    write(best, export.model_copy(update={"weights_digest": digest(arrays)}), arrays)
    assert package.load(best).predict_proba(shop(3)).shape == (3, 3)
    arrays["knots"] = arrays["knots"][:, :-1]
    write(best, export.model_copy(update={"weights_digest": digest(arrays)}), arrays)
    with pytest.raises(WeightsError, match=r"knots is \(5, 254\), must be \(5, 255\)$"):
        package.load(best)


def test_arrays_are_rows_in_the_order_of_their_columns(mlpsearch: Command, tmp_path: Path) -> None:
    config = TrainConfig(hidden_size=8, preprocessing="standardize")
    rows = np.random.default_rng(0).normal(size=(40, 4))
    rows[:, 1] = 7  # which is left out
    schema, arrays = drawn_net(array_frame(rows), config)
    best = write(tmp_path / "best", export_of(schema, arrays, config, "numpy"), arrays)
    np.save(tmp_path / "rows.npy", rows)
    np.savez(tmp_path / "rows.npz", X=rows, y=np.zeros(40))
    answer = mlpsearch("predict", "best", "rows.npy")
    assert (answer.code, len(answer.out.splitlines())) == (0, 41)
    assert mlpsearch("predict", "best", "rows.npz").out == answer.out
    shares = pl.read_csv(answer.out.encode()).select(pl.col("^probability.*$")).to_numpy()
    np.testing.assert_allclose(package.load(best).predict_proba(rows), shares, atol=1e-6)
    np.save(tmp_path / "wide.npy", np.ones((3, 5)))
    assert mlpsearch("predict", "best", "wide.npy").err == (
        "error: wide.npy: has 5 columns; the net was trained on arrays of 4\n"
    )
    np.save(tmp_path / "text.npy", np.array([["a"]]))
    assert "error: text.npy: must be rows of numbers, (N, columns); it has <U1 (1, 1)" in (
        mlpsearch("predict", "best", "text.npy").err
    )
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    assert mlpsearch("predict", "best", "objects.npy").code == 1


def test_images_in_an_array_are_rows_too(folder: Folder, mlpsearch: Command, tmp_path: Path) -> None:
    best = folder()
    images = np.stack([grey_pixels(number, 8, 8) for number in range(3)])
    np.save(tmp_path / "images.npy", images)
    answer = mlpsearch("predict", "best", "images.npy", "-o", "answers.csv")
    assert (answer.code, answer.err) == (0, "wrote answers.csv: 3 rows\n")
    assert pl.read_csv(tmp_path / "answers.csv")["class"].cast(pl.String).to_list() == package.load(best).predict(
        images
    )
    np.save(tmp_path / "wide.npy", np.zeros((2, 9, 9), np.uint8))
    assert "images: must be pixels, uint8 of the shape" in mlpsearch("predict", "best", "wide.npy").err
