"""The batches of an epoch: each image once, augmented and preprocessed, labels beside them."""

from typing import Any

import numpy as np
import pytest

from mlpsearch.models.draws import batch_order
from mlpsearch.models.inputs.augmentation import Augmentation
from mlpsearch.models.inputs.batches import Batches
from mlpsearch.models.inputs.pixels import PixelStatistics
from tests.models.blobs import blobs
from tests.models.cases import configuration

TRAINING, _ = blobs()


def batches_of(**options: Any) -> Batches:
    config = configuration(**options)
    return Batches(TRAINING, config, PixelStatistics(TRAINING).preprocessing(config))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"flip": True},
        {"shift": 1},
        {"preprocessing": "whiten", "components": 3},  # projected once
        {"preprocessing": "whiten", "components": 5},
        {"preprocessing": "whiten", "components": 5, "flip": True, "shift": 1},
    ],
)
def test_images_are_augmented_as_pixels_and_then_preprocessed(options: dict[str, Any]) -> None:
    config, batches = configuration(batch_size=20, **options), batches_of(batch_size=20, **options)
    preprocessing = PixelStatistics(TRAINING).preprocessing(config)
    found = [(images.copy(), labels) for images, labels in batches.epoch(2)]
    assert [len(labels) for _, labels in found] == [20, 20, 10]
    assert len(batches) == 3
    order = TRAINING.rows[batch_order(50, config, 2)]
    for number, (images, labels) in enumerate(found):
        rows = order[20 * number : 20 * (number + 1)]
        pixels = TRAINING.images[rows]
        if config.flip or config.shift:
            Augmentation(config, TRAINING.shape, 20)(pixels, 2, number)
        expected = preprocessing.apply(pixels, preprocessing.buffer(20))
        np.testing.assert_allclose(images, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(labels, TRAINING.labels[rows])


def test_stored_images_stay_as_they_are() -> None:
    before = TRAINING.images.copy()
    for _ in batches_of(flip=True, shift=1).epoch(1):
        pass
    np.testing.assert_array_equal(TRAINING.images, before)


def test_the_sample_is_not_augmented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpsearch.models.inputs.batches.SAMPLE", 25)
    batches = batches_of(flip=True, shift=1)
    preprocessing = PixelStatistics(TRAINING).preprocessing(configuration())
    np.testing.assert_array_equal(batches.sample(), preprocessing.batch(TRAINING, TRAINING.sample(25).rows))
