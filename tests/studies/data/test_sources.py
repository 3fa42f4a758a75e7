import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.sources import DATASETS, Digits, find_source, open_split
from tests.studies import image_makers as make

DIGITS_TEST_PER_CLASS = [36, 37, 35, 37, 36, 36, 36, 36, 35, 36]
DIGITS_TEST_FINGERPRINT = "12b5444aa77b4f18ea16458e072c47bb12b8930e61438437646348c5d7879fd2"
TEN = [f"class{number}" for number in range(10)]


@pytest.mark.parametrize("dataset", ["emnist", "", "CIFAR10", "../digits"])
def test_an_unknown_name_is_answered_with_the_known_ones(dataset: str) -> None:
    with pytest.raises(DataError) as caught:
        find_source(dataset, None)
    assert str(caught.value) == (
        f"dataset {dataset!r}: must be one of 'digits', 'iris', 'wine', 'breast-cancer', 'letter-like', "
        "'cifar10', 'mnist', 'fashion-mnist', 'images', 'table', 'arrays'"
    )


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("name", ["missing.tar.gz", "with\0zero", "file/below"])
def test_a_path_that_is_not_there_is_named(tmp_path: Path, dataset: str, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as caught:
        find_source(dataset, tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")
    assert repr(dataset) in str(caught.value)


def test_images_need_a_path() -> None:
    with pytest.raises(
        DataError, match="'images' needs a folder or an archive of images: name it with --data PATH"
    ):
        find_source("images", None)


@pytest.mark.parametrize("dataset", ["digits", "iris", "wine", "breast-cancer", "letter-like"])
def test_what_comes_with_scikit_learn_takes_no_path(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(DataError, match=f"'{dataset}' comes with scikit-learn and takes no folder"):
        find_source(dataset, tmp_path)


def test_arrays_need_a_path() -> None:
    with pytest.raises(DataError, match=r"'arrays' needs a \.npz file or a folder: name it with --data PATH"):
        find_source("arrays", None)


def test_a_path_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    make.write_folder(tmp_path / "pets", make.image_files())
    assert len(open_split("images", Path("~/pets"), "train").images) == 6


@pytest.mark.parametrize("form", ["folder", "x.tar.gz", "x.zip"])
def test_images_of_ones_own_may_have_any_classes_and_shape(tmp_path: Path, form: str) -> None:
    cached = open_split("images", make.write_any(tmp_path / form, make.image_files()), "train")
    assert (cached.classes, cached.shape) == (("cat", "dog"), (4, 5, 3))


@pytest.mark.parametrize(("dataset", "shape"), [("cifar10", (32, 32, 3)), ("fashion-mnist", (28, 28))])
def test_a_named_data_set_may_come_as_image_files(tmp_path: Path, dataset: str, shape: tuple[int, ...]) -> None:
    archive = make.write_tar(tmp_path / "x.tar", make.image_files(TEN, shape=shape))
    cached = open_split(dataset, archive, "train")
    assert cached.shape == (*shape, 1)[:3]
    assert cached.classes == tuple(TEN)


@pytest.mark.parametrize(
    ("dataset", "classes", "shape"),
    [
        ("cifar10", TEN[:9], (32, 32, 3)),
        ("cifar10", TEN, (32, 32)),
        ("cifar10", TEN, (28, 28, 3)),
        ("fashion-mnist", TEN, (28, 28, 3)),
        ("fashion-mnist", [*TEN, "more"], (28, 28)),
    ],
)
def test_a_named_data_set_must_have_its_classes_and_shape(
    tmp_path: Path, dataset: str, classes: list[str], shape: tuple[int, ...]
) -> None:
    archive = make.write_tar(tmp_path / "x.tar", make.image_files(classes, shape=shape))
    with pytest.raises(DataError) as caught:
        open_split(dataset, archive, "train")
    expected = "(32, 32, 3)" if dataset == "cifar10" else "(28, 28, 1)"
    assert str(caught.value) == (
        f"{archive}: {len(classes)} classes of images of shape {(*shape, 1)[:3]} (height, width, channels): "
        f"{dataset} has 10 classes of {expected}"
    )


def test_finding_a_source_decodes_nothing(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"not an archive")
    find_source("images", tmp_path / "x.tar")
    assert not cache.exists()


# --- digits ---


def test_digits_are_rescaled_to_bytes() -> None:
    from sklearn.datasets import load_digits

    train, test = Digits().decode("train"), Digits().decode("test")
    assert train.shape == (8, 8, 1)
    assert train.classes == tuple("0123456789")
    together = np.concatenate([train.images, test.images])
    assert together.dtype == np.uint8
    assert (together.min(), together.max()) == (0, 255)
    back = together / 255 * 16
    np.testing.assert_allclose(back, np.rint(back), atol=0.04)  # 16 steps of 255/16, rounded to whole bytes
    original = load_digits().data
    np.testing.assert_array_equal(np.unique(np.rint(back), axis=0), np.unique(original, axis=0))


def test_digits_are_the_same_where_scikit_learn_keeps_them_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Digits().decode("train")
    monkeypatch.setattr("mlpsearch.studies.data.sources.find_spec", lambda _: None)
    again = Digits().decode("train")
    np.testing.assert_array_equal(again.images, found.images)
    np.testing.assert_array_equal(again.labels, found.labels)


def test_digits_are_read_without_what_takes_a_second_to_import() -> None:
    code = (
        "import sys; from mlpsearch.studies.data.sources import Digits; Digits().decode('train'); "
        "sys.exit('sklearn' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_digits_hold_out_the_same_360_for_good() -> None:
    cached = open_split("digits", None, "test")
    assert len(cached.images) == 360
    assert np.bincount(cached.labels).tolist() == DIGITS_TEST_PER_CLASS
    assert cached.fingerprint == DIGITS_TEST_FINGERPRINT, "the test split has changed"
