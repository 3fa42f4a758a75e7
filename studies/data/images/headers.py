"""Image files as Pillow opens them, before any pixel is decoded: what their headers say.

Nothing here decodes pixels, so that test images may be looked at before a search; tests/seal.py holds it to that.
"""

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.untrusted import as_data_error
from mlpsearch.studies.spec.image_options import ImageOptions

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 2**24
MAX_RESIZED_PIXELS = 2**26  # of an image that is made smaller: as many as cameras and phones take
_PILLOW_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
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
    orientation: of EXIF, from 1 to 8, which is left to turn; 1 for none.
    is_turned: whether its EXIF data ask for a turn.
    is_transparent: whether it has an alpha channel, or colours that are transparent.
    """

    height: int
    width: int
    channels: int
    orientation: int
    is_turned: bool
    is_transparent: bool

    def read_with(self, options: ImageOptions) -> "Header":
        """What the image will be once it is read as the study file says."""
        height, width = (options.size or self.height), (options.size or self.width)
        return replace(self, height=height, width=width, channels=options.channels or self.channels)


@contextmanager
def opened_image(
    content: bytes, where: str, most_pixels: int = MAX_PIXELS
) -> Iterator[tuple["Image.Image", Header]]:
    """An image file as Pillow opens it, and its header; no pixel is decoded before the body asks for it.

    content: a PNG, JPEG, WebP, GIF, TIFF or BMP file, untrusted; of several images in one file it is the first.
    where: names it in errors.
    Raises DataError for anything that is not such an image of 8 bits a channel or less and of at most so many
    pixels, and for whatever goes wrong with the image in the body.
    """
    from PIL import Image, UnidentifiedImageError

    # Pillow warns about oddities of single images, which the user can do nothing about.
    with warnings.catch_warnings(), as_data_error(f"{where}: not a readable image"):
        warnings.simplefilter("ignore")
        try:
            if _webp_pixels(content) > most_pixels:  # Pillow makes room for them when it opens the file
                raise Image.DecompressionBombError
            with Image.open(io.BytesIO(content), formats=_PILLOW_FORMATS) as image:
                if math.prod(image.size) > most_pixels:
                    raise Image.DecompressionBombError
                yield image, _header(image, where)
        except UnidentifiedImageError as error:
            raise DataError(f"{where}: not an image ({', '.join(_PILLOW_FORMATS)})") from error
        except Image.DecompressionBombError as error:
            raise DataError(f"{where}: more than {most_pixels:,} pixels") from error


def most_pixels(options: ImageOptions) -> int:
    """How many pixels an image file may have."""
    return MAX_RESIZED_PIXELS if options.size else MAX_PIXELS


def read_header(content: bytes, where: str, options: ImageOptions | None = None) -> Header:
    """The header of an image file as it is; see opened_image. options: how the image will be read."""
    with opened_image(content, where, most_pixels(options or ImageOptions())) as (_, header):
        return header


def _webp_pixels(content: bytes) -> int:
    """How many pixels the header of a WebP file states; 0 where it is none, or Pillow will refuse it."""
    if len(content) < 30 or content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return 0
    kind, small = content[12:16], int.from_bytes(content[26:30], "little")
    if kind == b"VP8X":
        width, height = int.from_bytes(content[24:27], "little"), int.from_bytes(content[27:30], "little")
        return (width + 1) * (height + 1)
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
    return (small & 0x3FFF) * (small >> 16 & 0x3FFF)


def _header(image: "Image.Image", where: str) -> Header:
    if image.mode not in _GREY_MODES + _COLOUR_MODES:
        raise DataError(f"{where}: pixels of mode {image.mode}: only 8 bits a channel are allowed")
    orientation = _orientation(image)
    is_turned = orientation != 1
    if image.format == "TIFF":  # Pillow turns it by itself when it decodes it, and has its size as that will be
        orientation = 1
    height, width = image.size if orientation in _LYING else image.size[::-1]
    channels = 1 if image.mode in _GREY_MODES else 3
    return Header(height, width, channels, orientation, is_turned, image.has_transparency_data)


def _orientation(image: "Image.Image") -> int:
    """By the EXIF data in front of the pixels; 1 where there are none, or none that make sense."""
    from PIL import Image

    try:
        # The plain class's: that of PNG files would decode them to look for more behind the pixels.
        orientation = Image.Image.getexif(image).get(_ORIENTATION)
    except Exception:  # EXIF data come from anywhere as well, and an image is no worse for theirs
        return 1
    return orientation if isinstance(orientation, int) and orientation in _TURNED_MODES else 1
