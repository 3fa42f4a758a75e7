"""The layouts of a data set: which folders are which split, and which images are held out for the test."""

from pathlib import Path

import numpy as np
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.images.decoding import decode_image
from mlpsearch.studies.data.training import TrainingData, check_images, load_training
from mlpsearch.studies.spec.image_options import ImageOptions
from tests.studies import image_makers as make
from tests.studies.image_makers import colour_pixels, encode, refusal, without_pixels


@pytest.fixture(params=["folder", "x.tar.gz", "x.zip"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def in_one_piece(top: str = "", cats: int = 20, dogs: int = 10) -> dict[str, bytes]:
    """Path → content of images that lie in folders of their classes alone."""
    names = [*(f"cat/{number:02}" for number in range(cats)), *(f"dog/{number:02}" for number in range(dogs))]
    return {f"{top}{name}.png": encode(colour_pixels(seed)) for seed, name in enumerate(names)}


def load(place: Path, options: ImageOptions | None = None, validation: int | None = 2) -> TrainingData:
    return load_training("images", place, validation=validation, split_seed=0, options=options)


# --- names of splits ---


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Train", "Valid", "Test"),
        ("training", "validation", "testing"),
        ("TRAINING", "VAL", "TESTING"),
    ],
)
@pytest.mark.parametrize("top", ["", "pets/"])
def test_splits_are_known_by_their_names(place: Path, train: str, val: str, test: str, top: str) -> None:
    renamed = {"train": train, "val": val, "test": test}
    files = {
        f"{top}{renamed[name.partition('/')[0]]}/{name.partition('/')[2]}": content
        for name, content in make.image_files(val=1).items()
    }
    make.write_any(place, files)
    assert check_images("images", place) == [f"{place}: {val}/ is the validation split, 2 images"]
    data = load(place, validation=None)
    assert (len(data.training), len(data.validation), data.validation_folder) == (6, 2, val)
    assert len(open_test_split("images", place).test) == 4


@pytest.mark.parametrize(("one", "other"), [("Training", "train"), ("test", "testing"), ("Val", "valid")])
def test_two_folders_of_one_meaning_are_refused(place: Path, one: str, other: str) -> None:
    files = make.image_files() | {f"{name}/cat/1.png": encode(colour_pixels(0)) for name in (one, other)}
    split = {"Training": "train", "test": "test", "Val": "validation"}[one]
    assert f"more than one {split} folder ({one!r}, {other!r})" in refusal(make.write_any(place, files))


@pytest.mark.parametrize("name", ["test", "Validation"])
def test_another_split_without_train_is_refused(place: Path, name: str) -> None:
    files = in_one_piece() | {f"{name}/cat/1.png": b""}
    assert f"no train folder beside {name!r}: images must be laid out as" in refusal(make.write_any(place, files))


# --- a test split that is held out ---


@pytest.mark.parametrize("top", ["", "pets/"])
def test_images_in_one_piece_are_split_by_class(place: Path, top: str) -> None:
    make.write_any(place, in_one_piece(top) | {f"{top}README.md": b"about them"})
    assert check_images("images", place) == [
        f"{place}: 6 of 30 images are held out as the test split, by a seed that never changes"
    ]
    data, held_out = load(place), open_test_split("images", place)
    assert data.classes == held_out.classes == ("cat", "dog")
    assert len(data.training) + len(data.validation) == 24
    assert np.bincount(data.training.labels).tolist() == [16, 8]
    assert held_out.test.labels.tolist() == [0, 0, 0, 0, 1, 1]
    every = [decode_image(content, "x").reshape(-1) for content in in_one_piece().values()]
    found = np.concatenate([data.training.images, held_out.test.images])
    assert sorted(map(bytes, found)) == sorted(map(bytes, every))


def test_the_test_images_are_always_the_same(tmp_path: Path) -> None:
    """In every form, whatever the order in an archive; they define what was tested on users' disks."""
    files = in_one_piece()
    places = [
        make.write_any(tmp_path / "folder", files),
        make.write_any(tmp_path / "x.tar", dict(reversed(files.items()))),
        make.write_any(tmp_path / "y.zip", in_one_piece("pets/")),
    ]
    assert len({open_test_split("images", place).fingerprint for place in places}) == 1
    held_out = {bytes(row) for row in open_test_split("images", places[0]).test.images}
    names = [name for name, content in files.items() if bytes(decode_image(content, "x").reshape(-1)) in held_out]
    assert names == HELD_OUT
    assert load(places[0]).fingerprint == load(places[1]).fingerprint == load(places[2]).fingerprint


HELD_OUT = ["cat/10.png", "cat/12.png", "cat/13.png", "cat/17.png", "dog/03.png", "dog/07.png"]


def test_the_study_file_says_how_many_are_held_out(place: Path) -> None:
    make.write_any(place, in_one_piece())
    options = ImageOptions(test=0.5)
    assert len(open_test_split("images", place, options).test) == 15
    assert len(load(place, options).training.labels) == 15
    assert "15 of 30 images are held out" in check_images("images", place, options)[0]


def test_a_share_of_train_may_be_held_out(place: Path) -> None:
    make.write_any(place, make.image_files(train=10, val=1, test=0))
    options = ImageOptions(test=0.2)
    assert "4 of 20 images are held out as the test split" in check_images("images", place, options)[1]
    data = load(place, options, validation=None)
    assert (len(data.training), len(data.validation)) == (16, 2)
    assert len(open_test_split("images", place, options).test) == 4


def test_train_without_test_and_without_a_share_is_refused_with_the_way_out(place: Path) -> None:
    message = refusal(make.write_any(place, make.image_files(test=0)))
    assert message.endswith(
        ": no test folder: add one, or let test = 0.2 in the study file hold out a share of train"
    )


def test_a_share_beside_a_test_folder_is_refused(place: Path) -> None:
    message = refusal(make.write_any(place, make.image_files()), ImageOptions(test=0.3))
    assert "has a test split, test/, and test = 0.3 asks for a share of the other images" in message


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_every_split_keeps_an_image_or_the_share_is_refused(tmp_path: Path, share: float) -> None:
    place, options = make.write_any(tmp_path / "folder", in_one_piece()), ImageOptions(test=share)
    if share < 0.5:
        assert len(open_test_split("images", place, options).test) == 1
    else:
        assert "test images = 30: must be from 1 to 28 (30 in all, of which each" in refusal(place, options)


def test_training_decodes_no_image_that_is_held_out(place: Path) -> None:
    """And fails at each of the others."""
    files = in_one_piece()
    for name in HELD_OUT:
        files[name] = without_pixels(files[name])
    make.write_any(place, files)
    check_images("images", place)
    assert len(load(place).training.labels) == 24
    with pytest.raises(DataError, match=rf"'{HELD_OUT[0]}': not a readable image"):
        open_test_split("images", place)


def test_what_a_held_out_file_holds_is_no_part_of_the_training_images(tmp_path: Path) -> None:
    place = make.write_any(tmp_path / "folder", in_one_piece())
    before = load(place).fingerprint
    for name in HELD_OUT:
        (place / name).write_bytes(b"changed")
    assert load(place).fingerprint == before


# --- mistakes ---


def test_a_class_folder_without_images_is_named(tmp_path: Path) -> None:
    place = make.write_any(tmp_path / "folder", in_one_piece())
    (place / "eel").mkdir()
    assert refusal(place) == f"{place}: class 'eel' has no images"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("cat/notes.txt", "has a file 'cat/notes.txt': every file there must be <class>/<image> (.bmp, "),
        ("loose.jpg", "has a file 'loose.jpg': every file there must be <class>/<image>"),
        ("docs/a.md", "has a file 'docs/a.md'"),
        ("cat/more/1.png", "has a folder inside a class: 'cat/more'"),
        ("c\x1b[31m/1.png", "the name must be printable"),
        ("cat/99.png", "'cat/99.png': not an image (BMP, GIF, JPEG, PNG, TIFF, WEBP)"),
    ],
)
def test_a_stray_file_is_named(place: Path, name: str, what: str) -> None:
    assert what in refusal(make.write_any(place, in_one_piece() | {name: b"x"}))


def test_a_single_class_is_refused(place: Path) -> None:
    assert "has 1 class folders: at least 2 are needed" in refusal(make.write_any(place, in_one_piece(dogs=0)))


def test_a_folder_of_images_without_classes_is_refused(place: Path) -> None:
    files = {f"{number}.png": encode(colour_pixels(number)) for number in range(3)}
    assert "no train folder: images must be laid out as <class>/*" in refusal(make.write_any(place, files))
