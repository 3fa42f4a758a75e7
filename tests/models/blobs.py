"""A data set small enough for any test: images that scatter about one point a class."""

import numpy as np

from mlpsearch.models.inputs.data import Split


def blobs(
    *, training: int = 50, validation: int = 30, classes: int = 3, inputs: int = 12, seed: int = 0
) -> tuple[Split, Split]:
    """A training and a validation split of one array of images.

    Images are 2 pixels high, and of 3 channels where that goes up. The rows of both are mixed, so that a position
    in a split is hardly ever the row of that image.
    """
    random = np.random.default_rng(seed)
    count = training + validation
    labels = random.integers(0, classes, count)
    labels[:classes] = np.arange(classes)  # no class is missing
    centers = random.uniform(50, 205, (classes, inputs))
    images = np.clip(centers[labels] + random.normal(0, 20, (count, inputs)), 0, 255).astype(np.uint8)
    rows = random.permutation(count)
    first, second = np.sort(rows[:training]), np.sort(rows[training:])
    shape = (2, inputs // 2, 1) if inputs % 6 else (2, inputs // 6, 3)
    return Split(images, labels, first, shape), Split(images, labels, second, shape)
