"""Arrays as a data set: images or tables, their labels and splits, and what is said of those that are no use."""

import gzip
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.arrays.source import array_source
from mlpsearch.studies.data.decoded import DecodedImages, SplitName
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.sources import check_images, find_source
from mlpsearch.studies.data.training import load_training, remarks_on
from tests.studies.data.arrays.makers import ROWS, images, table, with_test, write

FORMS = ["a.npz", "packed.npz", "folder"]


def made(tmp_path: Path, form: str, arrays: dict[str, NDArray[Any]]) -> Path:
    return write(tmp_path / form, arrays, packed=form == "packed.npz")


def decode(path: Path, split: SplitName = "train", test: float = 0.2) -> DecodedImages:
    return array_source(path, test).decode(split)


# ---- images ----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_arrays_of_bytes_with_height_and_width_are_images(
    tmp_path: Path, form: str, shape: tuple[int, ...]
) -> None:
    training, test = images(ROWS, *shape), images(12, *shape, seed=1)
    path = made(tmp_path, form, with_test(training, test))
    for split, arrays in (("train", training), ("test", test)):
        decoded = decode(path, split)  # type: ignore[arg-type]
        np.testing.assert_array_equal(decoded.images, arrays["X"].reshape(len(arrays["X"]), -1))
        np.testing.assert_array_equal(decoded.labels, arrays["y"])
        assert (decoded.classes, decoded.shape) == (("0", "1", "2"), (*shape, 1)[:3])
        assert decoded.table is None
    assert check_images("arrays", path) == [f"{path}: x_test and y_test are the test split, 12 rows"]


@pytest.mark.parametrize("make", [images, table])
def test_without_test_arrays_a_share_is_held_out_for_good(tmp_path: Path, make: Any) -> None:
    path = made(tmp_path, "a.npz", make())
    training, test = decode(path), decode(path, "test")
    assert (len(training.images), len(test.images)) == (32, 8)
    together = {row.tobytes() for part in (training, test) for row in np.ascontiguousarray(part.images)}
    assert len(together) == ROWS
    np.testing.assert_array_equal(decode(path, "test").images, test.images)
    assert len(decode(path, "test", 0.5).images) == 20
    assert open_test_split("arrays", path).test.images.shape == test.images.shape


def test_arrays_in_fortrans_order_are_the_same(tmp_path: Path) -> None:
    arrays = images(ROWS, 4, 5, 3)
    first = decode(made(tmp_path, "a.npz", arrays))
    arrays["X"] = np.asfortranarray(arrays["X"])
    for form in ("b.npz", "folder"):
        np.testing.assert_array_equal(decode(made(tmp_path, form, arrays)).images, first.images)


def idx(array: NDArray[Any]) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", ["{}-{}-idx{}-ubyte", "{}-{}.idx{}-ubyte", "emnist-letters-{}-{}-idx{}-ubyte"])
@pytest.mark.parametrize("last", ["t10k", "test"])
def test_a_folder_of_idx_files_is_read(tmp_path: Path, zipped: bool, name: str, last: str) -> None:
    training, test = images(), images(12, seed=1)
    folder = tmp_path / "idx"
    folder.mkdir()
    for split, arrays in (("train", training), (last, test)):
        for kind, dimensions, array in (("images", 3, arrays["X"]), ("labels", 1, arrays["y"])):
            file = name.format(split, kind, dimensions) + (".gz" if zipped else "")
            (folder / file).write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    np.testing.assert_array_equal(decode(folder).images, training["X"].reshape(ROWS, -1))
    np.testing.assert_array_equal(decode(folder, "test").labels, test["y"])
    check_images("arrays", folder)


def test_idx_files_of_several_data_sets_are_refused(tmp_path: Path) -> None:
    for name in ("emnist-letters-train", "emnist-digits-train"):
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx(images()["X"]))
    with pytest.raises(DataError, match="files of several data sets, emnist-digits and emnist-letters"):
        decode(tmp_path)


def test_keras_mnist_is_mnist_in_any_form(tmp_path: Path) -> None:
    parts = [{"X": images(count, 28, 28)["X"], "y": np.arange(count) % 10} for count in (ROWS, 20)]
    npz = made(tmp_path, "mnist.npz", with_test(parts[0], parts[1]))
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for split, arrays in zip(("train", "t10k"), parts, strict=True):
        (folder / f"{split}-images-idx3-ubyte").write_bytes(idx(arrays["X"]))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(idx(arrays["y"]))
    options = {"validation": 10, "split_seed": 0}
    seen = {
        load_training(dataset, path, **options).fingerprint  # type: ignore[arg-type]
        for dataset, path in (
            ("mnist", npz),
            ("mnist", tmp_path),
            ("mnist", folder),
            ("arrays", npz),
            ("arrays", folder),
        )
    }
    assert len(seen) == 1
    assert open_test_split("mnist", npz).fingerprint == open_test_split("mnist", tmp_path).fingerprint
    other = made(tmp_path, "other.npz", images())
    with pytest.raises(DataError, match="mnist has 10 classes"):
        load_training("mnist", other, **options)  # type: ignore[arg-type]


# ---- tables ----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["<f8", "<f4", ">f4", "<f2", "<i8", ">i2", "|u1"])
def test_arrays_of_two_dimensions_are_tables_of_numbers(tmp_path: Path, form: str, dtype: str) -> None:
    arrays, others = table(), table(12, seed=1)
    for one in (arrays, others):
        one["X"] = (np.abs(one["X"]) * 20).astype(dtype)
    path = made(tmp_path, form, with_test(arrays, others))
    training, test = decode(path), decode(path, "test")
    np.testing.assert_array_equal(training.images, arrays["X"].astype(np.float64))
    np.testing.assert_array_equal(test.images, others["X"].astype(np.float64))
    assert training.images.dtype == np.float64
    assert training.table is not None
    assert [(one.name, one.kind) for one in training.table.columns] == [(f"x{i}", "number") for i in range(3)]
    assert (training.classes, training.shape) == (("0", "1"), (1, 3, 1))


def test_nan_is_missing_and_truth_values_are_numbers(tmp_path: Path) -> None:
    arrays = table()
    arrays["X"][::3, 1] = np.nan
    decoded = decode(made(tmp_path, "a.npz", with_test(arrays, table(9))))
    assert decoded.table is not None
    assert [one.has_missing for one in decoded.table.columns] == [False, True, False]
    np.testing.assert_array_equal(np.isnan(decoded.images[:, 1]), np.isnan(arrays["X"][:, 1]))
    arrays["X"] = arrays["X"] > 0
    whole = decode(made(tmp_path, "b.npz", arrays))
    assert whole.table is not None
    assert {one.kind for one in whole.table.columns} == {"number"}
    assert {*whole.images.ravel()} == {0.0, 1.0}


def looked_at(path: Path) -> list[str]:
    """What people are told before a search."""
    return [*check_images("arrays", path), *remarks_on(load_training("arrays", path, validation=8, split_seed=0))]


def test_columns_that_no_net_can_use_are_left_out_and_named(tmp_path: Path) -> None:
    arrays = table()
    arrays["X"] = np.column_stack([arrays["X"], np.full((ROWS, 30), 7.0), np.arange(ROWS)])
    path = made(tmp_path, "a.npz", arrays)
    remarks = looked_at(path)
    assert remarks[0] == f"{path}: 3 columns: 3 of numbers"
    assert remarks[1] == f"{path}: column 'x3' is left out: all its cells are 7"
    assert len(remarks) < 15
    assert decode(path).shape == (1, 3, 1)


# ---- labels ----


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array([10, 9, 2] * 14), ("2", "9", "10")),
        (np.array([10, 9, 2] * 14, ">u2"), ("2", "9", "10")),
        (np.array([-1.0, 1.0] * 21), ("-1", "1")),
        (np.array([True, False] * 21), ("false", "true")),
        (np.array(["b", " ä ", "B"] * 14), ("B", "b", "ä")),
        (np.array(["b", "ä"] * 21, ">U3"), ("b", "ä")),
        (
            np.array([b"yes", "nö".encode()] * 21),
            ("nö", "yes"),
        ),
        (np.arange(42).reshape(-1, 1) % 4, ("0", "1", "2", "3")),
    ],
)
@pytest.mark.parametrize("make", [images, table])
def test_labels_name_the_classes(
    tmp_path: Path, labels: NDArray[Any], classes: tuple[str, ...], make: Any
) -> None:
    arrays = make(42) | {"y": labels}
    assert decode(made(tmp_path, "a.npz", arrays)).classes == classes


@pytest.mark.parametrize("make", [images, table])
def test_rows_without_a_label_are_left_out_and_counted(tmp_path: Path, make: Any) -> None:
    arrays = make()
    arrays["y"] = np.where(np.arange(ROWS) % 8 == 0, np.nan, arrays["y"])
    path = made(tmp_path, "a.npz", arrays)
    assert any("5 " in remark and "left out" in remark for remark in looked_at(path))
    assert len(decode(path).images) + len(decode(path, "test").images) == 35


def test_a_hundred_numbers_are_classes_of_images(tmp_path: Path) -> None:
    arrays = images(400) | {"y": np.arange(400) % 100}
    assert len(decode(made(tmp_path, "a.npz", arrays)).classes) == 100


# ---- mistakes ----


def bad() -> list[tuple[dict[str, NDArray[Any]], str]]:
    x, y = images()["X"], images()["y"]
    numbers = table()["X"]
    other = with_test(images(), images())
    return [
        ({"a": x, "b": y}, r"has no X and y, and no x_train and y_train \(it has 'a', 'b'\): save it with numpy"),
        ({"X": x}, "has no X and y"),
        (
            with_test(images(), images()) | {"y_test": y[:5]},
            "x_test: has 40 rows of the shape .4, 5. for 5 labels",
        ),
        ({key: other[key] for key in ("x_train", "y_train", "x_test")}, "has only one of x_test and y_test"),
        (
            with_test(images(), images(9, 4, 6)),
            r"x_test: its rows have the shape \(4, 6\), those for training \(4, 5\)",
        ),
        (with_test(images(), table()), r"x_test: its rows have the shape \(3,\)"),
        (with_test(images(), images() | {"y": y + 1}), "y_test: has a class '3' that no training row has"),
        (with_test(table(), table() | {"y": y}), r"\(x_test\): has a class '2' that no training row has"),
        ({"X": x, "y": y[:-1]}, r"X: has 40 rows of the shape \(4, 5\) for 39 labels"),
        (
            {"X": x, "y": np.eye(40)},
            r"y: has the shape \(40, 40\), and one label a row is needed: .*argmax\(axis=1\)",
        ),
        (
            {"X": x / 255, "y": y},
            r"X: images must be bytes from 0 to 255, and these are float64.*astype\('uint8'\)",
        ),
        ({"X": images(ROWS, 3, 4, 5)["X"], "y": y}, r"images of 5 channels.*X\.transpose\(0, 2, 3, 1\)"),
        ({"X": images(ROWS, 4, 5, 4)["X"], "y": y}, "images of 4 channels, and 1 or 3 are allowed"),
        ({"X": np.array(["a"] * 40), "y": y}, "X: holds <U1, and rows of numbers are needed"),
        ({"X": np.zeros(40), "y": y}, r"X: has 40 rows of the shape \(\) for 40 labels"),
        ({"X": np.zeros((2, 20_001)), "y": y[:2]}, r"X: has the shape \(2, 20001\): at most 20,000 columns"),
        ({"X": x, "y": np.zeros(40, int)}, "'y' is '0' in all rows: at least 2 classes are needed"),
        ({"X": x, "y": np.full(40, np.nan)}, "y: has no label"),
        ({"X": numbers, "y": np.full(40, np.nan)}, "no row has a 'y'"),
        ({"X": np.ones((400, 2)), "y": np.arange(400)}, "'y' has 400 different numbers: that is a quantity"),
        ({"X": np.ones((40, 2)), "y": y}, r"nothing is left to learn from \(x0: all its cells are 1"),
        ({"X": x, "y": np.array(["a\x1b[2J", "b"] * 20)}, "the name must be printable"),
        ({"X": x, "y": np.array([b"\xff", b"b"] * 20)}, "y: has a label that is not text in UTF-8"),
        (
            {"X": x, "y": np.array([0xD800, 98] * 20, np.uint32).view("U1")},
            "y: has a label with letters that do not",
        ),
        (
            {"X": x, "y": np.array([2**31, 98] * 20, np.uint32).view("U1")},
            "y: has a label with letters that do not",
        ),
    ]


@pytest.mark.parametrize(("arrays", "message"), bad(), ids=[message[:50] for _, message in bad()])
@pytest.mark.parametrize("form", ["a.npz", "folder"])
def test_arrays_of_no_use_are_one_clear_line_before_the_search(
    tmp_path: Path, arrays: dict[str, NDArray[Any]], message: str, form: str
) -> None:
    path = made(tmp_path, form, arrays)
    with pytest.raises(DataError) as caught:
        looked_at(path)
    assert re.search(message, str(caught.value).replace(".npy:", ":"))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["data.csv", "data.npy", "data.pkl"])
def test_what_is_no_file_of_arrays_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        find_source("arrays", tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: ")


def test_a_share_beside_test_arrays_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path, "a.npz", with_test(images(), images()))
    with pytest.raises(DataError, match=r"has x_test and y_test, and test = 0\.3 asks for others"):
        decode(path, test=0.3)


def test_arrays_that_are_neither_are_named(tmp_path: Path) -> None:
    path = made(tmp_path, "a.npz", images() | {"names": np.arange(3)})
    assert check_images("arrays", path) == [f"{path}: passed over: 'names'"]


def test_images_are_told_that_arrays_have_a_data_set_of_their_own(tmp_path: Path) -> None:
    path = made(tmp_path, "a.npz", images())
    with pytest.raises(DataError, match=r"a\.npz: holds arrays, which dataset = 'arrays' reads"):
        find_source("images", path)


# ---- fingerprints ----


@pytest.mark.parametrize("make", [images, table])
def test_the_fingerprint_is_of_what_the_arrays_hold(tmp_path: Path, make: Any) -> None:
    options = {"validation": 5, "split_seed": 0}
    forms = [made(tmp_path, form, make()) for form in FORMS]
    seen = {load_training("arrays", path, **options).fingerprint for path in forms}  # type: ignore[arg-type]
    assert len(seen) == 1
    changed = make()
    changed["X"][:, 1] = 99
    changed["X"][0, 1] = 98
    changed = write(tmp_path / "changed.npz", changed)
    assert load_training("arrays", changed, **options).fingerprint not in seen  # type: ignore[arg-type]
    source = find_source("arrays", changed).fingerprint("train")
    write(changed, make())
    assert find_source("arrays", changed).fingerprint("train") != source
