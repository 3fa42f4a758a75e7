"""The errors of studies say in fields which file, key, study or storage they are about."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlpsearch.models.errors import DataError, MlpsearchError, SpecError, StorageError, StudyError
from mlpsearch.studies.data.sources import check_images, open_split
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.files.location import location_of
from mlpsearch.studies.record import open_study
from mlpsearch.studies.spec import catalog
from mlpsearch.studies.spec.reading import load_spec, parse_spec
from mlpsearch.studies.storage.opening import is_server, open_storage, storage_url, without_password
from tests.models.error_fields import fields
from tests.studies import image_makers as make
from tests.studies.specs import MINIMAL
from tests.studies.stores import new_study


def filled(kind: type[MlpsearchError], act: Callable[[], object]) -> dict[str, object]:
    with pytest.raises(kind) as caught:
        act()
    return fields(caught.value)


HIDDEN = "hidden_size = { low = 8, high = 64 }"


@pytest.mark.parametrize(
    ("line", "wrong", "key"),
    [
        (HIDDEN, "hidden_size = { low = 0, high = 64 }", "search.hidden_size.low"),
        (HIDDEN, "hidden_size = { choices = [8, 8] }", "search.hidden_size.choices[2]"),
        (HIDDEN, f"{HIDDEN}\nprecision = {{ choices = ['float32', 'bfloat16'] }}", "precision"),
        ("epochs = 5", "epoch = 5", "budget.epoch"),
        ("epochs = 5", "", "budget.epochs"),
        ('net = "numpy"', "net = 7", "net"),
    ],
)
def test_a_mistake_in_a_study_file_has_its_file_and_key(tmp_path: Path, line: str, wrong: str, key: str) -> None:
    path = tmp_path / "my.toml"
    path.write_text(MINIMAL.replace(line, wrong))
    assert filled(SpecError, lambda: load_spec(path)) == {"path": str(path), "key": key}
    assert filled(SpecError, lambda: parse_spec(path.read_text(), "what was typed")) == {"key": key}


def test_of_several_mistakes_the_key_is_the_first_ones() -> None:
    text = MINIMAL + "depth = { low = 3, high = 2 }\n[fixed]\nmomentum = 2\n"
    assert filled(SpecError, lambda: parse_spec(text, "it")) == {"key": "search.depth"}


def test_a_file_that_cannot_be_read_has_no_key(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    assert filled(SpecError, lambda: load_spec(path)) == {"path": str(path)}
    path.write_text("net = ")
    assert filled(SpecError, lambda: load_spec(path)) == {"path": str(path)}


def test_a_study_that_nobody_knows_is_named() -> None:
    assert filled(SpecError, lambda: catalog.find("digits")) == {"study": "digits"}


def test_images_have_the_path_that_was_given(tmp_path: Path) -> None:
    gone, empty = tmp_path / "gone", tmp_path / "empty"
    empty.mkdir()
    assert filled(DataError, lambda: open_split("images", gone, "train")) == {"path": str(gone)}
    assert filled(DataError, lambda: check_images("images", empty)) == {"path": str(empty)}
    assert filled(DataError, lambda: open_split("images", None, "train")) == {}


def test_an_image_that_cannot_be_decoded_has_the_path_of_its_folder(tmp_path: Path, cache: Path) -> None:
    folder = make.write_folder(tmp_path / "data", {"train/a/0.png": b"none", "train/b/0.png": b"none"})
    assert filled(DataError, lambda: open_split("images", folder, "train")) == {"path": str(folder)}


@pytest.mark.usefixtures("database")
def test_a_study_that_is_missing_or_deleted_is_named_with_its_storage(tmp_path: Path) -> None:
    record = new_study(tmp_path)
    where = {"url": without_password(record.url)}
    assert filled(StudyError, lambda: open_study(record.url, "other")) == {"study": "other"} | where
    delete_study(record)
    assert filled(StudyError, record.attributes) == {"study": record.name} | where


def test_a_storage_is_named_without_its_password(tmp_path: Path) -> None:
    url = storage_url(str(tmp_path / "gone.db"))
    assert not is_server(url)
    assert filled(StorageError, lambda: open_storage(url)) == {"url": url}
    (tmp_path / "gone.db").write_text("no database at all, and long enough to be looked at")
    assert filled(StorageError, lambda: open_storage(url)) == {"url": url}
    nobody = "postgresql+psycopg://me:secret@127.0.0.1:1/db?connect_timeout=1&nonsense=1"
    assert filled(StorageError, lambda: open_storage(nobody)) == {"url": without_password(nobody)}
    assert "secret" not in without_password(nobody)


def test_the_place_of_files_is_named() -> None:
    assert filled(StorageError, lambda: location_of("gs://bucket")) == {"path": "gs://bucket"}
