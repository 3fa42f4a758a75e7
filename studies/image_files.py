"""Images in a folder or an archive as a source: the rules of the layout, and decoding with Pillow.

Classes are the folders of train/ in sorted order; images are sorted by class and file name, whatever their
order in an archive. All images have one size. If every image is grey, images have one channel; else all have
three, equal ones where an image is grey. Palettes are looked up, transparency is dropped, turns stated in a
photo's EXIF data are not made.
"""

import io
import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.errors import DataError
from studies.decoded import DecodedImages, SplitName
from studies.image_trees import ImageTree

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")
MAX_PIXELS = 2**24
MAX_SPLIT_BYTES = 16 * 2**30
_PILLOW_FORMATS = ("BMP", "JPEG", "PNG")
_GREY_MODES = ("1", "L", "LA")
_COLOUR_MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr")
_MODES = _GREY_MODES + _COLOUR_MODES


class ImageFiles:
    """The images in a folder or an archive, as a source (studies.decoded.Source)."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree

    def fingerprint(self, split: SplitName) -> str:
        """That of the files."""
        return "image files " + self._tree.fingerprint(split)

    def decode(self, split: SplitName) -> DecodedImages:
        """All images of one split. Raises DataError for what the layout or the limits do not allow."""
        classes = self._classes()
        paths = self._image_paths(split, classes)
        stack = _ImageStack(len(paths))
        rows = {path: row for row, path in enumerate(paths)}
        # Pillow warns about oddities of single images, which the user can do nothing about.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for path, content in self._tree.read(split, rows.keys()):
                where = f"{self._tree.path}: {split + '/' + path!r}"
                stack.put(rows[path], decode_image(content, where), where)
        images, shape = stack.finished(f"{self._tree.path}: {split}")
        numbers = {name: number for number, name in enumerate(classes)}
        labels = np.array([numbers[path.partition("/")[0]] for path in paths], dtype=np.int64)
        return DecodedImages(images, labels, classes, shape)

    def _classes(self) -> tuple[str, ...]:
        names = sorted(name for name in self._tree.listing("train").folders if "/" not in name)
        for name in names:
            # Names are shown in terminals and in reports.
            if not name.isprintable():
                raise DataError(f"{self._tree.path}: class {name!r}: the name must be printable")
        if len(names) < 2:
            raise DataError(f"{self._tree.path}: train has {len(names)} class folders: at least 2 are needed")
        return tuple(names)

    def _image_paths(self, split: SplitName, classes: Sequence[str]) -> list[str]:
        listing, where = self._tree.listing(split), f"{self._tree.path}: {split}"
        for folder in sorted(listing.folders):
            if "/" in folder:
                raise DataError(f"{where} has a folder inside a class: {folder!r}: only images are allowed there")
            if folder not in classes:
                raise DataError(f"{where} has a class {folder!r} that train does not have")
        for file in sorted(listing.files):
            if file.count("/") != 1 or not file.lower().endswith(IMAGE_SUFFIXES):
                allowed = f"<class>/<image> ({', '.join(IMAGE_SUFFIXES)})"
                raise DataError(f"{where} has a file {file!r}: every file there must be {allowed}")
        empty = listing.folders - {file.partition("/")[0] for file in listing.files}
        if empty:
            raise DataError(f"{where}: class {min(empty)!r} has no images")
        if not listing.files:
            raise DataError(f"{where} has no images")
        return sorted(listing.files, key=lambda file: file.split("/"))


class _ImageStack:
    """The images of a split while they come in, in any order."""

    def __init__(self, count: int) -> None:
        self._images: NDArray[np.uint8] = np.empty((count, 0, 0, 1), dtype=np.uint8)
        self._first = ""
        self._missing = count

    def put(self, row: int, pixels: NDArray[np.uint8], where: str) -> None:
        """Keep one image, (height, width, channels). Raises DataError for another size than the first's."""
        if not self._first:
            self._first = where
            self._images = self._allocate(pixels.shape)
        height, width, channels = self._images.shape[1:]
        if pixels.shape[:2] != (height, width):
            raise DataError(
                f"{where} has {pixels.shape[0]}×{pixels.shape[1]} pixels (height × width), "
                f"{self._first} has {height}×{width}: all images must have one size"
            )
        if channels < pixels.shape[2]:
            self._images = np.repeat(self._images, 3, axis=3)
        self._images[row] = pixels  # a grey image spreads over three channels
        self._missing -= 1

    def _allocate(self, image_shape: tuple[int, ...]) -> NDArray[np.uint8]:
        count = len(self._images)
        height, width = image_shape[:2]
        if count * height * width * 3 > MAX_SPLIT_BYTES:
            raise DataError(
                f"{self._first}: {count:,} images of {height}×{width} pixels would take more than "
                f"the {MAX_SPLIT_BYTES / 2**30:g} GiB allowed"
            )
        return np.empty((count, *image_shape), dtype=np.uint8)

    def finished(self, where: str) -> tuple[NDArray[np.uint8], tuple[int, int, int]]:
        """The images as rows, and the shape of one."""
        if self._missing:
            raise DataError(f"{where}: {self._missing} images are gone: the files changed while they were read")
        count, height, width, channels = self._images.shape
        return self._images.reshape(count, -1), (height, width, channels)


def decode_image(content: bytes, where: str, modes: Sequence[str] = _MODES) -> NDArray[np.uint8]:
    """One image, (height, width, channels), uint8; 1 channel if it is grey, else 3.

    content: a PNG, JPEG or BMP file, untrusted.
    where: names it in errors.
    modes: Pillow's names of those that are allowed, of 8 bits a channel or less.
    Raises DataError for anything that is not such an image of at most MAX_PIXELS pixels; they are counted before
    they are decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=_PILLOW_FORMATS) as image:
            if math.prod(image.size) > MAX_PIXELS:
                raise Image.DecompressionBombError
            if image.mode not in _MODES:
                raise DataError(f"{where}: pixels of mode {image.mode}: only 8 bits a channel are allowed")
            if image.mode not in modes:
                raise DataError(f"{where}: pixels of mode {image.mode}: must be of mode {' or '.join(modes)}")
            mode = "L" if image.mode in _GREY_MODES else "RGB"
            pixels = np.asarray(image if image.mode == mode else image.convert(mode))
            return pixels.reshape(*pixels.shape[:2], -1)
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{where}: not an image ({', '.join(_PILLOW_FORMATS)})") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{where}: more than {MAX_PIXELS:,} pixels") from error
    # Pillow's decoders meet bytes from anywhere and raise whatever their code runs into.
    except Exception as error:
        details = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{where}: not a readable image: {details}") from error
