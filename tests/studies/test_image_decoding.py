"""One image: which files are decoded, and to what."""

import numpy as np
import pytest
from PIL import Image

from models.errors import DataError
from studies.image_files import decode_image
from tests.studies.image_makers import colour_pixels, encode


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


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PPM"])
def test_no_other_decoder_is_ever_started(kind: str) -> None:
    with pytest.raises(DataError, match="not an image"):
        decode_image(encode(colour_pixels(0), kind), "x.png")
