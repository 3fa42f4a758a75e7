"""All trials as a CSV file: one row each, the same columns in every study of the same space."""

import csv
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from mlpsearch.models.errors import ExportError
from mlpsearch.search.export.trial_table import write_trials
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import add_own, digits_study
from tests.studies.stores import new_study, spec

COLUMNS = [
    *("number", "state", "value", "hidden_size", "learning_rate"),
    *("epochs", "seconds", "seed", "threads", "compiled_steps"),
    *("training_accuracy", "images_per_second", "parameters", "worker"),
    *("datetime_start", "datetime_complete", "origin", "foreign"),
]


def rows(record: StudyRecord, path: Path) -> list[list[str]]:
    write_trials(record, path)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_each_trial_is_a_row(finished: Callable[..., StudyRecord], tmp_path: Path) -> None:
    record = finished()
    header, *found = rows(record, tmp_path / "new" / "trials.csv")
    assert header == COLUMNS
    for trial, row in zip(record.optuna_study().trials, found, strict=True):
        cells = dict(zip(header, row, strict=True))
        assert (int(cells["number"]), cells["state"]) == (trial.number, "COMPLETE")
        assert float(cells["value"]) == trial.value
        assert (int(cells["hidden_size"]), float(cells["learning_rate"])) == tuple(
            trial.params[name] for name in ("hidden_size", "learning_rate")
        )
        assert int(cells["seed"]) == trial.user_attrs["seed"]
        started, ended = (datetime.fromisoformat(cells[f"datetime_{when}"]) for when in ("start", "complete"))
        assert trial.datetime_start is not None
        assert started.utcoffset() == timedelta(0)
        assert abs(started.timestamp() - trial.datetime_start.timestamp()) < 0.001
        assert started < ended


def test_a_study_without_trials_has_the_columns(tmp_path: Path) -> None:
    assert rows(digits_study(tmp_path / "study", "numpy"), tmp_path / "trials.csv") == [COLUMNS]


def with_trials(tmp_path: Path, *attributes: dict[str, Any]) -> StudyRecord:
    search = {"hidden_size": {"low": 4, "high": 16}, "optimizer": {"choices": ["adam", "sgd"]}}
    record = new_study(tmp_path / "study", spec(search=search))
    space = {"optimizer": CategoricalDistribution(("adam", "sgd")), "hidden_size": IntDistribution(4, 16)}
    for facts in attributes:
        params = {"optimizer": "adam", "hidden_size": 7}
        failed = create_trial(state=TrialState.FAIL, user_attrs=facts, params=params, distributions=space)
        add_own(record, failed)
    return record


def test_what_only_some_trials_have_comes_last_and_what_is_long_is_left_out(tmp_path: Path) -> None:
    facts = {"failures": 3, "error": "ValueError: no", "earlier": [[1, 2]], "epochs": 2}
    record = with_trials(tmp_path, {}, facts)
    record.storage.optuna.create_new_trial(record.study_id, create_trial(state=TrialState.WAITING))
    header, *found = rows(record, tmp_path / "trials.csv")
    assert header == [*COLUMNS[:4], "optimizer", *COLUMNS[5:], "error", "failures"]
    cells = [dict(zip(header, row, strict=True)) for row in found]
    assert [cell["error"] for cell in cells] == ["", "ValueError: no", ""]
    assert [cell["state"] for cell in cells] == ["FAIL", "FAIL", "WAITING"]
    assert [cell["optimizer"] for cell in cells] == ["adam", "adam", ""]
    assert {key for key, cell in cells[2].items() if cell} == {"number", "state", "foreign"}
    assert [cell["foreign"] for cell in cells] == ["False"] * 3


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-2+3|cmd", "'-2+3|cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        (-0.5, "-0.5"),
        ("a=1", "a=1"),
        ('two\nlines, "quoted"', 'two\nlines, "quoted"'),
        ("größe", "größe"),
        (True, "True"),
    ],
    ids=repr,
)
def test_a_text_is_no_formula(tmp_path: Path, text: Any, cell: str) -> None:
    header, row = rows(with_trials(tmp_path, {"error": text}), tmp_path / "trials.csv")
    assert row[header.index("error")] == cell


def test_a_name_is_no_formula(tmp_path: Path) -> None:
    header, _ = rows(with_trials(tmp_path, {"=1+1": 5}), tmp_path / "trials.csv")
    assert header[-1] == "'=1+1"


def test_a_fact_does_not_hide_a_column(tmp_path: Path) -> None:
    header, row = rows(with_trials(tmp_path, {"number": 99, "hidden_size": 99}), tmp_path / "trials.csv")
    cells = dict(zip(header, row, strict=True))
    assert (cells["number"], cells["hidden_size"]) == ("0", "7")
    assert len(header) == len(set(header))


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "trials.csv"
    with pytest.raises(ExportError, match=f"^{re.escape(str(path))}: cannot be written \\("):
        write_trials(with_trials(tmp_path), path)


def test_trials_of_others_are_marked(finished: Callable[..., StudyRecord], tmp_path: Path) -> None:
    record = finished()
    record.optuna_study().add_trial(create_trial(value=0.999, user_attrs={"foreign": "no", "note": "mine"}))
    record.optuna_study().enqueue_trial({})
    header, *found = rows(record, tmp_path / "trials.csv")
    cells = [dict(zip(header, row, strict=True)) for row in found]
    assert [cell["foreign"] for cell in cells] == ["False", "False", "True", "False"]
    assert [cell["note"] for cell in cells] == ["", "", "mine", ""]
