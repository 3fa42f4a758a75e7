"""The dashboard's files: which are whose, and which nobody has any more."""

import json
import os
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.study import StudyDirection

from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.files.artifacts import PREFIX, artifacts_of
from mlpsearch.studies.garbage import collect_garbage
from mlpsearch.studies.record import StudyRecord
from tests.studies.stores import SOURCE, folder_of, new_study, spec


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    record = new_study(tmp_path)
    dashboard_folder(record).mkdir(parents=True)
    return record


def dashboard_folder(record: StudyRecord) -> Path:
    return folder_of(record).with_name("dashboard")


def upload(record: StudyRecord, to: Any) -> Path:
    """A file of a study or trial, put there by Optuna; it has five bytes and is an hour old."""
    folder = dashboard_folder(record)
    source = folder.with_name("a.png")
    source.write_bytes(b"12345")
    artifact = upload_artifact(
        artifact_store=FileSystemArtifactStore(folder),
        file_path=str(source),
        study_or_trial=to,
        storage=record.storage.optuna,
    )
    return aged(folder / artifact)


def of_nobody(record: StudyRecord, name: str | None = None) -> Path:
    file = dashboard_folder(record) / (name or str(uuid4()))
    file.write_bytes(b"12345")
    return aged(file)


def aged(file: Path, seconds: int = 3600) -> Path:
    then = time.time() - seconds
    os.utime(file, (then, then))
    return file


def running_trial(record: StudyRecord) -> optuna.trial.FrozenTrial:
    storage = record.storage.optuna
    return storage.get_trial(storage.create_new_trial(record.study_id))


def another_study(record: StudyRecord) -> StudyRecord:
    return create_or_resume(record.url, spec(name="other"), trials=None, source=SOURCE)


def test_a_study_has_its_own_files_and_those_of_its_trials(record: StudyRecord) -> None:
    trial = running_trial(record)
    files = [upload(record, record.optuna_study()), upload(record, trial), upload(record, trial)]
    upload(record, another_study(record).optuna_study())
    assert artifacts_of(record.storage, record.study_id) == {file.name for file in files}


def test_deleting_a_study_deletes_its_files_alone(record: StudyRecord) -> None:
    other = another_study(record)
    kept = [upload(record, other.optuna_study()), upload(record, running_trial(other)), of_nobody(record)]
    gone = [upload(record, record.optuna_study()), upload(record, running_trial(record))]
    delete_study(record)
    assert [file for file in (*kept, *gone) if file.exists()] == kept


def test_a_file_that_a_copy_of_the_study_has_stays(record: StudyRecord) -> None:
    file = upload(record, record.optuna_study())
    optuna.copy_study(
        from_study_name="mine",
        from_storage=record.storage.optuna,
        to_storage=record.storage.optuna,
        to_study_name="copy",
    )
    delete_study(record)
    assert file.exists()


def test_garbage_is_what_neither_study_nor_trial_has(record: StudyRecord) -> None:
    trial = running_trial(record)
    foreign = record.storage.optuna.create_new_study([StudyDirection.MINIMIZE], "theirs")
    kept = [
        upload(record, record.optuna_study()),
        upload(record, trial),
        upload(record, record.storage.optuna.get_trial(record.storage.optuna.create_new_trial(foreign))),
        upload(record, optuna.load_study(study_name="theirs", storage=record.storage.optuna)),
    ]
    of_the_past = of_nobody(record)  # where older releases of the dashboard noted the files of finished trials
    key = f"dashboard:artifacts:{trial._trial_id}:{of_the_past.name}"
    record.storage.optuna.set_study_system_attr(
        record.study_id, key, json.dumps({"artifact_id": of_the_past.name})
    )
    record.storage.optuna.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.FAIL)
    gone = [of_nobody(record), of_nobody(record), of_nobody(record, f".{uuid4()}.k8_x1.tmp")]
    assert collect_garbage(record.storage) == (3, 15)
    assert not any(file.exists() for file in gone)
    assert all(file.exists() for file in (*kept, of_the_past))
    assert collect_garbage(record.storage) == (0, 0)


def test_a_file_whose_study_has_given_it_up_is_garbage(record: StudyRecord) -> None:
    file = upload(record, record.optuna_study())
    record.storage.optuna.set_study_system_attr(record.study_id, PREFIX + file.name, "null")
    assert collect_garbage(record.storage) == (1, 5)
    assert not file.exists()


def test_a_file_that_may_just_be_uploaded_is_no_garbage(record: StudyRecord) -> None:
    new, old = aged(of_nobody(record), 50), aged(of_nobody(record), 70)
    assert collect_garbage(record.storage) == (1, 5)
    assert (new.exists(), old.exists()) == (True, False)


def test_files_of_the_user_are_no_garbage(record: StudyRecord) -> None:
    kept = [of_nobody(record, name) for name in ("notes.txt", "a.png", ".hidden", "x.tmp")]
    folder = dashboard_folder(record) / "abc"
    folder.mkdir()
    aged(folder)
    assert collect_garbage(record.storage) == (0, 0)
    assert all(file.exists() for file in (*kept, folder))


@pytest.mark.parametrize("name", ["../victim", "../../victim", "/victim"])
def test_a_study_file_cannot_have_other_files_deleted(record: StudyRecord, tmp_path: Path, name: str) -> None:
    victims = [folder_of(record).with_name("victim"), tmp_path / "victim"]
    for victim in victims:
        victim.write_text("x")
        aged(victim)
    name = name.replace("/victim", f"{tmp_path}/victim") if name.startswith("/") else name
    record.storage.optuna.set_study_system_attr(record.study_id, PREFIX + name, json.dumps({"artifact_id": name}))
    upload(record, record.optuna_study())
    delete_study(record)
    collect_garbage(record.storage)
    assert all(victim.exists() for victim in victims)
