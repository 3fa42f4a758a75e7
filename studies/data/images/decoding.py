"""Decoding an image file with Pillow: the one way from a file to pixels, for training, test and prediction.

Turns that the EXIF data in front of the pixels ask for are made, palettes are looked up, and white is put behind
what is transparent.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.images.headers import Header, opened_image

if TYPE_CHECKING:
    from PIL import Image


def decode_image(content: bytes, where: str) -> NDArray[np.uint8]:
    """One image, (height, width, channels), uint8; 1 channel if it is grey, else 3.

    content: a PNG, JPEG or BMP file, untrusted.
    where: names it in errors.
    Raises DataError for anything that is not such an image (see headers.opened_image).
    """
    with opened_image(content, where) as (image, header):
        pixels = np.asarray(_turned(_opaque(image, header), header.orientation))
        return pixels.reshape(*pixels.shape[:2], -1)


def as_shape(pixels: NDArray[np.uint8], shape: tuple[int, int, int], where: str, others: str) -> NDArray[np.uint8]:
    """An image's pixels as those of a data set, (height, width, channels); grey is spread over three channels.

    shape: of the data set's images.
    others: says whose shape that is, in errors.
    Raises DataError for another size, and for colour where all is grey.
    """
    height, width, channels = shape
    if pixels.shape[:2] != (height, width):
        raise DataError(
            f"{where}: has {pixels.shape[0]}×{pixels.shape[1]} pixels (height × width), {others} {height}×{width}"
        )
    if pixels.shape[2] > channels:
        raise DataError(f"{where}: is in colour, {others} grey images")
    return np.broadcast_to(pixels, shape)


def _opaque(image: "Image.Image", header: Header) -> "Image.Image":
    """In grey or colour without transparency."""
    from PIL import Image

    mode = "L" if header.channels == 1 else "RGB"
    if not header.is_transparent:
        return image if image.mode == mode else image.convert(mode)
    layered = image.convert("LA" if mode == "L" else "RGBA")
    return Image.composite(layered.convert(mode), Image.new(mode, image.size, "white"), layered.getchannel("A"))


def _turned(image: "Image.Image", orientation: int) -> "Image.Image":
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image
