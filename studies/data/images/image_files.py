"""Images in a folder or an archive as a source.

The layout is that of image_layout.py. Images are sorted by class and file name, whatever their order in an
archive, and have one size. If every image of train/ is grey, images have one channel; else all have three, equal
ones where an image is grey. How a file becomes pixels, image_decoding.py says.
"""

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import DecodedImages, SplitName
from mlpsearch.studies.data.images.check import check_tree, refuse_too_large
from mlpsearch.studies.data.images.decoding import decode_image
from mlpsearch.studies.data.images.layout import class_names, split_images
from mlpsearch.studies.data.images.trees import ImageTree

_DECODING = 2  # counts the ways in which image files were decoded: caches of an earlier one are not used


class ImageFiles:
    """The images in a folder or an archive, as a source (studies.decoded.DataSource)."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree

    def fingerprint(self, split: SplitName) -> str:
        """That of the files, with how they are decoded."""
        return f"image files {_DECODING} {self._tree.fingerprint(split)}"

    def fingerprint_of_all(self) -> str:
        """As fingerprint, of all splits together."""
        return f"image files {_DECODING} {self._tree.fingerprint_of_all()}"

    def check(self) -> list[str]:
        """Look at names and headers of all splits; see image_check.check_tree."""
        return check_tree(self._tree)

    def decode(self, split: SplitName) -> DecodedImages:
        """All images of one split. Raises DataError for what the layout or the limits do not allow."""
        classes = class_names(self._tree)
        labels = split_images(self._tree, split, classes)
        stack, folder = _ImageStack(len(labels)), self._tree.folder_name(split)
        rows = {path: row for row, path in enumerate(labels)}
        for _, path, content in self._tree.read({split: rows.keys()}):
            where = f"{self._tree.path}: {folder + '/' + path!r}"
            stack.put(rows[path], decode_image(content, where), where)
        images, shape = stack.finished(f"{self._tree.path}: {folder}")
        numbers = np.array([*labels.values()], dtype=np.int64)
        return DecodedImages(images, numbers, classes, shape, validation_folder=self._tree.validation_folder)


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
        refuse_too_large(count, height, width, self._first)
        return np.empty((count, *image_shape), dtype=np.uint8)

    def finished(self, where: str) -> tuple[NDArray[np.uint8], tuple[int, int, int]]:
        """The images as rows, and the shape of one."""
        if self._missing:
            raise DataError(f"{where}: {self._missing} images are gone: the files changed while they were read")
        count, height, width, channels = self._images.shape
        return self._images.reshape(count, -1), (height, width, channels)
