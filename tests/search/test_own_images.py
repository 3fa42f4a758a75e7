"""A study of the user's own images: what is said of them before the search, and how it ends."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.search.dashboard.note import note
from mlpsearch.search.export.exported_data import ExportedImages
from mlpsearch.search.export.prediction import load_classifier
from mlpsearch.search.report.comparison import compare
from mlpsearch.search.report.study_report import report_page
from mlpsearch.search.service import evaluate
from mlpsearch.search.workers.worker import serve_one
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data.images.decoding import decode_image
from mlpsearch.studies.record import StudyRecord, open_study, study_names
from mlpsearch.studies.spec.image_options import ImageOptions
from mlpsearch.studies.storage.opening import open_storage
from mlpsearch.studies.study_data import load_spec_data, load_study_data, source_of
from tests.search.conftest import Command
from tests.search.export.reading import read_export
from tests.search.makers import never
from tests.studies.image_makers import colour_pixels, encode, image_files, turned, without_pixels, write_folder
from tests.studies.stores import new_storage, spec

STUDY_FILE = """
name = "own"
net = "numpy"
dataset = "images"
data = "images"
[budget]
trials = 1
epochs = 1
[search]
hidden_size = { low = 4, high = 8 }
[fixed]
batch_size = 2
"""


def own_study(tmp_path: Path, files: dict[str, bytes], **more: Any) -> StudyRecord:
    """A study of one trial on these images, searched."""
    folder = write_folder(tmp_path / "images", files)
    fixed = {"batch_size": 2}
    specification = spec(trials=1, epochs=1, dataset="images", data=str(folder), fixed=fixed, **more)
    source = source_of(load_spec_data(specification, folder), folder)
    record = create_or_resume(new_storage(tmp_path / "storage"), specification, trials=None, source=source)
    serve_one(record, never)
    return record


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a study file is, beside its images."""
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(STUDY_FILE)
    return tmp_path / "images"


@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_fault_of_the_test_images_is_one_line_before_anything_is_made(
    folder: Path, mlpsearch: Command, command: str
) -> None:
    write_folder(folder, image_files() | {"test/cat/000.png": b"broken"})
    answer = mlpsearch(command, "own.toml", "--storage", "x.db")
    expected = f"error: {folder}: 'test/cat/000.png': not an image (BMP, GIF, JPEG, PNG, TIFF, WEBP)\n"
    assert (answer.code, answer.out, answer.err) == (1, "", expected)
    assert not Path("x.db").exists()


def test_what_is_done_to_the_images_is_said_before_the_search(folder: Path, mlpsearch: Command) -> None:
    files = image_files(val=2) | {"train/dog/000.jpg": turned(colour_pixels(0), 3)}
    files["test/cat/000.png"] = without_pixels(files["test/cat/000.png"])  # which nobody has decoded yet
    files["val/cat/000.png"] = files["train/dog/000.png"]
    write_folder(folder, files)
    answer = mlpsearch("submit", "own.toml", "--storage", "x.db")
    assert answer.code == 0
    assert answer.err.splitlines()[:3] == [
        f"{folder}: val/ is the validation split, 4 images",
        f"{folder}: 1 of 15 images are turned as their EXIF data say",
        "1 of 4 images in val/ are also in train/: they favour what is learnt by heart",
    ]
    assert study_names(open_storage("sqlite:///x.db")) == ["own"]


def test_a_number_beside_a_validation_folder_is_refused(folder: Path, mlpsearch: Command) -> None:
    write_folder(folder, image_files(val=2))
    Path("own.toml").write_text("validation = 2\n" + STUDY_FILE)
    answer = mlpsearch("submit", "own.toml", "--storage", "x.db")
    assert answer.code == 1
    assert (
        f"error: {folder}: has a validation split, val/ with 4 images, and validation = 2 asks for" in answer.err
    )


def test_a_study_with_a_validation_folder_ends_as_any_other(folder: Path, mlpsearch: Command) -> None:
    write_folder(folder, image_files(val=2))
    storage = ("--storage", "x.db")
    assert mlpsearch("run", "own.toml", "--workers", "1", *storage).code == 0
    record = open_study("sqlite:///x.db", "own")
    assert record.attributes()["source"]["validation"] == {"folder": "val", "images": 4}
    assert "| validation | 4 images, those in `val/` |" in note(record)
    assert "4 images, those in val/" in report_page(record).decode()
    assert mlpsearch("confirm", "own", "--top", "1", "--seeds", "2", "--workers", "1", *storage).code == 0
    assert mlpsearch("export", "own", "-o", "best", *storage).code == 0
    exported = read_export(Path("best"))
    assert (exported.data.validation, exported.data.validation_folder) == (4, "val")
    assert "the same weights bit for bit" in mlpsearch("train", "best").out
    (folder / "val" / "cat" / "000.png").write_bytes(encode(colour_pixels(9)))
    assert "their fingerprint is" in mlpsearch("train", "best").err


def test_the_number_that_is_meant_without_one_is_no_other_specification(folder: Path, mlpsearch: Command) -> None:
    write_folder(folder, image_files(train=1100, shape=(2, 2)))
    assert mlpsearch("submit", "own.toml", "--storage", "x.db").code == 0
    record = open_study("sqlite:///x.db", "own")
    assert record.validation_split() == (1000, None)
    Path("own.toml").write_text("validation = 1000\n" + STUDY_FILE)
    assert mlpsearch("submit", "own.toml", "--storage", "x.db").code == 0
    Path("own.toml").write_text("validation = 999\n" + STUDY_FILE)
    assert "validation: 1000 → 999" in mlpsearch("submit", "own.toml", "--storage", "x.db").err


def test_images_that_an_earlier_version_read_otherwise_are_named(tmp_path: Path) -> None:
    files = image_files() | {"train/dog/000.jpg": turned(colour_pixels(0), 3)}
    record = own_study(tmp_path, files, validation=2)
    record.set("source", record.attributes()["source"] | {"fingerprint": "0" * 64})
    with pytest.raises(DataError) as caught:
        load_study_data(record)
    assert str(caught.value).endswith(
        f"; {tmp_path}/images: 1 of 11 images are turned as their EXIF data say "
        "(versions up to 0.1 read such images otherwise: then make a new study)"
    )


# ---- test images that are training images ----


def test_known_test_images_are_shown_wherever_the_test_accuracy_is(tmp_path: Path, mlpsearch: Command) -> None:
    files = image_files()
    files["test/cat/000.png"] = files["train/cat/001.png"]
    record = own_study(tmp_path, files, validation=2)
    report = evaluate(record, "mlpsearch evaluate mine")
    assert (report.images, report.also_in_training) == (4, 1)
    expected = "1 of 4 test images are also training or validation images"
    storage = ("--storage", record.url)
    assert f"\nbeware: {expected}\n" in mlpsearch("status", "mine", *storage).out
    (test,) = json.loads(mlpsearch("status", "mine", "--json", *storage).out)["tests"]
    assert test["also_in_training"] == 1
    assert f"**Beware:** {expected}." in note(record)
    assert f"Beware: {expected}." in report_page(record).decode()
    other = create_or_resume(
        record.url,
        record.spec.model_copy(update={"name": "other"}),
        trials=None,
        source=record.attributes()["source"],
    )
    assert f"mine: {expected}." in compare([record, other]).warnings
    assert mlpsearch("export", "mine", "-o", "best", *storage).code == 0
    tested = read_export(Path("best")).accuracy.test
    assert tested is not None
    assert tested.also_in_training == 1


def test_nothing_is_said_where_no_test_image_is_known(tested: StudyRecord, mlpsearch: Command) -> None:
    """Nor of openings that nobody counted in."""
    for count in (0, None):
        (test,) = tested.attributes()["tests"]
        tested.set("tests", [test | {"also_in_training": count}])
        assert "eware" not in note(tested) + report_page(tested).decode()
        assert "beware" not in mlpsearch("status", "mine", "--storage", tested.url).out


# ---- photos of any size and kind ----

RESIZED = STUDY_FILE.replace(
    'data = "images"', 'data = "images"\nimage_size = 6\nimage_fit = "crop"\nvalidation = 0.25'
)


def photos() -> dict[str, bytes]:
    """Of two classes, dark and bright, in sizes and kinds of their own."""
    kinds = ("JPEG", "PNG", "WEBP", "GIF", "TIFF")
    return {
        f"{name}/{number}.{kinds[number % 5].lower()}": encode(
            (colour_pixels(number, 5 + number, 20 - number) // 4 + 190 * (name == "bright")).astype("uint8"),
            kinds[number % 5],
        )
        for name in ("bright", "dark")
        for number in range(15)
    }


def test_photos_in_one_piece_end_as_a_net_that_takes_any_photo(folder: Path, mlpsearch: Command) -> None:
    write_folder(folder, photos())
    Path("own.toml").write_text(RESIZED)
    storage = ("--storage", "x.db")
    answer = mlpsearch("run", "own.toml", "--workers", "1", *storage)
    assert answer.code == 0
    assert answer.err.splitlines()[:2] == [
        f"{folder}: 6 of 30 images are held out as the test split, by a seed that never changes",
        f"{folder}: 30 of 30 images are resized to 6×6 pixels, cut to the square in their middle",
    ]
    assert "warning: 6 for validation are few" in answer.err
    assert open_study("sqlite:///x.db", "own").attributes()["tests"][0]["images"] == 6
    assert mlpsearch("export", "own", "-o", "best", "--onnx", *storage).code == 0
    exported = read_export(Path("best"))
    assert exported.data.images == ExportedImages(size=6, fit="crop")
    assert exported.data.shape == (6, 6, 3)
    assert "the same weights bit for bit" in mlpsearch("train", "best").out

    paths = [*sorted((folder / "dark").iterdir()), Path("new.webp"), Path("turned.jpg")]
    Path("new.webp").write_bytes(encode(colour_pixels(99, 300, 200), "WEBP"))
    Path("turned.jpg").write_bytes(turned(colour_pixels(98, 40, 30), 6))
    net = load_classifier(Path("best"))
    expected = net.predict_proba(paths)
    answers = json.loads(mlpsearch("predict", "best", *map(str, paths), "--json").out)["predictions"]
    for row, one in zip(expected, answers, strict=True):
        assert one["classes"][0]["probability"] == pytest.approx(row.max(), rel=1e-6)
    pixels = net.read(paths)
    as_trained = [decode_image(path.read_bytes(), "x", ImageOptions(size=6, fit="crop")) for path in paths]
    np.testing.assert_array_equal(pixels, np.stack(as_trained).reshape(len(paths), -1))
    session = onnxruntime.InferenceSession("best/model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": pixels.reshape(-1, 6, 6, 3)})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert json.loads(session.get_modelmeta().custom_metadata_map["images"]) == {
        "size": 6,
        "fit": "crop",
        "channels": None,
    }


def test_a_check_says_what_becomes_of_the_images(folder: Path, mlpsearch: Command) -> None:
    write_folder(folder, photos())
    Path("own.toml").write_text(RESIZED.replace("image_size", "channels = 1\nimage_size"))
    answer = mlpsearch("check", "own.toml", "--json")
    assert answer.code == 0
    said = json.loads(answer.out)
    assert (said["training"], said["validation"], said["inputs"]) == (18, 6, 36)
    assert any("are held out as the test split" in remark for remark in said["remarks"])
    Path("own.toml").write_text(RESIZED.replace('image_size = 6\nimage_fit = "crop"', ""))
    answer = mlpsearch("check", "own.toml")
    assert answer.code == 1
    assert "all images must have one size; image_size = 32 in the study file" in answer.err
    assert len(answer.err.splitlines()) == 1


def test_another_size_is_another_study(folder: Path, mlpsearch: Command) -> None:
    write_folder(folder, photos())
    Path("own.toml").write_text(RESIZED)
    assert mlpsearch("submit", "own.toml", "--storage", "x.db").code == 0
    Path("own.toml").write_text(RESIZED.replace("image_size = 6", "image_size = 7"))
    answer = mlpsearch("submit", "own.toml", "--storage", "x.db")
    assert answer.code == 1
    assert "image_size: 6 → 7" in answer.err
    Path("own.toml").write_text("test = 0.3\n" + RESIZED)
    assert "training images: " in mlpsearch("submit", "own.toml", "--storage", "x.db").err
