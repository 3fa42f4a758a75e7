"""One image: which files are decoded, and to what."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.images.decoding import as_shape, decode_image
from mlpsearch.studies.data.images.headers import read_header
from tests.studies.image_makers import colour_pixels, encode, grey_pixels, turned


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("RGB", 3), ("RGBA", 3), ("P", 3)])
def test_every_mode_of_png_decodes(mode: str, channels: int) -> None:
    image = Image.fromarray(colour_pixels(1)).convert(mode)
    with_pillow = np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(4, 5, channels)
    np.testing.assert_array_equal(decode_image(encode(image), "x.png"), with_pillow)


def test_16_bits_a_channel_are_refused_rather_than_clipped() -> None:
    deep = Image.fromarray(np.full((4, 5), 40_000, dtype=np.uint16))
    with pytest.raises(DataError, match=r"x\.png: pixels of mode I;16: only 8 bits a channel are allowed"):
        decode_image(encode(deep), "x.png")


@pytest.mark.parametrize("kind", ["BMP", "JPEG", "PNG"])
def test_every_kind_of_file_decodes(kind: str) -> None:
    pixels = np.full((8, 9, 3), (200, 100, 50), dtype=np.uint8)
    decoded = decode_image(encode(pixels, kind), "x")
    np.testing.assert_allclose(decoded, pixels, atol=2)  # JPEG rounds
    assert decoded.shape == (8, 9, 3)


@pytest.mark.parametrize("kind", ["ICO", "PPM", "TGA"])
def test_no_other_decoder_is_ever_started(kind: str) -> None:
    with pytest.raises(DataError, match="not an image"):
        decode_image(encode(colour_pixels(0), kind), "x.png")


def test_an_ordinary_jpeg_file_is_what_pillow_makes_of_it() -> None:
    for pixels in (colour_pixels(3, 32, 32), grey_pixels(3, 32, 32)):
        content = encode(pixels, "JPEG")
        with Image.open(io.BytesIO(content)) as image:
            np.testing.assert_array_equal(decode_image(content, "x").squeeze(), np.asarray(image))


# --- turns ---


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_are_made(kind: str, orientation: int) -> None:
    content = turned(colour_pixels(0, 16, 24), orientation, kind)
    decoded = decode_image(content, "x")
    with Image.open(io.BytesIO(content)) as image:
        np.testing.assert_array_equal(decoded, np.asarray(ImageOps.exif_transpose(image)))
    header = read_header(content, "x")
    assert (header.height, header.width) == decoded.shape[:2] == ((16, 24) if orientation < 5 else (24, 16))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_there_is_not_turns_nothing(orientation: int) -> None:
    pixels = colour_pixels(0)
    np.testing.assert_array_equal(decode_image(turned(pixels, orientation, "PNG"), "x"), pixels)


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\0\0", b"Exif\0\0" + b"\xff" * 50, b"garbage"])
def test_exif_data_that_make_no_sense_turn_nothing(exif: bytes) -> None:
    stream = io.BytesIO()
    Image.fromarray(colour_pixels(0)).save(stream, "PNG")
    png = stream.getvalue()
    at = png.index(b"IDAT") - 4
    content = png[:at] + chunk(b"eXIf", exif) + png[at:]
    np.testing.assert_array_equal(decode_image(content, "x"), colour_pixels(0))
    jpeg = encode(colour_pixels(0), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    np.testing.assert_array_equal(decode_image(jpeg[:2] + segment + jpeg[2:], "x"), decode_image(jpeg, "x"))


# --- transparency ---


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def saved(image: Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def on_white(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.float64]:
    share = alpha[..., None] / 255
    return pixels * share + 255 * (1 - share)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_white_is_put_behind_what_is_transparent(mode: str) -> None:
    layered = np.asarray(Image.fromarray(colour_pixels(1, 16, 16)).convert(mode)).copy()
    layered[..., -1] = grey_pixels(2, 16, 16)
    layered[0, :, -1], layered[1, :, -1] = 0, 255
    decoded = decode_image(saved(Image.fromarray(layered, mode)), "x")
    np.testing.assert_allclose(decoded, on_white(layered[..., :-1], layered[..., -1]), atol=1)
    assert (decoded[0] == 255).all()
    np.testing.assert_array_equal(decoded[1], layered[1, :, :-1])


def test_a_shape_in_alpha_alone_is_seen() -> None:
    layered = np.zeros((4, 5, 4), np.uint8)
    layered[1:3, 1:4, 3] = 255
    decoded = decode_image(saved(Image.fromarray(layered, "RGBA")), "x")
    np.testing.assert_array_equal(decoded == 0, np.repeat(layered[..., 3:] == 255, 3, axis=2))


def test_colours_of_a_palette_may_be_transparent() -> None:
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    for transparency, expected in (
        (1, [[10, 20, 30], [255] * 3, [70, 80, 90]]),
        (bytes([0, 255, 0]), [[255] * 3, [40, 50, 60], [255] * 3]),
    ):
        decoded = decode_image(saved(palette, transparency=transparency), "x")
        assert decoded.tolist() == [expected]


def test_one_colour_may_be_transparent() -> None:
    grey = Image.fromarray(np.array([[7, 8, 9]], np.uint8))
    assert decode_image(saved(grey, transparency=8), "x").tolist() == [[[7], [255], [9]]]
    colour = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    assert decode_image(saved(colour, transparency=(4, 5, 6)), "x").tolist() == [[[1, 2, 3], [255, 255, 255]]]
    two = Image.fromarray(np.array([[True, False]]))
    assert decode_image(saved(two, transparency=0), "x").tolist() == [[[255], [255]]]


def test_transparency_and_a_turn_go_together() -> None:
    layered = np.zeros((4, 5, 4), np.uint8)
    layered[0, :, 3] = 255
    decoded = decode_image(turned(Image.fromarray(layered, "RGBA"), 6, "PNG"), "x")
    assert decoded.shape == (5, 4, 3)
    assert (decoded[:, -1] == 0).all()
    assert (decoded[:, :-1] == 255).all()


def test_cmyk_becomes_colour() -> None:
    image = Image.fromarray(np.full((8, 9, 3), (200, 100, 50), np.uint8)).convert("CMYK")
    np.testing.assert_allclose(decode_image(encode(image, "JPEG"), "x"), np.asarray(image.convert("RGB")), atol=6)


@pytest.mark.parametrize(
    ("bits", "kind"), [(16, 0), (16, 2), (16, 4), (16, 6), (8, 0), (8, 2), (8, 4), (8, 6), (4, 0)]
)
@pytest.mark.parametrize("transparency", [b"", b"\xff", b"\xff" * 6, b"\0" * 300])
def test_a_header_says_what_the_pixels_become_or_both_refuse(bits: int, kind: int, transparency: bytes) -> None:
    """For every kind of PNG pixel, with any transparency."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[kind]
    row = b"\0" + b"\x80" * (samples * bits * 4 // 8)
    header = struct.pack(">IIBBBBB", 4, 2, bits, kind, 0, 0, 0)
    between = chunk(b"tRNS", transparency) if transparency else b""
    body = chunk(b"IHDR", header) + between + chunk(b"IDAT", zlib.compress(row * 2)) + chunk(b"IEND", b"")
    content = b"\x89PNG\r\n\x1a\n" + body
    try:
        decoded = decode_image(content, "x.png")
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either may be
        return
    found = read_header(content, "x.png")
    assert decoded.shape == (found.height, found.width, found.channels)


# --- as the images of a data set ---


def test_grey_becomes_colour_where_all_is_colour_and_not_the_other_way() -> None:
    grey, colour = grey_pixels(0)[..., None], colour_pixels(0)
    spread = as_shape(grey, (4, 5, 3), "x", "the net needs")
    np.testing.assert_array_equal(spread, np.repeat(grey, 3, axis=2))
    np.testing.assert_array_equal(as_shape(colour, (4, 5, 3), "x", "the net needs"), colour)
    with pytest.raises(DataError, match=r"^x: is in colour, the net needs grey images$"):
        as_shape(colour, (4, 5, 1), "x", "the net needs")
    with pytest.raises(DataError, match=r"^x: has 4×5 pixels \(height × width\), the net needs 5×4$"):
        as_shape(colour, (5, 4, 3), "x", "the net needs")
