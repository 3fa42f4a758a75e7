"""Accuracy and the confusion matrix."""

from dataclasses import replace

import numpy as np

from mlpsearch.models.inputs.augmentation import mirrored
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.metrics import accuracy, confusion_matrix, predict_split, probabilities
from mlpsearch.models.numpy_net.loss import softmax
from tests.models.blobs import blobs
from tests.models.cases import configuration, net_of, preprocessing_of


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
