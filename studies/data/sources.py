"""From the name of a data set, and a path where there is one, to its decoded images.

    digits          scikit-learn's 8×8 digits; takes no path
    iris, wine, breast-cancer, letter-like    scikit-learn's tables, and one that it makes; take no path
    cifar10         --data: images in a folder or an archive, or torchvision's layout; else see find_cifar10
    mnist           --data: images, the folder with its four files, or Keras' mnist.npz; else see find_mnist
    fashion-mnist   --data: images, or the folder with its four files; else see find_fashion_mnist
    images          --data: images in a folder, an archive or Parquet files
    table           --data: a file of rows (tables/files.py)
    arrays          --data: a .npz file, or a folder of .npy or IDX files (arrays/layout.py)

Only training.py and holdout.py import this module: each opens its own split and no other.
"""

import gzip
import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError, about
from mlpsearch.models.paths import write_atomically
from mlpsearch.studies.data.arrays.files import refuse_other_forms
from mlpsearch.studies.data.arrays.layout import holds_arrays, is_arrays
from mlpsearch.studies.data.arrays.source import array_source
from mlpsearch.studies.data.decoded import DataSource, DecodedImages, Source, SplitName
from mlpsearch.studies.data.image_cache import CachedImages, cache_folder, open_cached
from mlpsearch.studies.data.images.archives import ARCHIVE_SUFFIXES
from mlpsearch.studies.data.images.image_files import ImageFiles
from mlpsearch.studies.data.images.layout import IMAGE_SUFFIXES, ImageFolders
from mlpsearch.studies.data.images.parquet import SUFFIX, find_parquet
from mlpsearch.studies.data.images.splits import LabelledImages
from mlpsearch.studies.data.images.torchvision_datasets import (
    CIFAR10_FOLDER,
    find_cifar10,
    find_fashion_mnist,
    find_mnist,
)
from mlpsearch.studies.data.images.trees import open_tree
from mlpsearch.studies.data.stratified import split_rows
from mlpsearch.studies.data.tables.bundled import BundledTable
from mlpsearch.studies.data.tables.files import refuse_other_files
from mlpsearch.studies.data.tables.source import TableSource
from mlpsearch.studies.spec.image_options import DataOptions, ImageOptions
from mlpsearch.studies.spec.table_options import BUNDLED_TABLES, TEST_SHARE, TableOptions

DATASETS = ("digits", *BUNDLED_TABLES, "cifar10", "mnist", "fashion-mnist", "images", "table", "arrays")
_DIGITS_TEST_IMAGES = 360
_CHECK_VERSION = 1  # counts what check_images looks at
_DIGITS_SEED = 20_240_607  # with the number above it defines the test split: never change either
_CLASSES_AND_SHAPE = {
    "cifar10": (10, (32, 32, 3)),
    "mnist": (10, (28, 28, 1)),
    "fashion-mnist": (10, (28, 28, 1)),
}


def dataset_of(data: Path, *, has_label: bool) -> str:
    """Return which of "images", "table" and "arrays" a path is, by its name and, of a folder, the names in it.

    has_label: whether somebody names the column of the classes: then a Parquet file holds rows, and else images.
    Raises DataError for what is not there, for a folder that cannot be read, and for a file that is none of them,
    such as a pickle.
    """
    name = _existing(data).name.lower()
    if is_arrays(data) or (data.is_dir() and holds_arrays(data)):
        return "arrays"
    if data.is_dir() or name.endswith(ARCHIVE_SUFFIXES) or (name.endswith(SUFFIX) and not has_label):
        return "images"
    if name.endswith(IMAGE_SUFFIXES):
        raise DataError(f"{data}: is one image: name the folder that has a folder of images for each class")
    refuse_other_forms(data)
    refuse_other_files(data)
    return "table"


def open_split(
    dataset: str, data: Path | None, split: SplitName, options: DataOptions | None = None
) -> CachedImages:
    """One split of a data set, through the cache.

    dataset: one of DATASETS.
    data: the user's folder or archive, or None.
    options: how a table, or images of the user's own, are read.
    Raises DataError for an unknown name, a path that is missing or not allowed, and images that are not.
    """
    with about(path=data):
        return _open_split(dataset, data, split, options)


def _open_split(dataset: str, data: Path | None, split: SplitName, options: DataOptions | None) -> CachedImages:
    cached = open_cached(find_source(dataset, data, options), split)
    found = len(cached.classes), cached.shape
    if found != _CLASSES_AND_SHAPE.get(dataset, found):
        classes, shape = _CLASSES_AND_SHAPE[dataset]
        raise DataError(
            f"{data}: {found[0]} classes of images of shape {found[1]} (height, width, channels): "
            f"{dataset} has {classes} classes of {shape}"
        )
    return cached


def open_beside(
    dataset: str, data: Path | None, split: SplitName, training: CachedImages, options: DataOptions | None = None
) -> CachedImages:
    """Another split than train; grey images beside training images in colour get three equal channels.

    training: the split train of the same data set.
    Raises DataError, as open_split does, and for images unlike the training images.
    """
    with about(path=data):
        return _open_beside(dataset, data, split, training, options)


def _open_beside(
    dataset: str, data: Path | None, split: SplitName, training: CachedImages, options: DataOptions | None
) -> CachedImages:
    source = find_source(dataset, data, options)
    cached = open_cached(source, split)
    if (*cached.shape[:2], 3) == training.shape != cached.shape:
        cached = open_cached(_InColour(source), split)
    if (cached.classes, cached.shape) != (training.classes, training.shape):
        raise DataError(
            f"{data or dataset}: {split} images of shape {cached.shape} (height, width, channels), "
            f"training images of {training.shape}: must be the same"
        )
    return cached


def check_images(dataset: str, data: Path | None, options: DataOptions | None = None) -> list[str]:
    """Look at all splits without decoding a pixel; return remarks for people, a line each.

    What was looked at once, and found to be right, is not looked at again while it stays as it is.
    Raises DataError for what would come up only after the search: splits, classes or images that are missing or
    not allowed.
    """
    with about(path=data):
        source = find_source(dataset, data, options)
        remarks = _checked(source) if isinstance(source, ImageFiles) else source.check()
    return [f"{data or dataset}: {remark}" for remark in remarks]


def _checked(source: ImageFiles) -> list[str]:
    """What its check says, from the cache where it was made before."""
    key = hashlib.sha256(json.dumps([_CHECK_VERSION, source.fingerprint_of_all()]).encode()).hexdigest()
    path = cache_folder() / f"check-{key[:32]}.json"
    remarks = _remembered(path)
    if remarks is None:
        remarks = source.check()
        with suppress(OSError):  # who cannot write the cache hears of it when the images are decoded
            write_atomically(path, json.dumps(remarks).encode())
    return remarks


def _remembered(path: Path) -> list[str] | None:
    try:
        remarks = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    sound = isinstance(remarks, list) and all(isinstance(remark, str) for remark in remarks)
    return remarks if sound else None


def find_source(dataset: str, data: Path | None, options: DataOptions | None = None) -> DataSource:
    """Where a data set comes from; nothing is decoded or downloaded yet. Raises DataError."""
    if dataset not in DATASETS:
        raise DataError(f"dataset {dataset!r}: must be one of {', '.join(map(repr, DATASETS))}")
    if data is not None:
        what = "rows" if dataset in ("table", "arrays") else "images"
        data = _existing(data.expanduser(), f" (the {what} of dataset {dataset!r})")
    if dataset in ("digits", *BUNDLED_TABLES):
        if data is not None:
            raise DataError(f"{data}: dataset {dataset!r} comes with scikit-learn and takes no folder or archive")
        return Digits() if dataset == "digits" else BundledTable(dataset)
    if dataset == "table":
        return _find_table(data, options)
    if dataset == "arrays" or (dataset == "mnist" and data is not None and is_arrays(data)):
        return _find_arrays(data, options)
    source: DataSource | None = None
    if dataset == "cifar10":
        source = find_cifar10(data)
    elif dataset == "mnist":
        source = find_mnist(data)
    elif dataset == "fashion-mnist":
        source = find_fashion_mnist(data)
    return source or _find_images(dataset, data, options)


def _existing(data: Path, what: str = "") -> Path:
    try:
        data.stat()
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{data}: {reason}{what}") from error
    return data


def _find_table(data: Path | None, options: DataOptions | None) -> DataSource:
    if data is None:
        raise DataError("dataset 'table' needs a file of rows: name it with --data PATH")
    if not isinstance(options, TableOptions):
        raise DataError(f"{data}: dataset 'table' needs the name of the column with the classes: label")
    return TableSource(data, options)


def _find_arrays(data: Path | None, options: DataOptions | None) -> DataSource:
    if data is None:
        raise DataError("dataset 'arrays' needs a .npz file or a folder: name it with --data PATH")
    share = TEST_SHARE if options is None or options.test is None else options.test
    if isinstance(share, str):
        raise DataError(f"{data}: test = {share!r}: of arrays, a share between 0 and 1 is needed")
    return array_source(data, share)


def _find_images(dataset: str, data: Path | None, options: DataOptions | None) -> DataSource:
    if data is None:
        raise DataError(f"dataset {dataset!r} needs a folder or an archive of images: name it with --data PATH")
    if dataset == "cifar10" and data.name.startswith("cifar-10-python.tar"):
        raise DataError(f"{data}: unpack it, and name the folder that {CIFAR10_FOLDER} is in")
    if is_arrays(data):
        raise DataError(f"{data}: holds arrays, which dataset = 'arrays' reads")
    return ImageFiles(_open_images(data), options if isinstance(options, ImageOptions) else None)


def _open_images(data: Path) -> LabelledImages:
    return find_parquet(data) or ImageFolders(open_tree(data))


@dataclass(frozen=True, slots=True)
class _InColour:
    """A source whose grey images have three equal channels."""

    source: Source

    def fingerprint(self, split: SplitName) -> str:
        """That of the source, in other words."""
        return f"in colour: {self.source.fingerprint(split)}"

    def decode(self, split: SplitName) -> DecodedImages:
        """All images of one split."""
        decoded = self.source.decode(split)
        return replace(decoded, images=np.repeat(decoded.images, 3, axis=1), shape=(*decoded.shape[:2], 3))


class Digits:
    """scikit-learn's digits as a source: 1,797 images of 8×8, their pixels 0–16 rescaled to 0–255.

    They come in one piece: 360 of them, stratified, are held out by a constant seed as the test split.
    """

    def check(self) -> list[str]:
        """Nothing can be wrong with them."""
        return []

    def fingerprint(self, split: SplitName) -> str:  # noqa: ARG002 - one version of scikit-learn holds both
        """scikit-learn's version."""
        return f"scikit-learn {version('scikit-learn')} digits"

    def decode(self, split: SplitName) -> DecodedImages:
        """All images of one split."""
        pixels, numbers = _digits()
        images, labels = np.rint(pixels * (255 / 16)).astype(np.uint8), numbers.astype(np.int64)
        training, test = split_rows(labels, _DIGITS_TEST_IMAGES, _DIGITS_SEED, "digits held out")
        rows = training if split == "train" else test
        return DecodedImages(images[rows], labels[rows], tuple(str(digit) for digit in range(10)), (8, 8, 1))


def _digits() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pixels (N, 64) and labels (N,), from scikit-learn's file: to import what reads it takes a second."""
    package = getattr(find_spec("sklearn"), "origin", None) or ""
    file = Path(package).parent / "datasets" / "data" / "digits.csv.gz"
    if not (package and file.is_file()):  # a version that keeps them elsewhere
        from sklearn.datasets import load_digits

        digits = load_digits()
        return digits.data, digits.target
    with gzip.open(file, "rt") as lines:
        table = np.loadtxt(lines, delimiter=",")
    return table[:, :-1], table[:, -1]
