"""Accuracy, its interval, and the confusion matrix."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.augmentation import mirrored
from models.data import Split
from models.metrics import accuracy, confusion_matrix, predict_split, probabilities, wilson_interval
from models.numpy_net import softmax
from tests.models.blobs import blobs
from tests.models.cases import configuration, net_of, patiently, preprocessing_of

# 81/263, 15/148, 0/20 and 1/29 are Newcombe's examples (1998, table I, method 3,
# https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E).
WILSON = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
    (0, 10, 0.0, 0.2775),
    (10, 10, 0.7225, 1.0),
    (536, 1000, 0.5050, 0.5667),
]


@pytest.mark.parametrize(("correct", "total", "low", "high"), WILSON)
def test_known_wilson_intervals(correct: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=6e-5)


@patiently
@given(st.integers(1, 10_000), st.data())
def test_wilson_bounds_are_where_the_share_is_z_deviations_away(total: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, total))
    low, high = wilson_interval(correct, total)
    assert 0 <= low <= correct / total <= high <= 1
    for bound in (low, high):
        distance = 1.959964 * math.sqrt(bound * (1 - bound) / total)
        assert abs(correct / total - bound) == pytest.approx(distance, rel=1e-6, abs=1e-7)


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
