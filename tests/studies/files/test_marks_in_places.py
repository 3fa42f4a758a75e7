"""What one database deletes in a place that was named is never another's, nor what copied studies share."""

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import optuna
import pytest

from mlpsearch.studies.creation import create_or_resume, plan_confirmation
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.files.artifacts import dashboard_files
from mlpsearch.studies.files.base import Files
from mlpsearch.studies.files.file_store import ENVIRONMENT
from mlpsearch.studies.files.location import files_at
from mlpsearch.studies.garbage import collect_garbage, folders_of_others
from mlpsearch.studies.record import PlannedRun, StudyRecord, open_study
from tests.postgres import Server
from tests.studies.files.marked import (
    WEIGHTS,
    copied,
    create,
    database,
    moved,
    refusal,
    with_weights,
)
from tests.studies.stores import SOURCE, folder_of, on, spec


def in_place(url: str, place: str, monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    with monkeypatch.context() as patch:
        patch.setenv(ENVIRONMENT, place)
        return with_weights(url)


def test_a_copied_database_deletes_nothing_in_a_named_place(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = in_place(database(tmp_path, "a.db"), place, monkeypatch)
    copy = copied(record, tmp_path / "copy.db")
    made_since = with_weights(record.url, "later")
    shown = dashboard_files(record.file_store)
    shown.write("0" * 8, b"a picture")
    monkeypatch.setattr("mlpsearch.studies.files.artifacts._NEW_SECONDS", -100)
    assert collect_garbage(copy.storage) == (0, 0)
    assert folders_of_others(copy.storage) == [made_since.files.where]
    stays = delete_study(copy)
    assert stays == f"its files stay in {place}/{record.id}: they belong to the database {tmp_path}/a.db"
    assert record.files.read(WEIGHTS, 5) == b"12345"
    assert shown.read("0" * 8, 9) == b"a picture"


def test_a_copied_database_is_not_gone_on_with_in_the_originals_place(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = in_place(database(tmp_path, "a.db"), place, monkeypatch)
    copy = copied(record, tmp_path / "copy.db")
    message = (
        f"study mine: its files in {place} belong to the database {tmp_path}/a.db, of which {copy.url} "
        "seems to be a copy; copy the files, too, and name the new place with --artifacts"
    )
    assert refusal(lambda: create(copy.url)) == message
    assert refusal(lambda: plan_confirmation(copy, [PlannedRun(0, {}, 7)])) == message
    copy_files(files_at(place), files_at(f"{place}-copy"))
    monkeypatch.setenv(ENVIRONMENT, f"{place}-copy")
    assert delete_study(create(copy.url)) is None
    assert files_at(f"{place}-copy").found() == []
    assert files_at(place).within(record.id).read(WEIGHTS, 5) == b"12345"


def test_a_study_is_gone_on_with_where_its_place_is_not_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its budget can be enlarged from any machine; who would write there refuses."""
    record = in_place(database(tmp_path, "a.db"), str(tmp_path / "shared"), monkeypatch)
    shutil.rmtree(tmp_path / "shared")
    more = create_or_resume(record.url, spec(name="mine"), trials=9, source=SOURCE)
    assert more.budget.trials == 9
    assert not (tmp_path / "shared").exists()


def copy_files(old: Files, new: Files) -> None:
    for file in old.found():
        new.write(file.name, old.read(file.name, file.size))


def test_a_database_that_was_moved_takes_over_its_named_place(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = in_place(database(tmp_path, "a.db"), place, monkeypatch)
    gone = with_weights(record.url, "gone")
    gone.storage.close()
    again = moved(record, tmp_path / "b.db")
    create(again.url)
    create(again.url, "gone")
    again.storage.optuna.delete_study(gone.study_id)
    assert collect_garbage(again.storage)[0] == 2
    assert delete_study(again) is None
    assert files_at(place).found() == []


def test_files_of_an_older_version_in_a_named_place_stay_until_the_study_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = str(tmp_path / "shared")
    record = in_place(database(tmp_path, "a.db"), place, monkeypatch)
    record.files.write("study.json", b'{"study": "mine"}')
    copy = copied(record, tmp_path / "copy.db")
    assert delete_study(copy) == (
        f"its files stay in {place}/{record.id}: nothing there says which database they belong to"
    )
    assert delete_study(create(record.url)) is None
    assert files_at(place).found() == []


@pytest.mark.parametrize(
    ("change", "is_ours"),
    [
        ({"inode": -1}, True),  # the database was put back from a backup
        ({"host": "another"}, True),  # the same file, seen from another container
        ({"host": "another", "inode": -1}, False),
        ({"database": "/there/is/none.db"}, True),  # it was moved here
        ({"database": "/there/is/none.db", "host": "another"}, False),
        ({"database": __file__}, False),
        ({"database": "postgresql 1/2"}, False),
    ],
)
def test_whose_the_files_in_a_named_place_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], is_ours: bool
) -> None:
    record = in_place(database(tmp_path, "a.db"), str(tmp_path / "shared"), monkeypatch)
    mark = json.loads(record.files.read("study.json", 9999))
    assert (mark["study"], mark["database"], mark["host"]) == ("mine", f"{tmp_path}/a.db", socket.gethostname())
    record.files.write("study.json", json.dumps(mark | change).encode())
    assert (open_study(record.url, "mine").file_store.objection(record.id) is None) == is_ours
    assert (delete_study(record) is None) == is_ours
    assert bool(record.files.found()) != is_ours


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b'{"study": 7}', b'{"study": "x", "database": ["/"]}'])
def test_an_illegible_mark_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    record = in_place(database(tmp_path, "a.db"), str(tmp_path / "shared"), monkeypatch)
    record.files.write("study.json", content)
    assert record.file_store.claim(record.id) == "unmarked"


def test_what_a_mark_says_is_shown_as_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = in_place(database(tmp_path, "a.db"), str(tmp_path / "shared"), monkeypatch)
    record.files.write("study.json", json.dumps({"study": "x", "database": "postgresql \x1b[2J\n"}).encode())
    assert str(delete_study(record)).isprintable()


def test_a_copied_postgresql_database_deletes_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on(server):
        monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "shared"))
        url = server.url(server.new_database())
        record = with_weights(url)
        record.storage.close()
        copy = open_study(server.url(server.new_database(url.rpartition("/")[2].partition("?")[0])), "mine")
        assert "they belong to the database postgresql " in str(delete_study(copy))
        assert "seems to be a copy" in refusal(lambda: create_or_resume_of_a_copy(server, url))
        record.files.write("study.json", b'{"study": "mine"}')  # as older versions did
        assert delete_study(create(url)) is None
        assert not record.files.found()


def create_or_resume_of_a_copy(server: Server, url: str) -> StudyRecord:
    return create(server.url(server.new_database(url.rpartition("/")[2].partition("?")[0])))


# ---- copied studies ----


def test_files_that_a_copied_study_has_too_stay_until_the_last_is_deleted(tmp_path: Path) -> None:
    record = with_weights(database(tmp_path, "a.db"))
    optuna.copy_study(
        from_study_name="mine",
        from_storage=record.storage.optuna,
        to_storage=record.storage.optuna,
        to_study_name="copy",
    )
    copy = open_study(record.url, "copy")
    assert delete_study(copy) == "its files stay: study mine, a copy of it, has them, too"
    assert record.files.read(WEIGHTS, 5) == b"12345"
    assert collect_garbage(record.storage) == (0, 0)
    assert delete_study(record) is None
    assert not folder_of(record).exists()


def test_a_study_copied_to_another_database_deletes_nothing_there(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = in_place(database(tmp_path, "a.db"), place, monkeypatch)
    other = with_weights(database(tmp_path, "other.db"), "other")
    optuna.copy_study(from_study_name="mine", from_storage=record.storage.optuna, to_storage=other.storage.optuna)
    copy = open_study(other.url, "mine")
    assert "they belong to the database" in str(delete_study(copy))
    assert record.files.read(WEIGHTS, 5) == b"12345"
    assert delete_study(other) is None
