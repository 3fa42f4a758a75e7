"""Arrays, and scikit-learn's tables, from a study file to an exported net that trains again."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlpsearch.models.errors import SpecError
from mlpsearch.studies.spec.reading import parse_spec
from tests.search.conftest import Command
from tests.studies.data.arrays.makers import images, table, with_test, write

STUDY = """
name = "rows"
net = "{net}"
dataset = "arrays"
data = "{data}"
{more}
[budget]
trials = 2
epochs = 6
[search]
hidden_size = {{low = 8, high = 16}}
[fixed]
learning_rate = 0.02
momentum = 0.9
batch_size = 16
{fixed}
"""


def study(folder: Path, data: str, *, net: str = "numpy", more: str = "", fixed: str = "") -> None:
    (folder / "rows.toml").write_text(STUDY.format(net=net, data=data, more=more, fixed=fixed))


@pytest.mark.parametrize(
    ("net", "form", "make", "more", "held_out"),
    [
        ("numpy", "a.npz", images, "validation = 0.2\ntest = 0.3", 60),
        ("torch", "folder", table, "validation = 30", 40),
    ],
)
def test_from_arrays_to_a_net_that_trains_again(
    tmp_path: Path, mlpsearch: Command, net: str, form: str, make: Any, more: str, held_out: int
) -> None:
    write(tmp_path / form, make(200))
    study(tmp_path, form, net=net, more=more)
    answer = mlpsearch("run", "rows.toml")
    assert answer.code == 0, answer.err
    document = json.loads(mlpsearch("status", "rows", "--json").out)
    assert document["headline"]["test"]["images"] == held_out
    assert mlpsearch("export", "rows", "-o", "best").code == 0
    assert "the same weights bit for bit" in mlpsearch("train", "best").out


def test_test_arrays_are_what_the_winner_is_tested_on(tmp_path: Path, mlpsearch: Command) -> None:
    write(tmp_path / "a.npz", with_test(images(90), images(12, seed=1)))
    study(tmp_path, "a.npz", more="validation = 30")
    answer = mlpsearch("run", "rows.toml")
    assert answer.code == 0, answer.err
    assert "x_test and y_test are the test split, 12 rows" in answer.err
    assert json.loads(mlpsearch("status", "rows", "--json").out)["headline"]["test"]["images"] == 12


def test_searching_reads_no_test_array(tmp_path: Path, mlpsearch: Command) -> None:
    """Its pixels are damaged, which only its opening finds."""
    write(tmp_path / "folder", with_test(images(90), images(12, seed=1)))
    path = tmp_path / "folder" / "x_test.npy"
    study(tmp_path, "folder", more="validation = 30")
    assert mlpsearch("run", "rows.toml", "--no-evaluate").code == 0
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    answer = mlpsearch("evaluate", "rows")
    assert answer.code == 1
    assert "x_test.npy: its header states 240 bytes, it has 239" in answer.err


@pytest.mark.parametrize(
    ("make", "fixed", "message"),
    [
        (table, 'preprocessing = "whiten"', "preprocessing = 'whiten': is for images; of a table: one of"),
        (table, "flip = true", "flip: is for images, which a table has none of"),
        (images, 'preprocessing = "piecewise"', "preprocessing = 'piecewise': is for a table; of images: one of"),
    ],
)
def test_options_that_arrays_cannot_have_are_one_line_before_the_search(
    tmp_path: Path, mlpsearch: Command, make: Any, fixed: str, message: str
) -> None:
    write(tmp_path / "a.npz", make(60))
    study(tmp_path, "a.npz", more="validation = 10", fixed=fixed)
    answer = mlpsearch("run", "rows.toml")
    assert answer.code == 1
    assert message in answer.err
    assert answer.err.count("\n") <= 2


def test_arrays_are_standardized_unless_their_study_says_otherwise(tmp_path: Path, mlpsearch: Command) -> None:
    write(tmp_path / "a.npz", images(60))
    study(tmp_path, "a.npz", more="validation = 10")
    assert mlpsearch("run", "rows.toml", "--trials", "1").code == 0
    assert mlpsearch("export", "rows", "-o", "best").code == 0
    assert 'preprocessing = "standardize"' in (tmp_path / "best" / "export.toml").read_text()
    other = (tmp_path / "rows.toml").read_text().replace('"rows"', '"other"') + 'preprocessing = "scale"'
    (tmp_path / "other.toml").write_text(other)
    assert mlpsearch("run", "other.toml", "--trials", "1", "--no-evaluate").code == 0
    studies = json.loads(mlpsearch("compare", "rows", "other", "--json").out)["studies"]
    assert [one["params"]["preprocessing"] for one in studies] == ["standardize", "scale"]


def test_a_ready_study_of_a_table_is_exported_for_rows_by_scikit_learns_names(
    tmp_path: Path, mlpsearch: Command
) -> None:
    from sklearn.datasets import load_iris

    run = mlpsearch("run", "iris-numpy", "--trials", "2")
    assert run.code == 0
    matrix = mlpsearch("status", "iris-numpy", "--confusion").out.splitlines()
    assert matrix[1].split() == ["setosa", "versicolor", "virginica"]
    assert "predict best TABLE` classifies rows" in mlpsearch("export", "iris-numpy", "-o", "best").err
    iris = load_iris()
    lines = [",".join(iris.feature_names), *(",".join(map(str, row)) for row in iris.data[::10])]
    (tmp_path / "new.csv").write_text("\n".join(lines) + "\n")
    answers = mlpsearch("predict", "best", "new.csv").out.splitlines()[1:]
    names = [str(iris.target_names[number]) for number in iris.target[::10]]
    assert np.mean([answer.split(",")[1] == name for answer, name in zip(answers, names, strict=True)]) > 0.6


BASE = 'name = "a"\nnet = "numpy"\n[budget]\ntrials = 1\nepochs = 1\n[search]\nhidden_size = {low = 1, high = 2}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('dataset = "arrays"\n', "data: is missing: dataset = 'arrays' needs the path of a .npz file or a folder"),
        ('dataset = "arrays"\ndata = "a.npz"\ntest = 1.5\n', "test = 1.5: must be a share between 0 and 1"),
        ('dataset = "arrays"\ndata = "a.npz"\nlabel = "y"\n', "label: is only for dataset = 'table'"),
        ('dataset = "arrays"\ndata = "a.npz"\nvalidation = 1.5\n', "validation = 1.5: must be a whole number"),
        ('dataset = "iris"\nlabel = "target"\n', "label: is only for dataset = 'table'"),
        ('dataset = "iris"\ntest = 0.1\n', "test: is only for dataset = 'table'"),
    ],
)
def test_mistakes_in_a_study_file_of_arrays(text: str, message: str) -> None:
    with pytest.raises(SpecError) as error:
        parse_spec(text + BASE, "a.toml")
    assert message in str(error.value)


def test_a_path_of_test_arrays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"test = 't\.npz': must be, of arrays, a share between 0 and 1"):
        parse_spec(f'dataset = "arrays"\ndata = "a.npz"\ntest = "t.npz"\n{BASE}', "a.toml")


def test_packed_rows_are_predicted(tmp_path: Path) -> None:
    from mlpsearch.studies.data.tables.batches import batches

    text = b"a,b\n1,2\n3,4\n"
    block = (len(text) << 3 | 1).to_bytes(3, "little") + text  # of Zstandard: the last, as it is
    (tmp_path / "a.csv.zst").write_bytes(b"\x28\xb5\x2f\xfd\x00\x58" + block)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n'))
    for name in ("a.csv.zst", "b.jsonl.gz"):
        (batch,) = batches(tmp_path / name)
        assert batch.frame.height == 2
        assert batch.problems == {}
