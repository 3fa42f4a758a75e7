"""Makers of small images, and of folders and archives that hold them; and how such are refused."""

import io
import tarfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.training import check_images
from mlpsearch.studies.spec.image_options import ImageOptions


def encode(image: NDArray[np.uint8] | Image.Image, kind: str = "PNG") -> bytes:
    """An image file, of (height, width) or (height, width, 3) pixels if they are an array."""
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind)
    return stream.getvalue()


def without_pixels(png: bytes) -> bytes:
    """A PNG file as it is up to its pixels, in whose place is garbage."""
    return png[: png.index(b"IDAT") + 4] + b"garbage"


def turned(image: NDArray[np.uint8] | Image.Image, orientation: int, kind: str = "JPEG") -> bytes:
    """An image file whose EXIF data ask for a turn."""
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, exif=exif)
    return stream.getvalue()


def colour_pixels(seed: int, height: int = 4, width: int = 5) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def grey_pixels(seed: int, height: int = 4, width: int = 5) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def image_files(
    classes: Iterable[str] = ("cat", "dog"),
    *,
    train: int = 3,
    val: int = 0,
    test: int = 2,
    shape: tuple[int, ...] = (4, 5, 3),
) -> dict[str, bytes]:
    """Path → content of a data set of PNG images, each different."""
    generator = np.random.default_rng(0)
    return {
        f"{split}/{name}/{number:03}.png": encode(generator.integers(0, 256, shape, dtype=np.uint8))
        for split, count in (("train", train), ("test", test), ("val", val))
        for name in classes
        for number in range(count)
    }


def write_folder(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_tar(path: Path, files: Mapping[str, bytes], *more: tarfile.TarInfo) -> Path:
    """A tar archive, gzipped if its name says so, without members for folders; `more` come at the end."""
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in more:
            archive.addfile(info)
    return path


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_any(path: Path, files: Mapping[str, bytes]) -> Path:
    """A folder, a tar or a zip archive: what the path's suffix says."""
    if path.suffix == ".zip":
        return write_zip(path, files)
    return write_tar(path, files) if path.suffix else write_folder(path, files)


def refusal(place: Path, options: ImageOptions | None = None) -> str:
    """The one line with which images are refused before a search."""
    with pytest.raises(DataError) as caught:
        check_images("images", place, options)
    message = str(caught.value)
    assert message.startswith(str(place))
    assert "\n" not in message
    return message
