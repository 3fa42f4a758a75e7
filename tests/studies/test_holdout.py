from pathlib import Path

import numpy as np
import pytest

from models.errors import DataError
from studies.datasets import load_training
from studies.holdout import open_test_split
from tests.studies import image_makers as make


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
        name: grey[name] if name.startswith("test") else content for name, content in make.image_files().items()
    }
    path = make.write_tar(tmp_path / "x.tar", files)
    with pytest.raises(DataError) as caught:
        open_test_split("images", path)
    assert str(caught.value) == (
        f"{path}: test images of shape (4, 5, 1) (height, width, channels), training images of (4, 5, 3): "
        "must be the same"
    )


def test_a_data_set_without_test_images_is_refused(tmp_path: Path) -> None:
    path = make.write_tar(tmp_path / "x.tar", make.image_files(test=0))
    with pytest.raises(DataError, match=r"x\.tar: no test folder"):
        open_test_split("images", path)
