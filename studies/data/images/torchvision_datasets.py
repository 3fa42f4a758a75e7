"""CIFAR-10, MNIST and FashionMNIST in torchvision's layout on disk, downloaded by it where they are missing.

    <root>/cifar-10-batches-py/*                      CIFAR-10; torchvision checks its checksums
    <root>/MNIST/raw/*-ubyte or *-ubyte.gz            MNIST
    <root>/FashionMNIST/raw/*-ubyte or *-ubyte.gz     FashionMNIST

The files of the last two are plain arrays (arrays/idx.py) and are not read by torchvision, so that nothing needs
unpacking into a folder of the user's, and who has them does not wait for torch to start.
"""

import contextlib
import http.client
import socket
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.arrays.idx import idx_shape, read_idx
from mlpsearch.studies.data.decoded import DataSource, DecodedImages, SplitName, digest_of_files
from mlpsearch.studies.data.image_cache import cache_folder, cache_lock

LOCAL_ROOT = Path("data")
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
CIFAR10_FOLDER = "cifar-10-batches-py"
_CIFAR10_FILES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")
FASHION_MNIST_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
_PATIENCE_SECONDS = 30.0
_kept_alive: list[object] = []


@dataclass(frozen=True, slots=True)
class IdxKind:
    """A data set in IDX files of 28×28 pixels.  dataset: what studies call it.  name: what torchvision does."""

    dataset: str
    name: str
    classes: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where torchvision keeps its files, below its root."""
        return Path(self.name) / "raw"


MNIST = IdxKind("mnist", "MNIST", tuple("0123456789"))
FASHION_MNIST = IdxKind("fashion-mnist", "FashionMNIST", FASHION_MNIST_CLASSES)


def find_cifar10(data: Path | None) -> DataSource | None:
    """CIFAR-10 in torchvision's layout in `data`, or None; without it, where it is or gets downloaded."""
    if data is not None:
        return Cifar10(data, download=False) if (data / CIFAR10_FOLDER).is_dir() else None
    if (LOCAL_ROOT / CIFAR10_FOLDER).is_dir():
        return Cifar10(LOCAL_ROOT, download=False)
    return Cifar10(download_root(), download=True)


def find_fashion_mnist(data: Path | None) -> DataSource | None:
    """FashionMNIST's files in `data`, or None; without it, where they are or get downloaded."""
    return _find_idx(FASHION_MNIST, data, DEBIAN_FASHION_MNIST)


def find_mnist(data: Path | None) -> DataSource | None:
    """MNIST's files in `data`, or None; without it, where they are or get downloaded."""
    return _find_idx(MNIST, data)


def _find_idx(kind: "IdxKind", data: Path | None, *others: Path) -> DataSource | None:
    places = [LOCAL_ROOT / kind.folder, *others] if data is None else [data / kind.folder, data]
    for place in places:
        if any(place.glob("*-ubyte")) or any(place.glob("*-ubyte.gz")):
            return IdxImages(kind, place)
    return DownloadedIdx(kind) if data is None else None


def download_root() -> Path:
    """Where torchvision downloads to."""
    return cache_folder() / "torchvision"


class Cifar10:
    """CIFAR-10 as torchvision keeps it, as a source."""

    def __init__(self, root: Path, *, download: bool) -> None:
        self._root = root
        self._download = download

    def fingerprint(self, split: SplitName) -> str:  # noqa: ARG002 - there is only one CIFAR-10
        """A constant: torchvision refuses any files but the original ones, by their checksums."""
        return "torchvision CIFAR10"

    def decode(self, split: SplitName) -> DecodedImages:
        """All images of one split. Raises DataError for changed files and a failed download."""
        dataset = self._dataset(split)
        images = np.ascontiguousarray(dataset.data, dtype=np.uint8)
        labels = np.array(dataset.targets, dtype=np.int64)
        return DecodedImages(images.reshape(len(images), -1), labels, tuple(dataset.classes), (32, 32, 3))

    def check(self) -> list[str]:
        """Look whether the files are there; torchvision looks at their content when one split is decoded."""
        folder = self._root / CIFAR10_FOLDER
        if not self._download and not all((folder / name).is_file() for name in _CIFAR10_FILES):
            raise DataError(f"{folder}: incomplete, or not the original files")
        return []

    def _dataset(self, split: SplitName) -> Any:
        if self._download:
            with _downloading("cifar10") as datasets:
                return datasets.CIFAR10(self._root, train=split == "train", download=True)
        datasets = import_datasets()
        try:
            with _quiet():
                return datasets.CIFAR10(self._root, train=split == "train", download=False)
        except (OSError, RuntimeError) as error:
            folder = self._root / CIFAR10_FOLDER
            raise DataError(f"{folder}: incomplete, or not the original files") from error


class IdxImages:
    """MNIST's or FashionMNIST's files in a folder, as a source; only those of the split asked for are touched."""

    def __init__(self, kind: IdxKind, folder: Path) -> None:
        self._kind = kind
        self._folder = folder

    def fingerprint(self, split: SplitName) -> str:
        """From the files' bytes."""
        return f"{self._kind.name} files " + digest_of_files(*self._files(split))

    def decode(self, split: SplitName) -> DecodedImages:
        """All images of one split. Raises DataError for files that are missing or damaged."""
        image_file, label_file = self._files(split)
        images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
        _refuse_other_shapes(image_file, images.shape, len(labels))
        if labels.max() >= len(self._kind.classes):
            raise DataError(f"{label_file}: label {labels.max()}: must be from 0 to 9")
        images = images.reshape(len(images), -1)
        return DecodedImages(images, labels.astype(np.int64), self._kind.classes, (28, 28, 1))

    def check(self) -> list[str]:
        """Look at the headers of all files. Raises DataError for what is missing or does not fit."""
        splits: tuple[SplitName, ...] = ("train", "test")
        for split in splits:
            image_file, label_file = self._files(split)
            _refuse_other_shapes(image_file, idx_shape(image_file, 3), idx_shape(label_file, 1)[0])
        return []

    def _files(self, split: SplitName) -> tuple[Path, Path]:
        prefix = "train" if split == "train" else "t10k"
        return self._file(f"{prefix}-images-idx3-ubyte"), self._file(f"{prefix}-labels-idx1-ubyte")

    def _file(self, name: str) -> Path:
        for other in (name, name.replace("-idx", ".idx")):
            for candidate in (self._folder / other, self._folder / f"{other}.gz"):
                if candidate.is_file():
                    return candidate
        raise DataError(f"{self._folder}: no file {name} or {name}.gz")


class DownloadedIdx:
    """MNIST or FashionMNIST where torchvision has downloaded it, or will, as a source."""

    def __init__(self, kind: IdxKind) -> None:
        self._kind = kind

    def fingerprint(self, split: SplitName) -> str:  # noqa: ARG002 - there is only one of its name
        """A constant: torchvision refuses a download that is not the original, by its checksum."""
        return f"torchvision {self._kind.name}"

    def decode(self, split: SplitName) -> DecodedImages:
        """All images of one split, downloaded first if need be. Raises DataError where that fails."""
        with _downloading(self._kind.dataset) as datasets:
            getattr(datasets, self._kind.name)(download_root(), train=split == "train", download=True)
        return IdxImages(self._kind, download_root() / self._kind.folder).decode(split)

    def check(self) -> list[str]:
        """Nothing can be wrong with what torchvision downloads."""
        return []


def _refuse_other_shapes(image_file: Path, images: tuple[int, ...], labels: int) -> None:
    if images[0] != labels or images[1:] != (28, 28):
        raise DataError(f"{image_file}: {images} images for {labels} labels: must be as many of (28, 28)")


def import_datasets() -> Any:
    """torchvision.datasets.

    torchvision's wheel is built for CUDA torch. Beside a CPU torch its compiled part does not load, and the
    import fails at two operators that the datasets do not use: then their schemas are defined, and it is
    tried again.
    """
    try:
        from torchvision import datasets
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        _define_missing_operators()
        from torchvision import datasets
    return datasets


def _define_missing_operators() -> None:
    from torch.library import Library

    library: Any = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _kept_alive.append(library)  # the schemas go when it goes


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What torchvision prints goes to stderr, and what it warns of its own pickles goes nowhere."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _downloading(dataset: str) -> Iterator[Any]:
    """torchvision.datasets, while no other process downloads and a dead connection is noticed."""
    datasets = import_datasets()
    patience = socket.getdefaulttimeout()
    with cache_lock("torchvision"), _quiet():
        socket.setdefaulttimeout(_PATIENCE_SECONDS)
        try:
            yield datasets
        except (OSError, RuntimeError, EOFError, http.client.HTTPException) as error:
            raise DataError(
                f"{dataset} is not on this machine and cannot be downloaded to {download_root()}: "
                f"{' '.join(str(error).split())}: name a folder or an archive of it with --data PATH"
            ) from error
        finally:
            socket.setdefaulttimeout(patience)
