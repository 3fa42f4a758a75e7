"""A search as an estimator: labels, what is refused, what becomes of the study, what scikit-learn does with it."""

import gc
import os
import pickle
import re
import tempfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mlpsearch
from mlpsearch.models.errors import RowsError, SpecError, StudyError
from mlpsearch.search.export.prediction import load_classifier
from mlpsearch.studies.files import file_store
from mlpsearch.studies.study_data import find_spec
from tests.search.estimator.makers import apart, tiny

PAGE = (Path(__file__).parents[3] / "docs" / "python.md").read_text("utf-8")
TWO = np.array(["no", "yes"])


def test_the_example_of_the_page_runs_as_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, example = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    code = example.replace("trials=20, seconds=30", "trials=2, seconds=None")
    assert code != example
    exec(code, {})
    lines = capsys.readouterr().out.splitlines()
    assert float(lines[0]) > 0.8
    assert lines[-1].startswith("{'hidden_size': ")
    assert (tmp_path / "iris.html").exists()


def test_the_page_has_all_options() -> None:
    listed = re.findall(r"^\| `(\w+)` \| `(.*?)` \|", PAGE, re.MULTILINE)
    defaults = {
        name: repr(value).replace("'", '"') for name, value in mlpsearch.MLPSearchClassifier().get_params().items()
    }
    assert dict(listed) == defaults


@pytest.mark.parametrize("net", ["numpy", "torch"])
def test_it_learns_and_says_what_it_found(net: str) -> None:
    X, y = apart(TWO)  # noqa: N806
    found = tiny(net=net, epochs=60).fit(X, y)
    assert found.score(X, y) > 0.8
    assert 0 < found.best_score_ <= 1
    assert {"hidden_size", "learning_rate"} <= {*found.best_params_}
    assert found.left_out_ == {}


@pytest.mark.parametrize(
    "classes",
    [
        np.array([-1, 7, 10]),
        np.array([1.0, 2.0, 10.0]),
        np.array([False, True]),
        np.array(["b", "a", "c"]),
        np.array(["1", "1.0", "01"]),
        np.array(["", " ", "a\n", "NA"], object),
        np.arange(60),
    ],
    ids=lambda classes: f"{classes.dtype}-{len(classes)}",
)
def test_labels_of_any_type_come_back_as_they_were(classes: Any) -> None:
    X, y = apart(classes, each=max(12, 90 // len(classes)))  # noqa: N806
    found = tiny(epochs=60, trials=1).fit(X, y)
    assert found.classes_.dtype == y.dtype
    assert found.classes_.tolist() == sorted(classes.tolist())
    predicted = found.predict(X)
    assert predicted.dtype == y.dtype
    assert np.mean(predicted == y) > 0.8
    assert (found.classes_[found.predict_proba(X).argmax(axis=1)] == predicted).all()


def test_the_same_seed_gives_the_same_net() -> None:
    X, y = apart(TWO)  # noqa: N806
    first, again, other = (tiny(trials=1, random_state=seed).fit(X, y).predict_proba(X) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    drawn = tiny(trials=1, random_state=np.random.RandomState(1)).fit(X, y).predict_proba(X)
    assert np.array_equal(first, drawn)


def test_a_row_is_the_same_alone_as_among_others() -> None:
    X, y = apart(TWO)  # noqa: N806
    found = tiny().fit(X, y)
    alone = np.concatenate([found.predict_proba(row[None]) for row in X])
    assert alone == pytest.approx(found.predict_proba(X), abs=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows, y: (rows, np.full(len(y), "no")),
            r"^y has 1 class, .*'no'.*: at least 2 classes are needed$",
        ),
        (
            lambda rows, y: (rows[:, :1] * 0, y),
            r"^the rows: nothing is left to learn from \(x0: all its cells are 0\)$",
        ),
        (lambda rows, y: (np.where(rows > 0.9, np.inf, rows), y), "Input X contains infinity"),
        (lambda rows, y: (rows, y[1:]), "inconsistent numbers of samples"),
        (lambda rows, y: (rows, None), "requires y to be passed"),
        (lambda rows, y: (rows, np.arange(len(y)) + 0.5), "Unknown label type: continuous"),
        (lambda rows, y: (rows[:2], y[:2]), "^X has 2 rows of 2 classes: more rows than classes are needed$"),
        (lambda rows, y: (pl.DataFrame({"a": [[1]] * len(rows)}), y), "column 'a' holds List"),
        (lambda rows, y: (pl.DataFrame({"a": rows[:, 0] / 0}), y), "Input X contains infinity, in column 'a'"),
        (lambda rows, y: (pl.DataFrame({"a": []}), y[:0]), "0 rows"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_rows_that_are_of_no_use_are_refused(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny().fit(*change(*apart(TWO)))


def test_what_it_cannot_take_is_refused() -> None:
    X, y = apart(TWO)  # noqa: N806
    with pytest.raises(TypeError, match="unexpected keyword argument 'sample_weight'"):
        tiny().fit(X, y, sample_weight=np.ones(len(y)))  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Sparse data was passed"):
        tiny().fit(csr_matrix(X), y)
    with pytest.raises(NotFittedError):
        tiny().predict(X)
    with pytest.raises(SpecError, match=r"MLPSearchClassifier: net = 'other': must be 'numpy' or 'torch'"):
        tiny(net="other").fit(X, y)
    with pytest.raises(SpecError, match=r"budget\.trials = 0: must be a whole number of at least 1"):
        tiny(trials=0).fit(X, y)
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        tiny(trials=2.5).fit(X, y)
    found = tiny().fit(X, y)
    with pytest.raises(ValueError, match="X has 1 features, but MLPSearchClassifier is expecting 2 features"):
        found.predict(X[:, :1])


def test_missing_numbers_may_stay() -> None:
    X, y = apart(TWO)  # noqa: N806
    X[::5, 0] = np.nan
    found = tiny(epochs=60).fit(X, y)
    assert found.score(X, y) > 0.8
    assert np.isfinite(found.predict_proba([[np.nan, np.nan]])).all()


def test_a_feature_may_rise_from_row_to_row() -> None:
    X = np.arange(60)[:, None]  # noqa: N806
    found = tiny(epochs=60).fit(X, X[:, 0] >= 30)
    assert found.left_out_ == {}
    assert found.predict([[0], [59]]).tolist() == [False, True]


def test_scikit_learn_can_do_with_it_what_it_does_with_its_own() -> None:
    X, y = apart(TWO)  # noqa: N806
    pipeline = make_pipeline(StandardScaler(), tiny(trials=1, epochs=60))
    assert cross_val_score(pipeline, X, y, cv=2).min() > 0.8
    grid = GridSearchCV(tiny(), {"trials": [1, 2]}, cv=2).fit(X, y)
    assert grid.best_params_["trials"] in (1, 2)
    assert clone(grid.best_estimator_).get_params() == grid.best_estimator_.get_params()


def test_it_is_pickled_without_its_study(tmp_path: Path) -> None:
    X, y = apart(TWO)  # noqa: N806
    found = tiny().fit(X, y)
    expected = found.predict_proba(X)
    joblib.dump(found, tmp_path / "a.joblib")
    copies = [pickle.loads(pickle.dumps(found)), joblib.load(tmp_path / "a.joblib")]
    copies[0].report(tmp_path / "a.html")  # its study is still there
    found.fit(X, y)
    for copy in copies:
        assert np.array_equal(copy.predict_proba(X), expected)
        with pytest.raises(StudyError, match=r"was temporary, and is gone .*; fit one with storage = a file"):
            copy.report(tmp_path / "b.html")


def test_the_report_is_that_of_the_study(tmp_path: Path) -> None:
    X, y = apart(TWO)  # noqa: N806
    found = tiny().fit(X, y)
    found.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert found.study_name_ in page
    assert "cannot be shown" not in page


def test_nothing_is_left_behind(
    tmp_path: Path, image_cache: Path, monkeypatch: pytest.MonkeyPatch, openings: list[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv(file_store.ENVIRONMENT, str(tmp_path / "artifacts"))
    monkeypatch.delenv("OMP_NUM_THREADS")
    environment, cached = dict(os.environ), sorted(image_cache.iterdir())
    X, y = apart(TWO)  # noqa: N806
    found = tiny().fit(X, y)
    assert len([*(tmp_path / "temporary").iterdir()]) == 1
    found.fit(X, y).report(tmp_path / "report.html")
    assert len([*(tmp_path / "temporary").iterdir()]) == 1
    del found
    gc.collect()
    with pytest.raises(RowsError):
        tiny().fit(X * 0, y)
    assert [*(tmp_path / "temporary").iterdir()] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "temporary"]
    assert (dict(os.environ), sorted(image_cache.iterdir())) == (environment, cached)
    assert openings == []


def test_a_study_in_a_storage_stays_with_its_rows(tmp_path: Path) -> None:
    X, y = apart(TWO)  # noqa: N806
    found = tiny(storage="here.db").fit(X, y)
    expected, name = found.predict_proba(X), found.study_name_
    pickle.loads(pickle.dumps(found)).report("report.html")
    del found
    gc.collect()
    study = mlpsearch.open_study(name, "here.db")
    assert study.status().state == "complete"
    assert study.best is not None
    assert study.winner is not None
    assert (study.winner.remark, study.test) == ("", None)
    _, rows = find_spec(name, "sqlite:///here.db", None)
    assert rows is not None
    assert rows.is_relative_to(tmp_path / "here.db.artifacts"), "`mlpsearch run` finds them as well"
    study.export(tmp_path / "best")
    exported = load_classifier(tmp_path / "best")
    assert exported.classes == ["no", "yes"]
    assert exported.predict_proba(pl.DataFrame(X, schema=["x0", "x1"])) == pytest.approx(expected, abs=1e-5)
    for ask in (study.evaluate, study.confirm):
        with pytest.raises(StudyError, match="test = 0 holds no row out to test it on"):
            ask()


def test_the_first_trial_ends_however_little_time_there_is() -> None:
    X, y = apart(TWO)  # noqa: N806
    found = tiny(trials=50, seconds=0.001, storage="here.db").fit(X, y)
    study = mlpsearch.open_study(found.study_name_, "here.db")
    assert [trial.state for trial in study.trials] == ["finished"]
    assert study.best is not None
    assert found.best_params_ == study.best.params
