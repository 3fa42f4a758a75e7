"""Accuracy and the confusion matrix."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from mlpsearch.models import build_net
from mlpsearch.models.inputs.augmentation import mirrored
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.metrics import accuracy, confusion_matrix, predict_split, probabilities, split_logits
from mlpsearch.models.numpy_net.loss import softmax
from tests.models.blobs import blobs
from tests.models.cases import configuration, every_net, net_of, preprocessing_of


def test_a_confusion_matrix_counts_true_classes_in_rows() -> None:
    labels, predictions = np.array([0, 0, 2, 2, 2]), np.array([0, 1, 2, 2, 0])
    expected = [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    np.testing.assert_array_equal(confusion_matrix(predictions, labels, classes=4), expected)


def test_accuracy_compares_with_the_rows_of_the_split() -> None:
    split = Split(np.zeros((5, 1), np.uint8), np.array([9, 1, 9, 2, 3]), np.array([1, 3, 4]), (1, 1, 1))
    assert accuracy(np.array([1, 2, 0]), split) == 2 / 3


def test_a_split_larger_than_a_chunk_is_predicted_in_its_order() -> None:
    _, split = blobs(training=100, validation=1500)
    net = net_of("numpy", configuration())
    preprocessing = preprocessing_of(split)
    predictions = predict_split(net, split, preprocessing)
    assert len(set(predictions)) > 1
    np.testing.assert_array_equal(predictions, net.logits(preprocessing.batch(split, split.rows)).argmax(axis=1))
    shares = probabilities(net, split, preprocessing)
    np.testing.assert_array_equal(shares.argmax(axis=1), predictions)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


def test_flip_averaging_predicts_by_the_mean_logits_of_image_and_mirror_image() -> None:
    _, split = blobs(training=100, validation=1100)
    net = net_of("numpy", configuration())
    preprocessing = preprocessing_of(split, "standardize", flip_averaging=True)
    flipped = replace(split, images=mirrored(split.images, split.shape))
    one, other = (net.logits(preprocessing.batch(images, split.rows)) for images in (split, flipped))
    np.testing.assert_allclose(probabilities(net, split, preprocessing), softmax((one + other) / 2), rtol=1e-5)
    predicted = predict_split(net, split, preprocessing)
    np.testing.assert_array_equal(predicted, ((one + other) / 2).argmax(axis=1))
    assert (predicted != one.argmax(axis=1)).any()
    np.testing.assert_array_equal(predicted, predict_split(net, flipped, preprocessing))


@every_net
@pytest.mark.parametrize("shape", [(4, 5, 3), (6, 4, 1), (1, 2, 3)])
@pytest.mark.parametrize("flip_averaging", [False, True])
@pytest.mark.parametrize("shift_averaging", [1, 3])
def test_shift_averaging_predicts_by_the_mean_logits_of_the_image_at_all_places(
    net_name: str, shape: tuple[int, int, int], flip_averaging: bool, shift_averaging: int
) -> None:
    random, (height, width, _) = np.random.default_rng(0), shape
    images = random.integers(0, 256, (1_030, *shape), dtype=np.uint8)
    split = Split(images.reshape(1_030, -1), np.zeros(1_030, np.int64), np.arange(1_030), shape)
    net = build_net(net_name, inputs=split.inputs, classes=4, config=configuration())
    preprocessing = preprocessing_of(
        split, "standardize", flip_averaging=flip_averaging, shift_averaging=shift_averaging
    )
    margin, shown = (shift_averaging, shift_averaging), []
    for one in (images, images[:, :, ::-1])[: 1 + flip_averaging]:
        framed = np.pad(one, ((0, 0), margin, margin, (0, 0)), mode="edge")
        for top, left in product(range(2 * shift_averaging + 1), repeat=2):
            moved = framed[:, top : top + height, left : left + width].reshape(1_030, -1)
            shown.append(net.logits(preprocessing.batch(replace(split, images=moved), split.rows)))
    expected = np.mean(shown, axis=0)
    np.testing.assert_allclose(split_logits(net, split, preprocessing), expected, rtol=1e-4, atol=1e-5)
    plain = split_logits(net, split, preprocessing_of(split, "standardize"))
    assert np.abs(plain - expected).max() > 0.01
