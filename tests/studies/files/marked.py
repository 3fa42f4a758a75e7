"""Studies with a file each, whose databases are copied, moved and renamed."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mlpsearch.models.errors import StudyError
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.files.file_store import artifact_folder
from mlpsearch.studies.record import StudyRecord, open_study
from tests.studies.stores import SOURCE, folder_of, new_storage, spec

WEIGHTS = "weights/1.safetensors"


def database(folder: Path, name: str) -> str:
    """The URL of an empty SQLite storage of this name."""
    made = Path(new_storage(folder / "new").removeprefix("sqlite:///"))
    made.rename(folder / name)
    return f"sqlite:///{folder / name}"


def with_weights(url: str, name: str = "mine") -> StudyRecord:
    record = create(url, name)
    record.files.write(WEIGHTS, b"12345")
    return record


def create(url: str, name: str = "mine") -> StudyRecord:
    return create_or_resume(url, spec(name=name), trials=None, source=SOURCE)


def copied(record: StudyRecord, to: Path) -> StudyRecord:
    """The same study in a copy of its database, as a backup is."""
    copy_database(Path(record.url.removeprefix("sqlite:///")), to)
    return open_study(f"sqlite:///{to}", record.name)


def copy_database(path: Path, to: Path) -> None:
    with closing(sqlite3.connect(path)) as original, closing(sqlite3.connect(to)) as copy:
        original.backup(copy)


def moved(record: StudyRecord, to: Path) -> StudyRecord:
    record.storage.close()
    shutil.move(record.url.removeprefix("sqlite:///"), to)
    return open_study(f"sqlite:///{to}", record.name)


def as_an_older_version_left_it(record: StudyRecord) -> Path:
    """The files of a database without marks, in the folder that lacks the last part of the file's name."""
    path = Path(record.url.removeprefix("sqlite:///"))
    older = path.with_suffix(".artifacts")
    shutil.move(artifact_folder(record.url), older)
    for mark in older.rglob("study.json"):
        mark.unlink()
    return older


def refusal(act: Any) -> str:
    with pytest.raises(StudyError) as caught:
        act()
    assert str(caught.value).isprintable()
    return str(caught.value)


def weights_of(record: StudyRecord) -> Path:
    return folder_of(record) / WEIGHTS
