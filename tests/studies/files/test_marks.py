"""What one database deletes is never another's: copied, moved and renamed ones, and those of older versions."""

import json
import shutil
import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from mlpsearch.models.errors import StudyError
from mlpsearch.studies.creation import create_or_resume, plan_confirmation
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.files.artifacts import dashboard_files
from mlpsearch.studies.files.base import Files
from mlpsearch.studies.files.file_store import ENVIRONMENT, artifact_folder
from mlpsearch.studies.files.location import files_at
from mlpsearch.studies.garbage import collect_garbage, folders_of_others
from mlpsearch.studies.record import PlannedRun, StudyRecord, open_study, study_names
from tests.postgres import Server
from tests.studies.stores import SOURCE, folder_of, new_storage, on, spec

WEIGHTS = "weights/1.safetensors"


@pytest.fixture(autouse=True)
def no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "")


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


# ---- files beside the database ----


@pytest.mark.parametrize("names", [("exp.2024", "exp.2025"), ("a.db", "a.sqlite"), ("a", "a.db")])
def test_databases_that_differ_in_the_last_part_of_their_names_have_folders_of_their_own(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    one, other = (with_weights(database(tmp_path, name)) for name in names)
    assert weights_of(one).parent.parent.parent == tmp_path / f"{names[0]}.artifacts"
    assert collect_garbage(other.storage) == (0, 0)
    assert delete_study(other) is None
    assert weights_of(one).exists()
    assert not weights_of(other).exists()


def test_deleting_in_a_copied_database_leaves_the_files_of_the_original(tmp_path: Path) -> None:
    record = with_weights(database(tmp_path, "a.db"))
    copy = copied(record, tmp_path / "a.bak")
    assert delete_study(copy) == f"its files stay in {folder_of(record)}"
    assert study_names(copy.storage) == []
    assert record.files.read(WEIGHTS, 5) == b"12345"
    collect_garbage(copy.storage)
    assert weights_of(record).exists()


def test_a_copied_database_is_told_where_the_files_are(tmp_path: Path) -> None:
    record = with_weights(database(tmp_path, "a.db"))
    copy = copied(record, tmp_path / "copy.db")
    message = (
        f"study mine: its files are beside {tmp_path}/a.db, in {tmp_path}/a.db.artifacts; "
        f"copy that to {tmp_path}/copy.db.artifacts if this is a copy, too"
    )
    assert refusal(lambda: copy.files) == message
    assert refusal(lambda: create(copy.url)) == message
    shutil.copytree(tmp_path / "a.db.artifacts", tmp_path / "copy.db.artifacts")
    copy = create(copy.url)
    assert copy.files.read(WEIGHTS, 5) == b"12345"
    assert delete_study(copy) is None
    assert not weights_of(copy).exists()
    assert weights_of(record).exists()


def test_a_copied_project_deletes_its_own_files(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    record = with_weights(database(tmp_path / "one", "a.db"))
    record.storage.close()
    shutil.copytree(tmp_path / "one", tmp_path / "other")
    copy = open_study(f"sqlite:///{tmp_path}/other/a.db", "mine")
    assert copy.files.read(WEIGHTS, 5) == b"12345"
    assert delete_study(copy) is None
    assert not weights_of(copy).exists()
    assert weights_of(record).exists()


def test_a_renamed_database_says_where_its_files_stayed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renamed = moved(with_weights(database(tmp_path, "a.db")), tmp_path / "b.db")
    where = f"its files are in {tmp_path}/a.db.artifacts; rename that to {tmp_path}/b.db.artifacts"
    for act in (lambda: renamed.files, lambda: create(renamed.url), lambda: plan_confirmation(renamed, [])):
        assert refusal(act) == f"study mine: {where}, or name it with --artifacts"
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "a.db.artifacts"))
    assert open_study(renamed.url, "mine").files.read(WEIGHTS, 5) == b"12345"
    monkeypatch.setenv(ENVIRONMENT, "")
    (tmp_path / "a.db.artifacts").rename(tmp_path / "b.db.artifacts")
    again = create(renamed.url)
    assert again.files.read(WEIGHTS, 5) == b"12345"
    assert delete_study(again) is None
    assert not weights_of(again).exists()


def test_a_database_that_was_moved_alone_says_where_its_files_stayed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    alone = moved(with_weights(database(tmp_path, "a.db")), tmp_path / "elsewhere" / "a.db")
    assert f"its files are in {tmp_path}/a.db.artifacts;" in refusal(lambda: alone.files)
    assert delete_study(alone) == f"its files stay in {tmp_path}/a.db.artifacts/{alone.id}"
    assert (tmp_path / "a.db.artifacts" / alone.id / WEIGHTS).exists()


def test_a_database_reached_by_a_link_has_one_folder(tmp_path: Path) -> None:
    record = with_weights(database(tmp_path, "a.db"))
    (tmp_path / "link.db").symlink_to("a.db")
    linked = open_study(f"sqlite:///{tmp_path}/link.db", "mine")
    assert linked.files.read(WEIGHTS, 5) == b"12345"
    assert linked.files.where == record.files.where


def test_a_database_that_was_put_back_from_a_backup_owns_its_files(tmp_path: Path) -> None:
    record = with_weights(database(tmp_path, "a.db"))
    copy_database(tmp_path / "a.db", tmp_path / "backup")
    record.storage.close()
    (tmp_path / "backup").rename(tmp_path / "a.db")
    again = create(record.url)
    assert delete_study(again) is None
    assert not weights_of(again).exists()


def test_a_new_database_of_the_same_name_leaves_the_files_of_the_one_before(tmp_path: Path) -> None:
    before = with_weights(database(tmp_path, "a.db"))
    kept = moved(before, tmp_path / "kept.db")
    after = with_weights(database(tmp_path, "a.db"))
    left = tmp_path / "a.db.artifacts" / before.id
    assert collect_garbage(after.storage) == (0, 0)
    assert folders_of_others(after.storage) == [str(left)]
    assert (left / WEIGHTS).exists()
    assert kept.name in study_names(kept.storage)


# ---- folders of older versions ----


def test_a_folder_of_an_older_version_stays_in_use(tmp_path: Path) -> None:
    url = database(tmp_path, "a.db")
    older = as_an_older_version_left_it(with_weights(url))
    assert open_study(url, "mine").files.read(WEIGHTS, 5) == b"12345"
    record = create(url)
    other = with_weights(url, "other")
    assert {record.files.where, other.files.where} == {str(older / record.id), str(older / other.id)}
    assert not artifact_folder(url).exists()
    assert delete_study(record) is None
    assert not (older / record.id).exists()
    other.storage.optuna.delete_study(other.study_id)
    assert collect_garbage(record.storage)[0] == 0  # no study is left that shows whose the folder is
    assert (older / other.id / WEIGHTS).exists()


def test_garbage_in_an_older_folder_is_what_is_marked(tmp_path: Path) -> None:
    url = database(tmp_path, "exp.2025")
    unmarked = with_weights(url, "unmarked")
    older = as_an_older_version_left_it(unmarked)
    theirs = older / ("0" * 32) / "weights"  # of exp.2024, which may be away
    theirs.mkdir(parents=True)
    kept, gone = create(url, "unmarked"), with_weights(url, "gone")
    gone.storage.optuna.delete_study(gone.study_id)
    assert collect_garbage(kept.storage)[0] == 2
    assert sorted(path.name for path in older.iterdir()) == sorted([theirs.parent.name, kept.id])
    assert folders_of_others(kept.storage) == [str(theirs.parent)]


@pytest.mark.parametrize("run_first", [True, False])
def test_copies_that_share_an_older_folder_do_not_delete_from_it(tmp_path: Path, run_first: bool) -> None:
    url = database(tmp_path, "a.db")
    record = with_weights(url)
    copy = copied(record, tmp_path / "a.bak")
    older = as_an_older_version_left_it(record)
    copy = open_study(copy.url, "mine")
    if run_first:
        create(url)
        assert "belong to the database a.db, of which" in refusal(lambda: create(copy.url))
        said = f"its files stay in {older / record.id}: they belong to the database a.db"
    else:
        said = f"its files stay in {older / record.id}: {tmp_path}/a.db has this study, too"
    assert copy.files.read(WEIGHTS, 5) == b"12345"
    assert delete_study(copy) == said
    collect_garbage(copy.storage)
    assert open_study(url, "mine").files.read(WEIGHTS, 5) == b"12345"
    assert delete_study(open_study(url, "mine")) is None
    assert not (older / record.id).exists()


def test_databases_of_different_studies_may_share_an_older_folder(tmp_path: Path) -> None:
    one, other = (database(tmp_path, name) for name in ("exp.2024", "exp.2025"))
    first = as_an_older_version_left_it(with_weights(one))
    kept = create(one)
    record = with_weights(other)
    for path in artifact_folder(other).iterdir():
        shutil.move(path, first)
    artifact_folder(other).rmdir()
    (first / record.id / "study.json").unlink()
    record = open_study(other, "mine")
    assert record.files.read(WEIGHTS, 5) == b"12345"
    assert collect_garbage(record.storage) == (0, 0)
    assert kept.files.read(WEIGHTS, 5) == b"12345"
    assert delete_study(record) is None
    assert not (first / record.id).exists()
    assert kept.files.read(WEIGHTS, 5) == b"12345"


# ---- places that were named ----


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
