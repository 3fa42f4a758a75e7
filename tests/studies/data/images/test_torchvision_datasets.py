"""CIFAR-10 and FashionMNIST in torchvision's layout; small stand-ins, and the real ones where they are."""

import gzip
import hashlib
import pickle
import shutil
import struct
import sys
import types
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.arrays.idx import read_idx
from mlpsearch.studies.data.decoded import SplitName
from mlpsearch.studies.data.images import torchvision_datasets
from mlpsearch.studies.data.images.torchvision_datasets import (
    DEBIAN_FASHION_MNIST,
    FASHION_MNIST_CLASSES,
    MNIST,
    import_datasets,
)
from mlpsearch.studies.data.sources import check_images, find_source, open_split

CIFAR10_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


@pytest.fixture(autouse=True)
def empty_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without a ./data, on a machine without Debian's package and without a network."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(torchvision_datasets, "DEBIAN_FASHION_MNIST", tmp_path / "not-there")
    monkeypatch.setattr(urllib.request, "urlopen", no_network)
    return folder


def no_network(*arguments: object, **options: object) -> None:
    raise urllib.error.URLError(OSError(-3, "Temporary failure in name resolution"))


def everything_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- FashionMNIST ---


def idx(array: NDArray[np.uint8]) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def write_fashion_mnist(folder: Path, *, zipped: bool = False) -> dict[str, NDArray[np.uint8]]:
    """FashionMNIST's four files with few images; returns the arrays by the beginning of their names."""
    generator = np.random.default_rng(0)
    arrays = {}
    folder.mkdir(parents=True)
    for prefix, count in (("train", 40), ("t10k", 20)):
        arrays[f"{prefix}-images-idx3"] = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{prefix}-labels-idx1"] = (np.arange(count) % 10).astype(np.uint8)
    for name, array in arrays.items():
        content = idx(array)
        file = folder / f"{name}-ubyte{'.gz' if zipped else ''}"
        file.write_bytes(gzip.compress(content) if zipped else content)
    return arrays


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("inner", ["FashionMNIST/raw", "."])
@pytest.mark.parametrize(("split", "prefix"), [("train", "train"), ("test", "t10k")])
def test_fashion_mnist_is_read_from_a_named_folder(
    tmp_path: Path, zipped: bool, inner: str, split: SplitName, prefix: str
) -> None:
    root = tmp_path / "mine"
    arrays = write_fashion_mnist(root / inner, zipped=zipped)
    before = everything_in(root)
    cached = open_split("fashion-mnist", root, split)
    np.testing.assert_array_equal(cached.images, arrays[f"{prefix}-images-idx3"].reshape(-1, 784))
    np.testing.assert_array_equal(cached.labels, arrays[f"{prefix}-labels-idx1"])
    assert (cached.classes, cached.shape) == (FASHION_MNIST_CLASSES, (28, 28, 1))
    assert everything_in(root) == before


def test_names_with_a_dot_before_idx_are_those_of_mnist_too(tmp_path: Path) -> None:
    arrays = write_fashion_mnist(tmp_path / "mine", zipped=True)
    for file in (tmp_path / "mine").iterdir():
        file.rename(file.with_name(file.name.replace("-idx", ".idx")))
    cached = open_split("mnist", tmp_path / "mine", "train")
    np.testing.assert_array_equal(cached.images, arrays["train-images-idx3"].reshape(-1, 784))
    assert cached.classes == tuple("0123456789")


def test_fashion_mnist_is_found_in_data_before_debians_place(
    tmp_path: Path, empty_working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    debian = tmp_path / "debian"
    write_fashion_mnist(debian, zipped=True)
    monkeypatch.setattr(torchvision_datasets, "DEBIAN_FASHION_MNIST", debian)
    from_debian = find_source("fashion-mnist", None).fingerprint("train")
    write_fashion_mnist(empty_working_folder / "data" / "FashionMNIST" / "raw")
    from_data = find_source("fashion-mnist", None).fingerprint("train")
    assert from_debian != from_data
    assert from_data == find_source("fashion-mnist", empty_working_folder / "data").fingerprint("train")


def test_the_training_split_does_not_need_the_test_files(tmp_path: Path) -> None:
    write_fashion_mnist(tmp_path / "mine")
    for file in (tmp_path / "mine").glob("t10k*"):
        file.unlink()
    assert len(open_split("fashion-mnist", tmp_path / "mine", "train").images) == 40
    with pytest.raises(DataError, match=r"mine: no file t10k-images-idx3-ubyte or t10k-images-idx3-ubyte\.gz"):
        open_split("fashion-mnist", tmp_path / "mine", "test")


def test_a_look_before_the_search_finds_test_files_that_are_missing_or_do_not_fit(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_fashion_mnist(folder)
    assert check_images("fashion-mnist", folder) == []
    images, labels = folder / "t10k-images-idx3-ubyte", folder / "t10k-labels-idx1-ubyte"
    labels.write_bytes(idx(np.zeros(19, np.uint8)))
    with pytest.raises(DataError, match=r"\(20, 28, 28\) images for 19 labels: must be as many"):
        check_images("fashion-mnist", folder)
    images.write_bytes(b"")
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte: not an IDX file"):
        check_images("fashion-mnist", folder)
    images.unlink()
    with pytest.raises(DataError, match="no file t10k-images-idx3-ubyte"):
        check_images("fashion-mnist", folder)


def test_a_look_before_the_search_finds_cifar10s_test_file_missing(tmp_path: Path) -> None:
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "batches.meta", "test_batch"]:
        with pytest.raises(DataError, match="cifar-10-batches-py: incomplete"):
            check_images("cifar10", tmp_path)
        (folder / name).touch()
    assert check_images("cifar10", tmp_path) == []


def test_changed_files_have_another_fingerprint(tmp_path: Path) -> None:
    write_fashion_mnist(tmp_path / "mine")
    source = find_source("fashion-mnist", tmp_path / "mine")
    before = source.fingerprint("train")
    labels = tmp_path / "mine" / "train-labels-idx1-ubyte"
    content = bytearray(labels.read_bytes())
    content[-1] ^= 1
    labels.write_bytes(content)
    assert source.fingerprint("train") != before


def bad_idx_files() -> dict[str, bytes]:
    good = idx(np.zeros((2, 28, 28), dtype=np.uint8))
    return {
        "empty": b"",
        "header cut off": good[:10],
        "pixels cut off": good[:-1],
        "more than stated": good + b"x",
        "another type": b"\x00\x00\x0d\x03" + good[4:],
        "labels": idx(np.zeros(2, dtype=np.uint8)) + bytes(100),
        "no images": struct.pack(">4I", 0x0803, 0, 28, 28),
        "terabytes": struct.pack(">4I", 0x0803, 2**32 - 1, 2**32 - 1, 2**32 - 1),
    }


@pytest.mark.parametrize("content", bad_idx_files().values(), ids=bad_idx_files().keys())
@pytest.mark.parametrize("zipped", [False, True])
def test_a_damaged_idx_file_is_named(tmp_path: Path, content: bytes, zipped: bool) -> None:
    path = tmp_path / ("images.gz" if zipped else "images")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(DataError) as caught:
        read_idx(path, 3)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "images.gz"
    whole = gzip.compress(idx(np.zeros((2, 28, 28), dtype=np.uint8)))
    for content in (whole[:-9], whole[:5], b"no gzip", whole[:-8] + b"\xff" * 8):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"images\.gz: cannot be read"):
            read_idx(path, 3)


@pytest.mark.parametrize(
    ("images", "labels", "what"),
    [
        (np.zeros((4, 28, 28)), np.zeros(3), "4, 28, 28"),
        (np.zeros((4, 28, 27)), np.zeros(4), "4, 28, 27"),
        (np.zeros((4, 28, 28)), np.array([0, 1, 2, 10]), "label 10: must be from 0 to 9"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(
    tmp_path: Path, images: NDArray[Any], labels: NDArray[Any], what: str
) -> None:
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(images.astype(np.uint8)))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(labels.astype(np.uint8)))
    with pytest.raises(DataError, match=what):
        open_split("fashion-mnist", tmp_path, "train")


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_debians_fashion_mnist_is_the_same_as_torchvisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision_datasets, "DEBIAN_FASHION_MNIST", DEBIAN_FASHION_MNIST)
    cached = open_split("fashion-mnist", None, "train")
    assert cached.images.shape == (60_000, 784)
    assert np.bincount(cached.labels).tolist() == [6000] * 10
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for file in DEBIAN_FASHION_MNIST.glob("*.gz"):
        with gzip.open(file) as packed, (raw / file.stem).open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    with_torchvision = import_datasets().FashionMNIST(tmp_path, train=True)
    np.testing.assert_array_equal(cached.images, with_torchvision.data.numpy().reshape(60_000, 784))
    np.testing.assert_array_equal(cached.labels, with_torchvision.targets.numpy())
    assert cached.classes == tuple(with_torchvision.classes)


# --- CIFAR-10 ---


def write_cifar10(root: Path, monkeypatch: pytest.MonkeyPatch) -> NDArray[np.uint8]:
    """CIFAR-10's files with two images a batch, which torchvision is told to take for the original.

    Returns the training pixels, (10, 3, 32, 32).
    """
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    dataset = import_datasets().CIFAR10
    pixels = np.random.default_rng(0).integers(0, 256, (12, 3072), dtype=np.uint8)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    checksums = []
    for number, name in enumerate(names):
        rows = slice(2 * number, 2 * number + 2)
        content = pickle.dumps({"data": pixels[rows], "labels": [number, 9]})
        (folder / name).write_bytes(content)
        checksums.append([name, hashlib.md5(content).hexdigest()])
    meta = pickle.dumps({"label_names": CIFAR10_CLASSES})
    (folder / "batches.meta").write_bytes(meta)
    monkeypatch.setattr(dataset, "train_list", checksums[:5])
    monkeypatch.setattr(dataset, "test_list", checksums[5:])
    monkeypatch.setattr(dataset, "meta", dataset.meta | {"md5": hashlib.md5(meta).hexdigest()})
    return pixels[:10].reshape(10, 3, 32, 32)


def test_cifar10_is_read_from_a_named_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planes = write_cifar10(tmp_path / "mine", monkeypatch)
    before = everything_in(tmp_path / "mine")
    cached = open_split("cifar10", tmp_path / "mine", "train")
    np.testing.assert_array_equal(cached.images.reshape(10, 32, 32, 3), planes.transpose(0, 2, 3, 1))
    assert cached.labels.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert (list(cached.classes), cached.shape) == (CIFAR10_CLASSES, (32, 32, 3))
    assert open_split("cifar10", tmp_path / "mine", "test").labels.tolist() == [5, 9]
    assert everything_in(tmp_path / "mine") == before
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("place", ["work/data", "cache/torchvision"])
def test_cifar10_is_found_without_a_path(tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path / place, monkeypatch)
    assert len(open_split("cifar10", None, "train").images) == 10


def test_cifar10_is_never_unpickled_unless_it_is_the_original(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cifar10(tmp_path, monkeypatch)
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    batch.write_bytes(batch.read_bytes() + b"x")
    monkeypatch.setattr(pickle, "load", lambda *arguments, **options: pytest.fail("unpickled"))
    with pytest.raises(DataError, match="cifar-10-batches-py: incomplete, or not the original files"):
        open_split("cifar10", tmp_path, "train")


def test_the_packed_cifar10_is_answered_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match="unpack it, and name the folder that cifar-10-batches-py is in"):
        find_source("cifar10", tmp_path / "cifar-10-python.tar.gz")


# --- downloading ---


@pytest.mark.parametrize("dataset", ["cifar10", "mnist", "fashion-mnist"])
def test_without_a_network_the_error_says_what_to_do(
    dataset: str, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError) as caught:
        open_split(dataset, None, "train")
    message = str(caught.value)
    assert message.startswith(
        f"{dataset} is not on this machine and cannot be downloaded to {cache / 'torchvision'}: "
    )
    assert "Temporary failure in name resolution" in message
    assert message.endswith("name a folder or an archive of it with --data PATH")
    assert "\n" not in message
    assert capsys.readouterr().out == ""


def test_a_download_is_kept_in_the_cache_and_quiet(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Downloading:
        def __init__(self, root: Path, *, train: bool, download: bool) -> None:
            assert download
            print("Downloading …")
            write_fashion_mnist(Path(root) / "FashionMNIST" / "raw")

    module = types.SimpleNamespace(FashionMNIST=Downloading)
    monkeypatch.setattr(torchvision_datasets, "import_datasets", lambda: module)
    assert len(open_split("fashion-mnist", None, "train").images) == 40
    assert (cache / "torchvision" / "FashionMNIST" / "raw" / "train-images-idx3-ubyte").is_file()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "Downloading …\n"


# --- torchvision itself ---


class FailsToImport(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("something else is broken")


def test_only_the_missing_operators_are_worked_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", FailsToImport("torchvision"))
    with pytest.raises(RuntimeError, match="something else is broken"):
        import_datasets()


def test_torchvisions_names_are_the_ones_written_here() -> None:
    datasets = import_datasets()
    assert tuple(datasets.FashionMNIST.classes) == FASHION_MNIST_CLASSES
    assert [name.partition(" ")[0] for name in datasets.MNIST.classes] == [*MNIST.classes]
    assert datasets.CIFAR10.base_folder == torchvision_datasets.CIFAR10_FOLDER
