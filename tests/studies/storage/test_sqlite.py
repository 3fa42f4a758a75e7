"""What is said of a SQLite file without Optuna, and how it is read without leaving anything behind."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
from optuna.storages import RDBStorage
from optuna.study import StudyDirection

from mlpsearch.models.errors import StorageError
from mlpsearch.studies.storage import sqlite
from mlpsearch.studies.storage.connections import Connections, Database
from mlpsearch.studies.storage.opening import open_storage, sqlite_path, stored_names
from mlpsearch.studies.storage.reconnecting import Disturbed
from mlpsearch.studies.storage.tables import newest_version
from tests.studies.stores import new_storage


def test_a_storage_of_the_newest_version_is_known_without_optunas_migrations(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    assert sqlite.schema(path) is None
    path.write_text("no database, but longer than the header of one would be: " + 100 * ".")
    assert sqlite.schema(path) is None
    path.unlink()
    RDBStorage(f"sqlite:///{path}").engine.dispose()
    assert sqlite.schema(path) == newest_version()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    assert sqlite.schema(path) == "v99.0.0.a"


def test_what_was_read_while_another_wrote_does_not_count(tmp_path: Path) -> None:
    """A file at rest is read without locks, so its pages may be of two moments."""
    url = new_storage(tmp_path)
    reader = sqlite.reader(sqlite_path(url))
    reader.execute("SELECT * FROM studies").fetchall()
    reader.commit()  # nobody came
    writing = open_storage(url)
    writing.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    writing.close()
    for end in (reader.commit, reader.rollback):
        with pytest.raises(Disturbed):
            end()
    reader.close()


def test_a_disturbed_read_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = new_storage(tmp_path)
    looking = open_storage(url, read_only=True)
    left, begin = ["one"], sqlite.File.begin

    def disturbed(file: sqlite.File, connection: sqlite3.Connection, *, read_only: bool) -> None:
        begin(file, connection, read_only=read_only)
        if file.read_only and left:
            writing = open_storage(url)
            writing.optuna.create_new_study([StudyDirection.MAXIMIZE], left.pop())
            writing.close()

    monkeypatch.setattr(sqlite.File, "begin", disturbed)
    assert [study.study_name for study in looking.optuna.get_all_studies()] == ["one"]
    assert stored_names(url) == []  # mlpsearch made none


@pytest.mark.parametrize("content", [b"", b"SQLite of somebody else"])
def test_a_file_without_our_tables_stays_as_it_is_when_it_is_looked_at(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.db"
    path.touch()
    if content:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE bookmarks (address TEXT)")
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        open_storage(f"sqlite:///{path}", read_only=True)
    assert str(caught.value).startswith(f"{path}: cannot be opened as a storage (")
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_an_interrupt_while_connections_are_collected_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python would print it with a traceback, and go on all the same."""

    def interrupted(self: Connections) -> None:
        raise KeyboardInterrupt

    seen: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", seen.append)
    monkeypatch.setattr(Connections, "close", interrupted)
    Connections(cast("Database", None))  # which is collected at once
    assert not seen


def test_connections_that_are_left_as_a_process_ends_say_nothing() -> None:
    left = f"import os, {Connections.__module__} as kept; os.kept = kept; kept.left = kept.Connections(None)"
    assert not subprocess.run([sys.executable, "-c", left], check=True, capture_output=True).stderr
