"""Image files as Pillow opens them, before any pixel is decoded: what their headers say.

Nothing here decodes pixels, so that test images may be looked at before a search; tests/seal.py holds it to that.
"""

import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlpsearch.models.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 2**24
_PILLOW_FORMATS = ("BMP", "JPEG", "PNG")
_GREY_MODES = ("1", "L", "LA")
_COLOUR_MODES = ("RGB", "RGBA", "RGBX", "P", "PA", "CMYK", "YCbCr")
_ORIENTATION = 0x0112  # the tag in EXIF data
_TURNED_MODES = frozenset(range(2, 9))
_LYING = frozenset(range(5, 9))  # orientations in which height and width change places


@dataclass(frozen=True, slots=True)
class Header:
    """What an image will be once it is decoded, by its header.

    height, width: in pixels, after the turn that its EXIF data ask for.
    channels: 1 (grey) or 3.
    orientation: of EXIF, from 1 (as it is stored) to 8.
    is_transparent: whether it has an alpha channel, or colours that are transparent.
    """

    height: int
    width: int
    channels: int
    orientation: int
    is_transparent: bool


@contextmanager
def opened_image(content: bytes, where: str) -> Iterator[tuple["Image.Image", Header]]:
    """An image file as Pillow opens it, and its header; no pixel is decoded before the body asks for it.

    content: a PNG, JPEG or BMP file, untrusted.
    where: names it in errors.
    Raises DataError for anything that is not such an image of 8 bits a channel or less and of at most MAX_PIXELS
    pixels, and for whatever goes wrong with the image in the body.
    """
    from PIL import Image, UnidentifiedImageError

    # Pillow warns about oddities of single images, which the user can do nothing about.
    with warnings.catch_warnings(), _as_data_error(where):
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content), formats=_PILLOW_FORMATS) as image:
                if math.prod(image.size) > MAX_PIXELS:
                    raise Image.DecompressionBombError
                yield image, _header(image, where)
        except UnidentifiedImageError as error:
            raise DataError(f"{where}: not an image ({', '.join(_PILLOW_FORMATS)})") from error
        except Image.DecompressionBombError as error:
            raise DataError(f"{where}: more than {MAX_PIXELS:,} pixels") from error


def read_header(content: bytes, where: str) -> Header:
    """The header of an image file; see opened_image."""
    with opened_image(content, where) as (_, header):
        return header


@contextmanager
def _as_data_error(where: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    # Pillow's decoders meet bytes from anywhere and raise whatever their code runs into.
    except Exception as error:
        details = re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
        raise DataError(f"{where}: not a readable image: {details}") from error


def _header(image: "Image.Image", where: str) -> Header:
    if image.mode not in _GREY_MODES + _COLOUR_MODES:
        raise DataError(f"{where}: pixels of mode {image.mode}: only 8 bits a channel are allowed")
    orientation = _orientation(image)
    height, width = image.size if orientation in _LYING else image.size[::-1]
    channels = 1 if image.mode in _GREY_MODES else 3
    return Header(height, width, channels, orientation, image.has_transparency_data)


def _orientation(image: "Image.Image") -> int:
    """By the EXIF data in front of the pixels; 1 where there are none, or none that make sense."""
    from PIL import Image

    try:
        # The plain class's: that of PNG files would decode them to look for more behind the pixels.
        orientation = Image.Image.getexif(image).get(_ORIENTATION)
    except Exception:  # EXIF data come from anywhere as well, and an image is no worse for theirs
        return 1
    return orientation if isinstance(orientation, int) and orientation in _TURNED_MODES else 1
