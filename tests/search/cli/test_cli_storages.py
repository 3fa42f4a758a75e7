"""Commands and their storage: what they delete, who holds it, and which version it is of."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord, study_names
from mlpsearch.studies.storage.opening import open_storage, sqlite_path
from tests.search.conftest import Command
from tests.studies.stores import SOURCE, folder_of, spec


@pytest.mark.parametrize(("said", "deleted"), [("y\n", True), ("n\n", False), ("", False)])
def test_deleting_asks_first(record: StudyRecord, mlpsearch: Command, said: str, deleted: bool) -> None:
    answer = mlpsearch("delete", "mine", answer=said)
    assert f"Delete mine with its 2 trials from {record.url}?" in answer.err
    assert answer.code == (0 if deleted else 1)
    assert answer.err.endswith("deleted mine: 2 trials, and its files\n" if deleted else "nothing was deleted\n")
    assert "interrupted" not in answer.err
    assert study_names(open_storage(record.url)) == ([] if deleted else ["mine"])
    assert folder_of(record).exists() != deleted


def test_ctrl_c_at_the_question_interrupts(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupt)
    answer = mlpsearch("delete", "mine")
    assert (answer.code, answer.err.splitlines()[-1]) == (130, "interrupted")
    assert study_names(open_storage(record.url)) == ["mine"]


def test_garbage_is_counted(record: StudyRecord, mlpsearch: Command) -> None:
    orphan = folder_of(record).with_name("0" * 32)
    (orphan / "weights").mkdir(parents=True)
    (orphan / "weights" / "1.safetensors").write_bytes(bytes(1234))
    assert mlpsearch("gc").err == (
        "deleted 0 files, 0 bytes\n"
        f"left {orphan}: nothing says that it was this storage's; delete it yourself if nobody needs it\n"
    )
    record.file_store.mark(orphan.name, "gone")
    size = 1234 + (orphan / "study.json").stat().st_size
    assert mlpsearch("gc").err == f"deleted 2 files, {size:,} bytes\n"
    assert not orphan.exists()


@pytest.mark.parametrize("arguments", [("list",), ("status",), ("compare", "mine", "mine2")], ids=" ".join)
def test_looking_does_not_wait_for_who_holds_the_storage(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    create_or_resume(record.url, spec(name="mine2"), trials=None, source=SOURCE)
    monkeypatch.setattr("mlpsearch.studies.storage.sqlite.BUSY_SECONDS", 0.1)
    holder = sqlite3.connect(sqlite_path(record.url), isolation_level=None)
    with closing(holder):
        holder.execute("BEGIN IMMEDIATE")
        assert mlpsearch(*arguments).code == 0


@pytest.mark.parametrize("arguments", [("worker", "mine"), ("stop", "mine")], ids=" ".join)
def test_a_storage_that_stays_locked_is_one_line(
    record: StudyRecord, mlpsearch: Command, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr("mlpsearch.studies.storage.sqlite.BUSY_SECONDS", 0.1)
    holder = sqlite3.connect(sqlite_path(record.url), isolation_level=None)
    with closing(holder):
        holder.execute("BEGIN IMMEDIATE")
        answer = mlpsearch(*arguments)
    assert (answer.code, answer.out) == (1, "")
    # What only reads waits for nobody.
    assert re.fullmatch(r"(mine: loading the data\n)?error: .*database is locked.*\n", answer.err)


@pytest.mark.parametrize("arguments", [("export", "mine", "-o", "best"), ("status", "mine")], ids=" ".join)
def test_a_storage_of_a_newer_version_is_one_line(
    record: StudyRecord, mlpsearch: Command, arguments: tuple[str, ...]
) -> None:
    with closing(sqlite3.connect(sqlite_path(record.url))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    answer = mlpsearch(*arguments)
    assert (answer.code, answer.out) == (1, "")
    assert re.fullmatch(r"error: .*studies\.db: cannot be opened as a storage .*updating optuna.*\n", answer.err)
    assert not Path("best").exists()
