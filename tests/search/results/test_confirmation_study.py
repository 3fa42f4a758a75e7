"""The study of a confirmation: it lives and goes with its own, and commands run, stop and resume both."""

import re
from collections.abc import Callable
from pathlib import Path

import tomli_w

from mlpsearch.search.results.confirming import plan
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.garbage import collect_garbage
from mlpsearch.studies.record import StudyRecord, confirmation_of, open_study, study_names
from mlpsearch.studies.spec.keys import Confirm
from tests.search.conftest import Command
from tests.search.makers import reach, run_all, same_study, searched_to
from tests.studies.stores import SOURCE, folder_of, spec

Finished = Callable[..., StudyRecord]


def test_deleting_the_study_deletes_its_confirmation(tmp_path: Path) -> None:
    record = searched_to(tmp_path, 0.5)
    runs = plan(record, Confirm(top=1, report=2))
    (folder_of(runs) / "weights").mkdir(parents=True)
    delete_study(record)
    assert study_names(record.storage, confirmations=True) == []
    assert not folder_of(runs).exists()


def test_a_new_study_does_not_take_over_the_runs_of_an_old_one_of_its_name(tmp_path: Path) -> None:
    record = searched_to(tmp_path, 0.5)
    run_all(plan(record, Confirm(top=1, report=2)), {0: [0.5, 0.5]})
    record.storage.optuna.delete_study(record.study_id)  # as the dashboard does
    again = create_or_resume(record.url, spec(trials=1), trials=None, source=SOURCE)
    reach(again, 0.5)
    assert confirmation_of(again) is None
    assert TrialQueue(plan(again, Confirm(top=1, report=2))).ledger.ended() == 0


def test_gc_removes_the_confirmation_of_a_study_that_is_gone(tmp_path: Path) -> None:
    record = searched_to(tmp_path, 0.5)
    runs = plan(record, Confirm(top=1, report=2))
    (folder_of(runs) / "weights").mkdir(parents=True)
    (folder_of(runs) / "weights" / "0.safetensors").write_bytes(b"12345")
    assert collect_garbage(record.storage) == (0, 0)
    record.storage.optuna.delete_study(record.study_id)  # as the dashboard does
    files = [file for one in (record, runs) for file in folder_of(one).rglob("*") if file.is_file()]
    expected = len(files), sum(file.stat().st_size for file in files)
    assert collect_garbage(record.storage) == expected
    assert study_names(record.storage, confirmations=True) == []


def test_the_command(finished: Finished, mlpsearch: Command) -> None:
    url = finished().url
    asked = ("--top", "2", "--seeds", "2", "--report", "3")
    answer = mlpsearch("confirm", "mine", *asked, "--storage", url)
    assert answer.code == 0, answer.err
    assert "confirmed: the best 2 trials, each trained again over 2 seeds; the best mean is that of " in answer.out
    assert re.search(r"reported: trial \d, trained again over 3 further seeds: \d", answer.out)
    assert "selection bias: the search's best validation accuracy, " in answer.out
    assert "by `mlpsearch confirm mine`: trial " in answer.out
    assert re.search(r"^confirming mine: \d/\d runs", answer.err, re.MULTILINE)
    kept = open_study(url, "mine").attributes()
    assert kept["confirmation"]["winner"] in (0, 1)
    assert len(kept["tests"][0]["seeds"]) == 3
    again = mlpsearch("confirm", "mine", *asked, "--storage", url)
    assert again.out == answer.out, "nothing was trained or opened again"


def test_a_study_file_may_ask_for_it(finished: Finished, mlpsearch: Command, tmp_path: Path) -> None:
    """Also one that did not when the study was made."""
    record = finished()
    document = tomli_w.dumps(record.spec.to_json() | {"confirm": {"top": 1, "report": 2}})
    (tmp_path / "mine.toml").write_text(document)
    answer = mlpsearch("run", "mine.toml", "--storage", record.url)
    assert answer.code == 0, answer.err
    assert re.search(r"reported: trial \d, trained again over 2 fresh seeds: ", answer.out)
    assert len(record.attributes()["tests"]) == 1
    assert same_study(record).spec.confirm is not None
    resumed = mlpsearch("resume", "mine", "--storage", record.url)
    assert "by `mlpsearch run mine.toml`: trial " in resumed.out


def test_stop_stops_it_too(finished: Finished, mlpsearch: Command) -> None:
    record = finished()
    runs = plan(record, Confirm(top=1, report=2))
    assert mlpsearch("stop", "mine", "--storage", record.url).code == 0
    assert TrialQueue(runs).ledger.is_stopped()
