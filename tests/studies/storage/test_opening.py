"""The storage's URL and its errors, and what every connection to a SQLite file has."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from mlpsearch.models.errors import StorageError
from mlpsearch.studies.storage.opening import (
    DEFAULT,
    ENVIRONMENT,
    Storage,
    exists,
    open_storage,
    sqlite_path,
    storage_url,
)
from mlpsearch.studies.storage.sqlite import BUSY_SECONDS, File
from tests.patience import PATIENCE_SECONDS

KINDS = "must be a file, sqlite:///FILE or postgresql+psycopg://…"


# ---- the URL ----


def test_what_is_given_comes_before_the_environment_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert storage_url(None) == f"sqlite:///{DEFAULT}"
    monkeypatch.setenv(ENVIRONMENT, "from-environment.db")
    assert storage_url(None) == "sqlite:///from-environment.db"
    assert storage_url("given.db") == "sqlite:///given.db"
    monkeypatch.setenv(ENVIRONMENT, "")
    assert storage_url(None) == f"sqlite:///{DEFAULT}"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("a.db", "a.db"),
        ("/some/a.db", "/some/a.db"),
        ("sqlite:///a.db", "a.db"),
        ("sqlite:////some/a.db", "/some/a.db"),
        ("with space.sqlite3", "with space.sqlite3"),
    ],
)
def test_a_bare_path_is_a_file(given: str, path: str) -> None:
    assert sqlite_path(storage_url(given)) == Path(path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mysql://user:secret@host/db", f"storage mysql://…: {KINDS}"),
        ("sqlite://", f"storage sqlite://…: {KINDS}"),
        ("sqlite:///", "storage sqlite:///: must name a file; studies in memory would be lost"),
        ("sqlite:///:memory:", "storage sqlite:///:memory:: must name a file; studies in memory would be lost"),
        (":memory:", "storage :memory:: must name a file; studies in memory would be lost"),
        ("a.db?timeout=1", "storage a.db?timeout=1: the path of a storage must not have ? or % in it"),
        ("sqlite:///a%20b.db", "storage sqlite:///a%20b.db: the path of a storage must not have ? or % in it"),
    ],
)
def test_what_cannot_hold_a_study_is_refused(given: str, message: str) -> None:
    with pytest.raises(StorageError) as caught:
        storage_url(given)
    assert str(caught.value) == message


# ---- opening ----


def refusal(url: str, *, create: bool = False) -> str:
    with pytest.raises(StorageError) as caught:
        open_storage(url, create=create)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_file_is_made_only_on_request(tmp_path: Path) -> None:
    url = storage_url(str(tmp_path / "a.db"))
    assert refusal(url) == f"{tmp_path}/a.db: no such storage; `mlpsearch run STUDY` makes one"
    assert not exists(url)
    assert list(tmp_path.iterdir()) == []
    open_storage(url, create=True)
    assert exists(url)
    assert open_storage(url).optuna.get_all_studies() == []


@pytest.mark.parametrize("given", ["~/x.db", "sqlite:///~/x.db"])
def test_a_tilde_is_the_users_home(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert sqlite_path(storage_url(given)) == Path("/home/ann/x.db")


@pytest.mark.parametrize("given", ["my.artifacts", "sqlite:////a/b.artifacts", "a.db.lock", "a.db-wal"])
def test_names_of_what_lies_beside_a_storage_are_refused(given: str) -> None:
    with pytest.raises(StorageError, match=r"must not end in \.artifacts, \.lock, -journal, -shm, -wal"):
        storage_url(given)


@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_no_database_stays_as_it_is(tmp_path: Path, create: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 1000)
    expected = f"{path}: cannot be opened as a storage (file is not a database)"
    assert refusal(storage_url(str(path)), create=create) == expected
    assert path.read_text() == "not a database\n" * 1000


def test_a_newer_schema_is_refused(url: str) -> None:
    with closing(sqlite3.connect(sqlite_path(url))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    message = refusal(url)
    assert message.startswith(f"{sqlite_path(url)}: cannot be opened as a storage (The runtime optuna version")
    assert "no longer compatible with the table schema" in message


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    message = refusal(storage_url(str(folder)), create=True)
    assert message == f"{folder}: cannot be opened as a storage (unable to open database file)"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = storage_url(str(tmp_path / "file" / "a.db"))
    assert refusal(url, create=True).startswith(f"{tmp_path}/file/a.db: cannot be locked (")


# ---- what every connection has ----


def test_every_connection_logs_ahead_and_begins_immediately(storage: Storage, url: str) -> None:

    def look() -> tuple[object, ...]:
        with storage.connections.transaction() as connection:
            pragmas = [connection.scalar(f"PRAGMA {name}") for name in ("journal_mode", "synchronous")]
            other = sqlite3.connect(sqlite_path(url), timeout=0, isolation_level=None)
            with closing(other), pytest.raises(sqlite3.OperationalError, match="database is locked"):
                other.execute("BEGIN IMMEDIATE")
            return tuple(pragmas)

    mine = look()
    with ThreadPoolExecutor(1) as another_thread, storage.connections.transaction(read_only=True):
        theirs = another_thread.submit(look).result()
    assert (mine, theirs) == (("wal", 1), ("wal", 1))
    storage.close()
    assert look() == ("wal", 1)


def test_what_is_written_was_read_in_the_same_immediate_transaction(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that another process's write may come between is what loses trials in stock Optuna."""
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    trial = storage.optuna.create_new_trial(study, create_trial(state=TrialState.WAITING))
    statements: list[str] = []
    begin = File.begin

    def begun(file: File, connection: sqlite3.Connection, *, read_only: bool) -> None:
        connection.set_trace_callback(statements.append)
        begin(file, connection, read_only=read_only)

    monkeypatch.setattr(File, "begin", begun)
    storage.optuna.set_trial_state_values(trial, TrialState.RUNNING)
    assert statements[0] == "BEGIN IMMEDIATE"
    assert any(sql.startswith("SELECT") for sql in statements)
    assert any(sql.startswith("UPDATE trials") for sql in statements)
    assert sum(sql.startswith("BEGIN") for sql in statements) == 1


def test_a_busy_database_is_waited_for(storage: Storage, url: str) -> None:
    assert BUSY_SECONDS >= 60
    with storage.connections.transaction() as connection:
        assert connection.scalar("PRAGMA busy_timeout") == BUSY_SECONDS * 1000
    holder = sqlite3.connect(sqlite_path(url), isolation_level=None)
    with closing(holder), ThreadPoolExecutor(1) as thread:
        holder.execute("BEGIN IMMEDIATE")
        writing = thread.submit(storage.optuna.create_new_study, [StudyDirection.MAXIMIZE], "s")
        time.sleep(0.3)
        assert not writing.done()
        holder.execute("COMMIT")
        writing.result(PATIENCE_SECONDS)
    assert [study.study_name for study in storage.optuna.get_all_studies()] == ["s"]


def test_a_new_file_is_what_optuna_makes(tmp_path: Path) -> None:
    ours, stock = tmp_path / "ours.db", tmp_path / "stock.db"
    open_storage(f"sqlite:///{ours}", create=True).close()
    RDBStorage(f"sqlite:///{stock}").engine.dispose()
    assert content_of(ours) == content_of(stock)


def content_of(path: Path) -> list[list[Any]]:
    """The tables of a new storage, and the rows in which Optuna says their version."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        versions = [connection.execute(f"SELECT * FROM {name}_version").fetchall() for name in ("alembic",)]
        return [[(*name, " ".join((sql or "").split())) for *name, sql in tables], *versions]
