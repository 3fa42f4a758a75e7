from pathlib import Path

import numpy as np
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.images.decoding import decode_image
from mlpsearch.studies.data.training import load_training
from tests.studies import image_makers as make
from tests.studies.image_makers import encode, grey_pixels


def test_the_test_split_has_all_its_images() -> None:
    data = open_test_split("digits", None)
    assert len(data.test) == 360
    assert data.test.rows.tolist() == list(range(360))
    assert (data.shape, data.classes) == ((8, 8, 1), tuple("0123456789"))


def test_digits_of_training_and_test_are_together_all_digits() -> None:
    from sklearn.datasets import load_digits

    training, test = (
        load_training("digits", None, validation=100, split_seed=0).training,
        open_test_split("digits", None).test,
    )
    both = np.concatenate([training.images, test.images])
    original = np.rint(load_digits().data * 255 / 16).astype(np.uint8)
    np.testing.assert_array_equal(both[np.lexsort(both.T)], original[np.lexsort(original.T)])


@pytest.mark.parametrize("form", ["folder", "x.tar.gz", "x.zip"])
def test_the_test_split_of_image_files(tmp_path: Path, form: str) -> None:
    path = make.write_any(tmp_path / form, make.image_files(train=4, test=3))
    training, test = (
        load_training("images", path, validation=2, split_seed=0),
        open_test_split("images", path),
    )
    assert test.test.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert (test.classes, test.shape) == (training.classes, training.shape)
    assert test.fingerprint != training.fingerprint
    assert len(test.fingerprint) == 64


def test_test_images_unlike_the_training_images_are_refused(tmp_path: Path) -> None:
    grey = make.image_files(shape=(4, 5))
    files = {
        name: content if name.startswith("test") else grey[name] for name, content in make.image_files().items()
    }
    path = make.write_tar(tmp_path / "x.tar", files)
    with pytest.raises(DataError) as caught:
        open_test_split("images", path)
    assert str(caught.value) == (
        f"{path}: test images of shape (4, 5, 3) (height, width, channels), training images of (4, 5, 1): "
        "must be the same"
    )


def test_a_data_set_without_test_images_is_refused(tmp_path: Path) -> None:
    path = make.write_tar(tmp_path / "x.tar", make.image_files(test=0))
    with pytest.raises(DataError, match=r"x\.tar: no test folder"):
        open_test_split("images", path)


# --- test images that are training images too ---


def test_test_images_that_are_also_training_images_are_counted(tmp_path: Path) -> None:
    files = make.image_files(train=4, test=3)
    assert open_test_split("images", make.write_tar(tmp_path / "none.tar", files)).also_in_training == 0
    files["test/cat/000.png"] = files["train/cat/001.png"]
    files["test/cat/001.png"] = files["train/dog/002.png"]  # under another class
    files["test/dog/001.bmp"] = encode(decode_image(files["train/dog/003.png"], "x"), "BMP")  # in another form
    assert open_test_split("images", make.write_tar(tmp_path / "some.tar", files)).also_in_training == 3
    files = {name.replace("train/", "test/"): content for name, content in make.image_files(test=0).items()}
    path = make.write_tar(tmp_path / "all.tar", make.image_files(test=0) | files)
    assert open_test_split("images", path).also_in_training == 6


def test_one_image_among_the_test_images_twice_counts_twice(tmp_path: Path) -> None:
    files = make.image_files()
    files["test/cat/000.png"] = files["test/dog/001.png"] = files["train/cat/001.png"]
    assert open_test_split("images", make.write_tar(tmp_path / "x.tar", files)).also_in_training == 2


def test_test_images_that_are_also_validation_images_are_counted(tmp_path: Path) -> None:
    files = make.image_files(val=2)
    files["test/cat/000.png"] = files["val/cat/001.png"]
    assert open_test_split("images", make.write_tar(tmp_path / "x.tar", files)).also_in_training == 1


def test_grey_test_images_are_found_among_colour_ones(tmp_path: Path) -> None:
    grey = encode(grey_pixels(0))
    files = make.image_files(test=0) | {"train/cat/9.png": grey, "test/cat/1.png": grey, "test/dog/1.png": grey}
    assert open_test_split("images", make.write_tar(tmp_path / "x.tar", files)).also_in_training == 2


def test_no_digit_of_the_test_split_is_in_training() -> None:
    assert open_test_split("digits", None).also_in_training == 0
