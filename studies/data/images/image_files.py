"""Images in a folder, an archive or Parquet files as a source.

The layout is that of layout.py, or of parquet.py. Images are sorted by class and file name, whatever their order
in an archive, and have one size. If every image of train/ is grey, images have one channel; else all have three,
equal ones where an image is grey. How a file becomes pixels, decoding.py says.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import DecodedImages, SplitName
from mlpsearch.studies.data.images.check import SizesDifferError, check_splits, refuse_too_large
from mlpsearch.studies.data.images.decoding import decode_image
from mlpsearch.studies.data.images.splits import ImageSplits, LabelledImages
from mlpsearch.studies.spec.image_options import ImageOptions

_DECODING = 2  # counts the ways in which image files were decoded: caches of an earlier one are not used


class ImageFiles:
    """Images as a source (studies.data.decoded.DataSource). options: what the study file says of them."""

    def __init__(self, images: LabelledImages, options: ImageOptions | None = None) -> None:
        self._images = images
        self._options = options or ImageOptions()
        self._splits = ImageSplits(images, self._options.test)

    def fingerprint(self, split: SplitName) -> str:
        """That of the files, with how they are split and decoded."""
        return f"{self._reading()} {self._images.fingerprint(self._paths([split]))}"

    def fingerprint_of_all(self) -> str:
        """As fingerprint, of all splits together."""
        return f"{self._reading()} {self._images.fingerprint(self._paths(self._splits.splits()))}"

    def check(self) -> list[str]:
        """Look at names and headers of all splits; see check.check_splits."""
        return check_splits(self._splits, self._options)

    def decode(self, split: SplitName) -> DecodedImages:
        """All images of one split. Raises DataError for what the layout or the limits do not allow."""
        labels = self._splits.labels(split)
        stack = _ImageStack(len(labels))
        rows = {path: row for row, path in enumerate(labels)}
        for path, content in self._images.read(rows.keys()):
            where = f"{self._images.path}: {path!r}"
            stack.put(rows[path], decode_image(content, where, self._options), where)
        images, shape = stack.finished(f"{self._images.path}: {self._splits.name(split)}")
        return DecodedImages(
            images,
            np.array([*labels.values()], dtype=np.int64),
            self._images.class_names(),
            shape,
            validation_folder=self._splits.validation_folder,
        )

    def _paths(self, splits: Sequence[SplitName]) -> Iterator[str]:
        """Of the images; nothing is looked at before the first is asked for."""
        for split in splits:
            yield from self._splits.labels(split)

    def _reading(self) -> str:
        return f"image files {_DECODING} {self._options}"


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
            raise SizesDifferError(where, pixels.shape, self._first, (height, width))
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
