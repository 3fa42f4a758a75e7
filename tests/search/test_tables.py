"""A table from its study file to an exported net that classifies other rows, by the command line and in Python."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import mlpsearch as package
from mlpsearch.models import NETS
from mlpsearch.models.errors import DataError, SpecError
from mlpsearch.studies.spec.reading import parse_spec
from tests.search.conftest import Command
from tests.search.pages import Page
from tests.search.shop import STUDY, shop


@pytest.fixture
def made(tmp_path: Path, mlpsearch: Command) -> Callable[..., Path]:
    """Runs a study of the shop's table and exports it; returns the folder of the export."""

    def make(net: str = "numpy", preprocessing: str = "standardize", more: str = "") -> Path:
        shop().write_csv(tmp_path / "shop.csv")
        (tmp_path / "shop.toml").write_text(STUDY.format(net=net, preprocessing=preprocessing, more=more))
        answer = mlpsearch("run", "shop.toml")
        assert answer.code == 0, answer.err
        assert "3 columns: 1 of numbers, 1 of categories, 1 of dates" in answer.err
        assert (
            "; `mlpsearch predict best TABLE` classifies rows with it"
            in mlpsearch("export", "shop", "-o", "best").err
        )
        return tmp_path / "best"

    return make


@pytest.mark.parametrize(("net", "preprocessing"), [("numpy", "standardize"), ("torch", "piecewise")])
def test_from_a_file_to_a_net_that_classifies_other_rows(
    made: Callable[..., Path], mlpsearch: Command, tmp_path: Path, net: str, preprocessing: str
) -> None:
    made(net, preprocessing)
    assert mlpsearch("export", "shop", "-o", "best", "--onnx").code == 0  # which compares it with the net
    assert (tmp_path / "best" / "model.onnx").exists()
    document = json.loads(mlpsearch("status", "shop", "--json").out)
    assert document["headline"]["test"]["accuracy"] > 0.8
    assert document["headline"]["test"]["images"] == 32
    assert "the same weights bit for bit" in mlpsearch("train", "best").out
    shop(50, seed=1).drop("bought").write_csv(tmp_path / "new.csv")
    shop(50, seed=1).write_parquet(tmp_path / "new.parquet")
    assert mlpsearch("predict", "best", "new.csv", "-o", "answers.csv").err == "wrote answers.csv: 50 rows\n"
    answers = pl.read_csv(tmp_path / "answers.csv")
    assert answers.columns == ["row", "class", "probability of no", "probability of yes"]
    right = (answers["class"] == shop(50, seed=1)["bought"]).mean()
    assert isinstance(right, float)
    assert right > 0.8
    printed = json.loads(mlpsearch("predict", "best", "new.parquet", "--json").out)["predictions"]
    (eighth,) = [one for one in printed if one["row"] == 8]
    assert eighth == pytest.approx(answers.to_dicts()[7])
    assert mlpsearch("predict", "best", "new.csv").out == (tmp_path / "answers.csv").read_text()


def test_images_are_no_rows_and_rows_no_images(
    made: Callable[..., Path], mlpsearch: Command, tmp_path: Path
) -> None:
    made()
    (tmp_path / "cat.png").write_bytes(b"")
    assert "must be a table" in mlpsearch("predict", "best", "cat.png").err
    with pytest.raises(DataError):
        package.load(tmp_path / "best").predict_proba(np.zeros((2, 3, 4)))


def test_a_report_of_a_table(made: Callable[..., Path], mlpsearch: Command, tmp_path: Path) -> None:
    made()
    assert mlpsearch("report", "shop", "-o", "report.html").code == 0
    assert " on shop.csv · " in Path("report.html").read_text("utf-8")
    page = (tmp_path / "report.html").read_text()
    assert "First-layer weights as images" not in page
    assert "Validation images that" not in page
    read = Page(page.encode())
    assert {"columns", "chances", "confusion"} < {*read.ids}
    assert "images" not in read.plain
    assert re.search(r"<th scope='row'>spent</th>.*?<th scope='row'>city</th>", page, re.DOTALL)
    said, found, tested, judged = [
        one for one in read.charts if one.label.startswith(("Calib", "ROC", "Confusion"))
    ]
    assert sum(int(tip.split()[-2]) for tip in said.tips("circle")) == 26
    assert found.drawn("path", "good")[0].get("d", "").startswith("M")
    assert sum(int(tip.split()[0]) for tip in tested.tips("rect")) == 2 * 32, "of two nets"
    assert sum(int(tip.split()[0]) for tip in judged.tips("rect")) == 26
    assert "64 answers: 32 test rows, each by 2 nets, by true and predicted class" in read.plain


BASE = 'name = "a"\nnet = "numpy"\n[budget]\ntrials = 1\nepochs = 1\n[search]\nhidden_size = {low = 1, high = 2}\n'
TABLE = f'dataset = "table"\ndata = "a.csv"\nlabel = "class"\n{BASE}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f'dataset = "table"\nlabel = "a"\n{BASE}',
            "data: is missing: dataset = 'table' needs the path of a file of rows",
        ),
        (
            f'dataset = "table"\ndata = "a.csv"\n{BASE}',
            "label: is missing: the name of the column with the classes",
        ),
        (f"test = 1.5\n{TABLE}", "test = 1.5: must be a share between 0 and 1, or the path of a file"),
        (
            f"validation = 1.5\n{TABLE}",
            "validation = 1.5: must be a whole number of at least 1, or a share between 0 and 1",
        ),
        (f"test = 0\n{TABLE}[confirm]\n", "confirm: ends with the test, for which test = 0 holds no row out"),
        (f'group = "a"\norder = "b"\n{TABLE}', "group: cannot go with order"),
        (f'dataset = "digits"\nlabel = "a"\n{BASE}', "label: is only for dataset = 'table'"),
        (f'{TABLE}[fixed]\npreprocessing = "whiten"\n', "preprocessing = 'whiten': is for images; of a table"),
        (f"{TABLE}[fixed]\nflip = true\n", "flip: is for images, which a table has none of"),
        (f"{TABLE}[fixed]\nshift_averaging = 1\n", "shift_averaging: is for images, which a table has none of"),
        (
            f'dataset = "digits"\n{BASE}[fixed]\npreprocessing = "piecewise"\n',
            "preprocessing = 'piecewise': is for a table; of images",
        ),
        (f"{TABLE}[columns]\nignored = []\n", "columns.ignored: unknown key"),
        (f'{TABLE}[columns]\nignore = "a"\n', "columns.ignore = 'a': must be a list of names of columns"),
    ],
)
def test_mistakes_in_a_study_file_of_a_table(text: str, message: str) -> None:
    with pytest.raises(SpecError) as error:
        parse_spec(text, "a.toml")
    assert message in str(error.value)


def test_a_study_file_of_a_table_as_it_is_kept() -> None:
    spec = parse_spec(f'test = "t.csv"\nvalidation = 0.25\n{TABLE}[columns]\nignore = ["id"]\n', "a.toml")
    assert type(spec).from_json(json.loads(json.dumps(spec.to_json()))) == spec
    options = spec.table_options
    assert options is not None
    assert (options.label, options.test_file, options.columns.ignore) == ("class", "t.csv", ("id",))


@pytest.mark.parametrize("net", NETS)
def test_the_python_interface_takes_a_table(tmp_path: Path, net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop().write_csv(tmp_path / "shop.csv")
    text = STUDY.format(net=net, preprocessing="robust", more='group = "city"\n')
    (tmp_path / "shop.toml").write_text(text)
    study = package.run(tmp_path / "shop.toml", progress=False, evaluate=False)
    frame: Any = study.status()
    assert frame.trials["finished"] == 2


def test_a_table_without_test_rows_is_searched_and_no_more(
    tmp_path: Path, mlpsearch: Command, openings: list[str]
) -> None:
    shop().write_csv(tmp_path / "shop.csv")
    text = STUDY.format(net="numpy", preprocessing="robust", more="test = 0").partition("[confirm]")[0]
    (tmp_path / "shop.toml").write_text(text)
    study = package.run(tmp_path / "shop.toml", progress=False)
    assert study.status().state == "complete"
    assert (study.test, openings) == (None, [])
    assert mlpsearch("export", "shop", "-o", "best").code == 0
    for command in ("evaluate", "confirm"):
        answer = mlpsearch(command, "shop")
        assert (answer.code, answer.err) == (1, "error: study shop: test = 0 holds no row out to test it on\n")
    assert openings == []


@pytest.fixture
def with_test_file(tmp_path: Path, mlpsearch: Command) -> str:
    """Searches a study of two files of rows, without a test; returns its file's text."""
    shop().write_csv(tmp_path / "shop.csv")
    shop(40, seed=1).write_csv(tmp_path / "held.csv")
    text = STUDY.format(net="numpy", preprocessing="standardize", more='test = "held.csv"').replace("= 12", "= 2")
    (tmp_path / "shop.toml").write_text(text)
    assert mlpsearch("run", "shop.toml", "--no-evaluate").code == 0
    return text


def test_a_file_of_test_rows_may_be_moved(with_test_file: str, mlpsearch: Command, tmp_path: Path) -> None:
    (tmp_path / "later").mkdir()
    (tmp_path / "held.csv").rename(tmp_path / "later" / "test.csv")
    (tmp_path / "shop.toml").write_text(with_test_file.replace("held.csv", "later/test.csv"))
    answer = mlpsearch("run", "shop.toml")
    assert answer.code == 0, answer.err
    assert json.loads(mlpsearch("status", "shop", "--json").out)["tests"][0]["images"] == 40


def test_another_machine_has_the_test_rows_beside_its_table(
    with_test_file: str, mlpsearch: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "copy").mkdir()
    for name in ("shop.csv", "held.csv"):
        (tmp_path / name).rename(tmp_path / "copy" / name)
    monkeypatch.setenv("MLPSEARCH_DATA", str(tmp_path / "copy" / "shop.csv"))
    answer = mlpsearch("confirm", "shop")
    assert answer.code == 0, answer.err
    assert mlpsearch("export", "shop", "-o", "best").code == 0
    assert "the same weights bit for bit" in mlpsearch("train", "best").out
