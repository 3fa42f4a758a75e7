"""What one database deletes is never another's: copied, moved and renamed ones, and those of older versions."""

import shutil
from pathlib import Path

import pytest

from mlpsearch.studies.creation import plan_confirmation
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.files.file_store import ENVIRONMENT, artifact_folder
from mlpsearch.studies.garbage import collect_garbage, folders_of_others
from mlpsearch.studies.record import open_study, study_names
from tests.studies.files.marked import (
    WEIGHTS,
    as_an_older_version_left_it,
    copied,
    copy_database,
    create,
    database,
    moved,
    refusal,
    weights_of,
    with_weights,
)
from tests.studies.stores import folder_of

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
