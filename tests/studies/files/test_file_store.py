"""Where the files of a storage's studies are: remembered, found again elsewhere, and never another's."""

import shutil
from pathlib import Path

import pytest

from mlpsearch.models.errors import MlpsearchError, StorageError, StudyError
from mlpsearch.studies.creation import create_or_resume, plan_confirmation
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.files.artifacts import dashboard_files
from mlpsearch.studies.files.file_store import ENVIRONMENT, artifact_folder, file_store_for, file_store_of
from mlpsearch.studies.files.location import files_at
from mlpsearch.studies.garbage import collect_garbage
from mlpsearch.studies.record import PlannedRun, StudyRecord, open_study, study_names
from tests.studies.stores import SOURCE, new_storage, new_study, spec

POSTGRESQL = "postgresql+psycopg://me:secret@host/db"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return new_storage(tmp_path / "storage")


@pytest.fixture
def record(url: str, place: str, monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """A study whose files are in a place that was named when it was made, and not since."""
    return made(url, place, monkeypatch)


def made(url: str, place: str, monkeypatch: pytest.MonkeyPatch, name: str = "mine") -> StudyRecord:
    with monkeypatch.context() as patch:
        patch.setenv(ENVIRONMENT, place)
        return create(url, name)


def create(url: str, name: str = "mine") -> StudyRecord:
    return create_or_resume(url, spec(name=name), trials=None, source=SOURCE)


def refusal(kind: type[MlpsearchError], act: object, *arguments: object) -> str:
    assert callable(act)
    with pytest.raises(kind) as caught:
        act(*arguments)
    message = str(caught.value)
    assert message.isprintable()
    return message


def moved(place: str, tmp_path: Path) -> str:
    """The same files under another name, as a machine has them that mounts the folder elsewhere."""
    if not place.startswith("s3://"):
        return str(shutil.move(place, tmp_path / "elsewhere"))
    old, new = files_at(place), files_at(f"{place}-elsewhere")
    for file in old.found():
        new.write(file.name, old.read(file.name, file.size))
    old.clear()
    return new.where


# ---- beside the SQLite file ----


def test_without_a_name_files_are_beside_the_sqlite_file(tmp_path: Path) -> None:
    assert artifact_folder("sqlite:////some/a.db") == Path("/some/a.db.artifacts")
    record = new_study(tmp_path)
    record.files.write("weights/1.safetensors", b"1")
    assert (tmp_path / "studies.db.artifacts" / record.id / "weights" / "1.safetensors").exists()
    assert "artifacts" not in record.attributes()


def test_naming_the_folder_beside_the_file_names_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that file and folder can still be moved together."""
    record = made(new_storage(tmp_path), str(tmp_path / "studies.db.artifacts"), monkeypatch)
    assert "artifacts" not in record.attributes()
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "studies.db.artifacts"))
    assert open_study(record.url, "mine").file_store.name is None


def test_a_server_has_no_folder_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    message = refusal(StorageError, file_store_for, POSTGRESQL, None)
    assert message == (
        "postgresql+psycopg://me:***@host/db: where shall weights and checkpoints be? "
        "Name a folder that all machines share, or s3://BUCKET/PREFIX, with --artifacts"
    )
    monkeypatch.setenv(ENVIRONMENT, "/shared")
    assert file_store_for(POSTGRESQL, None).name == "/shared"


# ---- a place that was named ----


def test_a_study_remembers_its_place(record: StudyRecord, place: str) -> None:
    record.files.write("weights/1.safetensors", b"1")
    again = open_study(record.url, "mine")
    assert again.files.where == f"{place}/{record.id}"
    assert again.files.read("weights/1.safetensors", 1) == b"1"
    assert not artifact_folder(record.url).exists()


def test_further_studies_and_confirmations_have_the_place_of_the_first(record: StudyRecord, place: str) -> None:
    other = create(record.url, "other")
    runs = plan_confirmation(record, [PlannedRun(0, {}, 7)])
    for one in (other, runs):
        assert one.files.where == f"{place}/{one.id}"
        assert one.attributes()["artifacts"] == place
        assert one.files.found()


def test_a_machine_may_have_the_place_under_another_name(
    record: StudyRecord, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = moved(place, tmp_path)
    message = refusal(StudyError, lambda: open_study(record.url, "mine").files)
    assert message == (
        f"study mine: its files are not in {place}; name where this machine has them with --artifacts"
    )
    monkeypatch.setenv(ENVIRONMENT, elsewhere)
    again = open_study(record.url, "mine")
    assert again.files.where == f"{elsewhere}/{record.id}"
    runs = plan_confirmation(again, [PlannedRun(0, {}, 7)])
    assert runs.files.where == f"{elsewhere}/{runs.id}"
    assert runs.attributes()["artifacts"] == place
    assert create(record.url, "other").files.where.startswith(elsewhere)


def test_a_place_without_the_studys_files_is_refused(
    record: StudyRecord, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = f"{place}-wrong"
    monkeypatch.setenv(ENVIRONMENT, wrong)
    assert f"its files are not in {wrong};" in refusal(StudyError, lambda: open_study(record.url, "mine").files)
    assert refusal(StorageError, create, record.url, "other") == (
        f"artifacts {wrong}: has no files of the studies in {record.url}, whose place is {place!r}; "
        "name where this machine has that with --artifacts"
    )
    assert study_names(record.storage) == ["mine"]
    assert not files_at(wrong).found()


def test_a_folder_that_is_not_mounted_is_not_made(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = made(url, str(tmp_path / "shared"), monkeypatch)
    shutil.rmtree(tmp_path / "shared")
    for act in (
        lambda: open_study(url, "mine").files,
        lambda: create(url, "other"),
        lambda: plan_confirmation(open_study(url, "mine"), [PlannedRun(0, {}, 7)]),
        collect_all(record),
    ):
        refusal(MlpsearchError, act)
    assert not (tmp_path / "shared").exists()


def collect_all(record: StudyRecord) -> object:
    return lambda: collect_garbage(record.storage)


def test_the_place_of_another_storage_is_refused(
    record: StudyRecord, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its garbage collection would take the files of the one for garbage of the other."""
    other = new_storage(tmp_path / "other")
    monkeypatch.setenv(ENVIRONMENT, place)
    assert refusal(StorageError, create, other) == (
        f"artifacts {place}: has files of studies that are not in {other}, "
        "but in another storage, or deleted; remove them, or name another place or a new folder in it"
    )
    monkeypatch.setenv(ENVIRONMENT, f"{place}/of-another")
    assert create(other).files.found()
    assert files_at(place).within(record.id).found()


def test_a_study_that_was_made_beside_the_file_goes_elsewhere_with_its_files(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = new_study(tmp_path / "storage")
    record.files.write("weights/1.safetensors", b"1")
    monkeypatch.setenv(ENVIRONMENT, place)
    refusal(StudyError, lambda: open_study(record.url, "mine").files)
    files_at(place).write(f"{record.id}/weights/1.safetensors", b"1")
    assert open_study(record.url, "mine").files.read("weights/1.safetensors", 1) == b"1"


# ---- what a storage from elsewhere may say ----


@pytest.mark.parametrize("doctored", [7, ["/a"], "", "relative", "~/a", "gs://bucket", "s3://x", "/a\nb", "/a\0b"])
def test_what_is_no_place_is_refused(url: str, tmp_path: Path, doctored: object) -> None:
    record = create(url)
    record.set("artifacts", doctored)
    for act in (lambda: open_study(url, "mine").files, lambda: file_store_of(record.storage), collect_all(record)):
        assert refusal(StorageError, act).startswith("artifacts ")


def test_a_doctored_place_does_no_harm(url: str, tmp_path: Path, place: str) -> None:
    victims = files_at(place)
    for name in ("0" * 32 + "/weights/1.safetensors", "dashboard/abc", "notes.txt"):
        victims.write(name, b"12345")
    before = sorted(file.name for file in victims.found())
    record = create(url)
    record.set("artifacts", place)
    for act in (lambda: open_study(url, "mine").files, lambda: file_store_of(record.storage), collect_all(record)):
        refusal(MlpsearchError, act)
    delete_study(open_study(url, "mine"))
    assert sorted(file.name for file in victims.found()) == before


# ---- removing ----


def test_deleting_takes_the_files_in_the_place(record: StudyRecord, place: str) -> None:
    other = create(record.url, "other")
    plan_confirmation(record, [PlannedRun(0, {}, 7)])
    record.files.write("weights/1.safetensors", b"1")
    assert delete_study(record) is None
    assert files_at(place).folders() == [other.id]


def test_a_study_whose_files_are_lost_can_be_deleted(record: StudyRecord, place: str) -> None:
    files_at(place).clear()
    stays = delete_study(open_study(record.url, "mine"))
    assert stays == "its files are not where this machine looks for them"
    assert study_names(record.storage) == []


def test_garbage_is_collected_in_the_place(record: StudyRecord, place: str) -> None:
    gone = create(record.url, "gone")
    gone.files.write("weights/1.safetensors", b"12345")
    mark, weights = sorted(gone.files.found(), key=lambda file: file.name)
    gone.storage.optuna.delete_study(gone.study_id)
    kept = dashboard_files(record.file_store)
    kept.write("notes.txt", b"not ours")
    assert collect_garbage(record.storage) == (2, mark.size + weights.size)
    assert files_at(place).within(gone.id).found() == []
    assert record.files.found()
    assert kept.read("notes.txt", 99) == b"not ours"
    assert collect_garbage(record.storage) == (0, 0)
