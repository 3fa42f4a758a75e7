"""Pictures as PNG: images of a data set, and what the first layer of a net looks for in them."""

import base64
import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlpsearch.models.arrays import Floats

_MOST_UNITS = 100
_TILE = 64  # pixels a unit's picture is wide or high, if the images are not larger
_GAP = 4


def first_layer_picture(weights: Floats, shape: tuple[int, int, int]) -> bytes:
    """Return a PNG of the first layer's weights, a tile a hidden unit, those of the largest weights first.

    weights: (inputs, hidden units).  shape: (height, width, channels) of an image; channels 1 or 3.
    Each tile runs from its own smallest weight (black) to its largest (white); 100 tiles at most.
    """
    strongest = np.argsort(-np.linalg.norm(weights, axis=0), kind="stable")[:_MOST_UNITS]
    tiles = [_tile(weights[:, unit].reshape(shape)) for unit in strongest]
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    height, width = tiles[0].height + _GAP, tiles[0].width + _GAP
    sheet = Image.new(f"{tiles[0].mode}A", (columns * width - _GAP, rows * height - _GAP))
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (place % columns * width, place // columns * height))
    return _png(sheet)


def image_picture(pixels: NDArray[np.uint8], shape: tuple[int, int, int]) -> bytes:
    """Return a PNG of one image.

    pixels: (inputs,), 0-255.  shape: (height, width, channels); channels 1 or 3.
    """
    return _png(_image(pixels.reshape(shape)))


def data_uri(png: bytes) -> str:
    """Return the PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _tile(weights: Floats) -> Image.Image:
    low, high = weights.min(), weights.max()
    image = _image((255 * (weights - low) / ((high - low) or 1)).round().astype(np.uint8))
    scale = max(1, _TILE // max(image.size))
    return image.resize((scale * image.width, scale * image.height), Image.Resampling.NEAREST)


def _image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
