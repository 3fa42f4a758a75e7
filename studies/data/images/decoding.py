"""Decoding an image file with Pillow: the one way from a file to pixels, for training, test and prediction.

Turns that the EXIF data in front of the pixels ask for are made, palettes are looked up, and white is put behind
what is transparent; then the image gets the channels and the size that the study file asks for.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.images.headers import Header, most_pixels, opened_image
from mlpsearch.studies.spec.image_options import Fit, ImageOptions

if TYPE_CHECKING:
    from PIL import Image

# Large photos are first made smaller by averages, to no less than so many times the size asked for: that takes a
# fifth of the time, and by Pillow's documentation nobody could tell the difference in most cases.
_HEADROOM = 3


def decode_image(content: bytes, where: str, options: ImageOptions | None = None) -> NDArray[np.uint8]:
    """One image, (height, width, channels), uint8; 1 channel if it is grey, else 3, where options say nothing.

    content: a PNG, JPEG, WebP, GIF, TIFF or BMP file, untrusted.
    where: names it in errors.
    options: the size and the channels that it gets.
    Raises DataError for anything that is not such an image (see headers.opened_image).
    """
    options = options or ImageOptions()
    with opened_image(content, where, most_pixels(options)) as (image, header):
        extent = None if options.size is None else _draft(image, options.size)
        found = _opaque(image, header)
        if options.channels is not None:
            found = found.convert("L" if options.channels == 1 else "RGB")
        if options.size is not None:
            found = _resized(found, extent or found.size, options.size, options.fit)
        found = _turned(found, header.orientation)
        if options.size is not None:
            found = _padded(found, options.size)
        pixels = np.asarray(found)
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


def _draft(image: "Image.Image", side: int) -> tuple[float, float] | None:
    """Let a JPEG decoder leave out details that would be lost; return the width and height that are left.

    They are no whole numbers where the last column or row of pixels stands for less than others.
    """
    drafted = image.draft(None, (_HEADROOM * side, _HEADROOM * side))
    return None if drafted is None else drafted[1][2:]


def _resized(image: "Image.Image", extent: tuple[float, float], side: int, fit: Fit) -> "Image.Image":
    """An image, of mode L or RGB, whose longer side has so many pixels, or that is a square of so many.

    extent: width and height of what is seen in it.
    """
    from PIL import Image

    (width, height), shorter = extent, min(extent)
    if fit == "crop":
        left, top = (width - shorter) / 2, (height - shorter) / 2
        size, box = (side, side), (left, top, left + shorter, top + shorter)
    else:
        scale = side / max(extent)
        size, box = (max(1, round(width * scale)), max(1, round(height * scale))), (0, 0, width, height)
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=_HEADROOM)


def _padded(image: "Image.Image", side: int) -> "Image.Image":
    """A square with the image in its middle, black beside it."""
    from PIL import Image

    if image.size == (side, side):
        return image
    square = Image.new(image.mode, (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square


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
