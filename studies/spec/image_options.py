"""What a study file says of images of the user's own."""

from dataclasses import dataclass
from typing import Literal

from mlpsearch.studies.spec.table_options import TableOptions

Fit = Literal["pad", "crop"]


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How image files are read and split.

    test: the share of the images that is held out as the test split, where they come without one; None where
        nothing is said of it.
    size: the height and the width, in pixels, that images are resized to; None where they stay as they are.
    fit: how: "pad" keeps the whole image and puts black beside it, "crop" keeps the square in its middle.
    channels: 1 makes all images grey, 3 makes them all red, green and blue; None goes by the training images.
    """

    test: float | None = None
    size: int | None = None
    fit: Fit = "pad"
    channels: int | None = None


DataOptions = TableOptions | ImageOptions
