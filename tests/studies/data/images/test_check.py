"""The look at all images before a search: what it refuses, what it remarks, and that it decodes no pixel."""

import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.images import check as image_check
from mlpsearch.studies.data.images.image_files import ImageFiles
from mlpsearch.studies.data.images.layout import ImageFolders
from mlpsearch.studies.data.images.trees import open_tree
from mlpsearch.studies.data.training import check_images, load_training
from tests.studies import image_makers as make
from tests.studies.image_makers import colour_pixels, encode, grey_pixels, turned, without_pixels

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


@pytest.fixture(params=["folder", "x.tar.gz", "x.zip"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        check_images("images", path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def transparent(pixels: np.ndarray) -> bytes:
    alpha = np.full((*pixels.shape[:2], 1), 100, np.uint8)
    return encode(Image.fromarray(np.concatenate([pixels, alpha], axis=2), "RGBA"))


def test_sound_images_need_no_remark(place: Path) -> None:
    assert check_images("images", make.write_any(place, make.image_files())) == []


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("cow/1.png", encode(colour_pixels(0)), "has a class 'cow' that train does not have"),
        ("Cat/1.png", encode(colour_pixels(0)), "has a class 'Cat' that train does not have (it has 'cat')"),
        (
            "loose.png",
            encode(colour_pixels(0)),
            "has a file 'loose.png': every file there must be <class>/<image>",
        ),
        ("cat/notes.txt", b"", "has a file 'cat/notes.txt'"),
        ("cat/more/1.png", b"", "has a folder inside a class: 'cat/more'"),
        ("cat/9.png", encode(colour_pixels(0, 4, 6)), "cat/9.png' has 4×6 pixels (height × width), "),
        ("cat/9.png", b"", "cat/9.png': not an image (BMP, GIF, JPEG, PNG, TIFF, WEBP)"),
        ("cat/9.png", encode(colour_pixels(0))[:30], "cat/9.png': not an image (BMP, GIF, JPEG, PNG, TIFF, WEBP)"),
        ("cat/9.png", encode(np.full((4, 5), 40_000, np.uint16)), "cat/9.png': pixels of mode I;16: only 8 bits"),
        ("cat/9.png", encode(Image.new("RGB", (5000, 5000))), "cat/9.png': more than 16,777,216 pixels"),
    ],
)
def test_a_fault_of_any_split_shows_before_the_search(
    place: Path, split: str, name: str, content: bytes, what: str
) -> None:
    if split == "train" and "that train does not have" in what:
        pytest.skip("what train has is a class")
    make.write_any(place, make.image_files(val=1) | {f"{split}/{name}": content})
    assert what in refusal(place)


def test_a_data_set_without_test_images_is_refused(place: Path) -> None:
    assert "no test folder" in refusal(make.write_any(place, make.image_files(test=0)))


def test_an_empty_test_split_is_refused(tmp_path: Path) -> None:
    folder = make.write_folder(tmp_path / "folder", make.image_files(test=0))
    (folder / "test").mkdir()
    assert "test has no images" in refusal(folder)


def test_a_test_split_that_would_not_fit_into_memory_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_check, "MAX_SPLIT_BYTES", 6 * 4 * 5 * 3)
    message = refusal(make.write_any(place, make.image_files(test=4)))
    assert ": test: 8 images of 4×5 pixels would take more than" in message


@pytest.mark.parametrize("split", ["val", "test"])
def test_colour_where_all_training_images_are_grey_is_refused(place: Path, split: str) -> None:
    files = make.image_files(shape=(4, 5), val=1) | {f"{split}/cat/9.png": encode(colour_pixels(0))}
    message = refusal(make.write_any(place, files))
    assert f"{split}/cat/9.png' is in colour, and all images of train are grey" in message


def test_no_pixel_is_decoded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {name: without_pixels(content) for name, content in make.image_files(val=1).items()}
    make.write_any(place, files)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("pixels were decoded"))
    ImageFiles(ImageFolders(open_tree(place))).check()


def test_test_images_without_pixels_show_when_they_are_opened(tmp_path: Path) -> None:
    files = make.image_files()
    files["test/cat/000.png"] = without_pixels(files["test/cat/000.png"])
    path = make.write_any(tmp_path / "x.tar", files)
    assert check_images("images", path) == []
    with pytest.raises(DataError, match=r"test/cat/000\.png': not a readable image"):
        open_test_split("images", path)


def test_a_change_of_any_split_is_noticed(tmp_path: Path) -> None:
    folder = make.write_folder(tmp_path / "folder", make.image_files())
    for _ in range(2):
        assert check_images("images", folder) == []
    (folder / "test" / "cat" / "000.png").write_bytes(b"")
    assert "test/cat/000.png': not an image" in refusal(folder)
    (folder / "test" / "cat" / "000.png").unlink()
    assert check_images("images", folder) == []


def test_what_was_found_right_is_not_read_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = make.image_files()
    del files["test/cat/000.png"], files["test/cat/001.png"]
    make.write_any(place, files)
    first = check_images("images", place)
    assert first == [f"{place}: test has no images of class 'cat'"]
    monkeypatch.setattr(ImageFiles, "check", lambda self: pytest.fail("read again"))
    assert check_images("images", place) == first


def test_a_remembered_remark_names_the_archive_where_it_is_now(tmp_path: Path) -> None:
    archive = make.write_any(tmp_path / "x.tar", make.image_files(val=1))
    check_images("images", archive)
    moved = archive.rename(tmp_path / "y.tar")
    assert check_images("images", moved) == [f"{moved}: val/ is the validation split, 2 images"]


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b"[" * 10_000])
def test_a_damaged_memory_of_a_check_is_no_memory(tmp_path: Path, cache: Path, content: bytes) -> None:
    path = make.write_any(tmp_path / "x.tar", make.image_files())
    check_images("images", path)
    (memory,) = cache.glob("check-*.json")
    memory.write_bytes(content)
    assert check_images("images", path) == []
    assert memory.read_bytes() == b"[]"


def test_turned_and_transparent_images_are_counted(place: Path) -> None:
    files = make.image_files() | {
        "train/cat/000.jpg": turned(colour_pixels(1, 5, 4), 6),
        "test/dog/000.jpg": turned(colour_pixels(2), 3),
        "test/dog/001.png": transparent(colour_pixels(3)),
    }
    assert check_images("images", make.write_any(place, files)) == [
        f"{place}: 2 of 12 images are turned as their EXIF data say",
        f"{place}: 1 of 12 images have transparency: white is put behind them",
    ]


def test_the_size_is_that_of_the_turned_image(place: Path) -> None:
    files = make.image_files() | {"test/cat/000.jpg": turned(colour_pixels(1), 6)}
    assert "test/cat/000.jpg' has 5×4 pixels" in refusal(make.write_any(place, files))


# --- names of classes ---


@pytest.mark.parametrize(("train", "test"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_names_in_two_unicode_forms_are_one_class(place: Path, train: str, test: str) -> None:
    files = {
        name.replace("train/cat", f"train/{train}").replace("test/cat", f"test/{test}"): content
        for name, content in make.image_files().items()
    }
    make.write_any(place, files)
    assert check_images("images", place) == []
    data = open_test_split("images", place)
    assert data.classes == (COMPOSED, "dog")
    assert data.test.labels.tolist() == [0, 0, 1, 1]


def test_the_unicode_form_of_a_name_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    seen = set()
    for form in (COMPOSED, DECOMPOSED):
        files = {
            name.replace("cat", form).replace("dog", "cafz"): content
            for name, content in make.image_files().items()
        }
        path = make.write_any(tmp_path / f"{len(form)}.zip", files)
        seen.add(load_training("images", path, validation=2, split_seed=0).fingerprint)
    assert len(seen) == 1


@pytest.mark.parametrize("split", ["train", "test"])
def test_one_class_in_two_folders_is_refused(place: Path, split: str) -> None:
    files = make.image_files([COMPOSED, "dog"])
    files |= {f"{split}/{DECOMPOSED}/9.png": encode(colour_pixels(0))}
    expected = f"{split} has the folders 'cafe\\u0301' and 'caf\\xe9', one name in two Unicode normal forms"
    assert expected in refusal(make.write_any(place, files))


def test_names_that_differ_in_case_are_two_classes(place: Path) -> None:
    files = make.image_files(["a", "A"])
    assert check_images("images", make.write_any(place, files)) == []


# --- other data sets ---


def test_digits_need_no_look() -> None:
    assert check_images("digits", None) == []


def test_grey_test_images_beside_colour_are_spread(place: Path) -> None:
    grey = {name: encode(grey_pixels(number)) for number, name in enumerate(make.image_files())}
    files = make.image_files() | {name: content for name, content in grey.items() if name.startswith("test")}
    make.write_any(place, files)
    assert check_images("images", place) == []
    data = open_test_split("images", place)
    assert data.shape == (4, 5, 3)
    pixels = data.test.images.reshape(4, 4, 5, 3)
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 1])
    np.testing.assert_array_equal(pixels[..., 0], pixels[..., 2])
    assert len(np.unique(pixels[..., 0].reshape(4, -1), axis=0)) == 4


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    folder = make.write_folder(tmp_path / "folder", make.image_files())
    (folder / "test").chmod(0)
    assert "Permission denied" in refusal(folder)
