"""Which arrays of a file or folder are the rows and the labels, by their names, shapes and types alone.

    FILE.npz              X and y; or x_train, y_train and, for the test, x_test, y_test (Keras' mnist.npz)
    FOLDER/*.npy          files of the same names
    FOLDER/*-ubyte[.gz]   [NAME-]train-images-idx3-ubyte, [NAME-]train-labels-idx1-ubyte and, for the test,
                          those of t10k or test

Names are in any case of letters. No number of an array is read here.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.arrays.files import (
    StoredArray,
    listed,
    npy_array,
    npz_arrays,
    reading,
    refuse_other_forms,
)
from mlpsearch.studies.data.arrays.idx import idx_array
from mlpsearch.studies.data.arrays.npy import SAVE

_TRAINING = (("x", "y"), ("x_train", "y_train"))
_TEST = ("x_test", "y_test")
_IDX = re.compile(r"(?:(.+)-)?(train|t10k|test)-(images|labels)[-.]idx([13])-ubyte(?:\.gz)?", re.IGNORECASE)
_IDX_NAMES = {"images": "x", "labels": "y"}
MAX_COLUMNS = 20_000
MAX_CELLS = 2**29  # of a table, which takes eight bytes for each


@dataclass(frozen=True, slots=True)
class Pair:
    """Rows and their labels: (N, …) and (N,) or (N, 1)."""

    x: StoredArray
    y: StoredArray

    @property
    def is_of_images(self) -> bool:
        """Whether the rows are images; they are rows of numbers else."""
        return len(self.x.shape) > 2

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of an image."""
        height, width, *channels = self.x.shape[1:]
        return height, width, channels[0] if channels else 1


@dataclass(frozen=True, slots=True)
class Arrays:
    """What a file or folder has.

    test: None where there are no test arrays.  left_out: names of arrays that are neither.
    """

    training: Pair
    test: Pair | None
    left_out: tuple[str, ...]

    @property
    def files(self) -> list[Path]:
        """All files that they are in."""
        pairs = [self.training, *([self.test] if self.test else [])]
        return sorted({array.path for pair in pairs for array in (pair.x, pair.y)})


def is_arrays(path: Path) -> bool:
    """Whether the name is that of a file of arrays."""
    return path.suffix.lower() in (".npz", ".npy")


def holds_arrays(folder: Path) -> bool:
    """Whether files in a folder have the names of arrays. Raises DataError for one that cannot be read."""
    with reading(folder):
        return any(is_arrays(file) or _IDX.fullmatch(file.name) for file in folder.iterdir())


def find_arrays(path: Path) -> Arrays:
    """Return the arrays of a .npz file or a folder.

    Raises DataError for what is neither, for arrays that are missing or do not belong together, and for types and
    shapes of which nothing can be learnt.
    """
    refuse_other_forms(path)
    found = _in_folder(path) if path.is_dir() else _in_file(path)
    names = next((names for names in _TRAINING if set(names) <= found.keys()), None)
    if names is None:
        raise DataError(f"{path}: has no X and y, and no x_train and y_train (it has {listed(found)}): {SAVE}")
    if len({*_TEST} & found.keys()) == 1:
        raise DataError(f"{path}: has only one of x_test and y_test")
    tests = names == _TRAINING[1] and set(_TEST) <= found.keys()
    training = _pair(found, names)
    test = _pair(found, _TEST) if tests else None
    if test is not None and test.x.shape[1:] != training.x.shape[1:]:
        shapes = f"{test.x.shape[1:]}, those for training {training.x.shape[1:]}"
        raise DataError(f"{test.x.where}: its rows have the shape {shapes}")
    used = {*names, *(_TEST if tests else ())}
    return Arrays(training, test, tuple(sorted(found.keys() - used)))


def _in_file(path: Path) -> dict[str, StoredArray]:
    if path.suffix.lower() == ".npy":
        raise DataError(f"{path}: is one array, without labels: name a folder with X.npy and y.npy, or {SAVE}")
    if path.suffix.lower() != ".npz":
        raise DataError(f"{path}: must be a .npz file, or a folder of .npy or IDX files")
    return npz_arrays(path)


def _in_folder(folder: Path) -> dict[str, StoredArray]:
    with reading(folder):
        files = sorted(file for file in folder.iterdir() if file.is_file())
    arrays = dict[str, StoredArray]()
    for file in files:
        if file.suffix.lower() != ".npy":
            continue
        if file.stem.lower() in arrays:
            raise DataError(f"{folder}: has two arrays {file.stem.lower()!r}, in other letters")
        arrays[file.stem.lower()] = npy_array(file)
    return arrays or _idx(folder, files)


def _idx(folder: Path, files: list[Path]) -> dict[str, StoredArray]:
    """MNIST's files; those of a data set by one name alone, where each may also be there unpacked."""
    arrays, prefixes = dict[str, StoredArray](), set[str | None]()
    for file in files:
        if (match := _IDX.fullmatch(file.name)) is None:
            continue
        prefix, split, kind, dimensions = match.groups()
        prefixes.add(prefix)
        name = f"{_IDX_NAMES[kind.lower()]}_{'train' if split.lower() == 'train' else 'test'}"
        if name not in arrays:  # X before X.gz
            arrays[name] = idx_array(file, int(dimensions))
    if len(prefixes) > 1:
        some = " and ".join(sorted(str(prefix) for prefix in prefixes)[:2])
        raise DataError(f"{folder}: has files of several data sets, {some}: give each a folder of its own")
    return arrays


def _pair(found: dict[str, StoredArray], names: tuple[str, str]) -> Pair:
    x, y = (found[name] for name in names)
    _check_rows(x)
    if len(y.shape) > 2 or (len(y.shape) == 2 and y.shape[1] != 1):
        raise DataError(
            f"{y.where}: has the shape {y.shape}, and one label a row is needed: of one-hot rows it is "
            "y.argmax(axis=1)"
        )
    if len(x.shape) < 2 or x.shape[0] != y.shape[0]:
        rows = f"{x.shape[0]:,} rows of the shape {x.shape[1:]}"
        raise DataError(f"{x.where}: has {rows} for {y.shape[0]:,} labels")
    return Pair(x, y)


def _check_rows(x: StoredArray) -> None:
    if x.dtype.kind not in "biuf":
        raise DataError(f"{x.where}: holds {x.dtype}, and rows of numbers are needed")
    if len(x.shape) == 2:
        if x.shape[1] > MAX_COLUMNS or x.shape[0] * x.shape[1] > MAX_CELLS:
            most = f"{MAX_COLUMNS:,} columns and {MAX_CELLS:,} numbers"
            raise DataError(f"{x.where}: has the shape {x.shape}: at most {most} are allowed")
    elif len(x.shape) > 2:
        _check_images(x)


def _check_images(x: StoredArray) -> None:
    if x.dtype != np.uint8:
        raise DataError(
            f"{x.where}: images must be bytes from 0 to 255, and these are {x.dtype}: "
            "of numbers from 0 to 1, save (X * 255).round().astype('uint8')"
        )
    if len(x.shape) == 4 and x.shape[3] not in (1, 3):
        hint = ": channels come last, as of X.transpose(0, 2, 3, 1)" if x.shape[1] in (1, 3) else ""
        raise DataError(f"{x.where}: has images of {x.shape[3]} channels, and 1 or 3 are allowed{hint}")
