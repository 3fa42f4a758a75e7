"""Class weights: what they are, and what both nets make of them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpsearch.models import build_net
from mlpsearch.models.arrays import Floats
from mlpsearch.models.class_weights import class_weights
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.gradient_check import check_autograd, check_numeric
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.metrics import predict_split
from mlpsearch.models.numpy_net import numpy_mlp
from mlpsearch.models.numpy_net.loss import cross_entropy, softmax
from mlpsearch.models.training import train
from tests.models.blobs import blobs
from tests.models.cases import (
    CLASSES,
    batch,
    configuration,
    every_net,
    net_of,
    patiently,
    preprocessing_of,
)

BALANCED = TrainConfig(class_weights="balanced")
WEIGHTS = np.array([0.5, 1.0, 4.0])


@patiently
@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_balanced_classes_weigh_the_same_and_rows_1_in_the_mean(drawn: list[int]) -> None:
    labels = np.array(drawn)
    weights = class_weights(labels, BALANCED)
    assert weights is not None
    totals = weights * np.bincount(labels)
    occurs = totals > 0
    np.testing.assert_allclose(totals[occurs], len(labels) / occurs.sum(), rtol=1e-12)
    assert (occurs == np.isin(np.arange(len(weights)), labels)).all(), "a class without rows weighs nothing"
    assert weights[labels].mean() == pytest.approx(1, rel=1e-12)


def test_without_weights_there_is_nothing_to_multiply() -> None:
    assert class_weights(np.array([0, 0, 1]), TrainConfig()) is None
    assert net_of("numpy", configuration()).class_weights is None


@every_net
def test_training_weighs_by_the_training_rows_alone(net_name: str) -> None:
    training, validation = blobs()
    config = configuration(class_weights="balanced", epochs=1)
    net = net_of(net_name, config)
    next(train(net, training, validation, config, preprocessing_of(training)))
    expected = class_weights(training.labels[training.rows], config)
    assert net.class_weights is not None
    assert expected is not None
    np.testing.assert_allclose(net.class_weights, expected, rtol=1e-6)


@every_net
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_each_row_counts_by_its_true_class_and_the_rows_are_divided_by_their_number(
    net_name: str, smoothing: float
) -> None:
    """Not by their weights, as torch would."""
    net: Any = net_of(net_name, configuration(label_smoothing=smoothing, regularization=0.0))
    images, labels = batch(20)
    net.class_weights = WEIGHTS
    probabilities = softmax(net.logits(images))
    targets = (1 - smoothing) * np.eye(CLASSES)[labels] + smoothing / CLASSES
    rows = -(targets * np.log(probabilities)).sum(axis=1)
    loss, gradients = net.loss_and_gradients(images, labels)
    assert loss == pytest.approx((WEIGHTS[labels] * rows).sum() / 20, rel=1e-5)
    by_logits = WEIGHTS[labels][:, None] * (probabilities - targets) / 20
    np.testing.assert_allclose(gradients["bias.2"], by_logits.sum(axis=0), rtol=1e-3, atol=1e-6)


@every_net
def test_batches_of_one_size_add_up_to_all_rows(net_name: str) -> None:
    net: Any = net_of(net_name, configuration())
    net.class_weights = WEIGHTS
    images, labels = batch(20)
    whole, _ = net.loss_and_gradients(images, labels)
    parts = [net.loss_and_gradients(images[i : i + 4], labels[i : i + 4])[0] for i in range(0, 20, 4)]
    assert np.mean(parts) == pytest.approx(whole, rel=1e-5)


@every_net
def test_weights_of_1_change_nothing(net_name: str) -> None:
    nets = [net_of(net_name, configuration()) for _ in range(2)]
    nets[1].class_weights = np.ones(CLASSES)
    losses = [[float(net.train_batch(*batch(20, step))) for step in range(5)] for net in nets]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@every_net
def test_a_rare_class_is_predicted_more_often_with_weights(net_name: str) -> None:
    """One row in twenty is of a class that overlaps with the other."""
    random = np.random.default_rng(0)
    labels = (np.arange(400) % 20 == 0).astype(np.int64)
    images = (random.normal(110, 20, (400, 2)) + 30 * labels[:, None]).clip(0, 255).astype(np.uint8)
    training = Split(images, labels, np.arange(400), (1, 2, 1))
    predicted = []
    for weights in ("none", "balanced"):
        config = configuration(class_weights=weights, epochs=20, preprocessing="standardize")
        preprocessing = preprocessing_of(training)
        net = build_net(net_name, inputs=2, classes=2, config=config)
        assert len([*train(net, training, training, config, preprocessing)]) == 20
        predicted.append(int(predict_split(net, training, preprocessing)[labels == 1].sum()))
    assert predicted[0] < 10 < predicted[1] <= 20


def weighing_the_loss_alone(
    logits: Floats, labels: Any, out: Floats, smoothing: float = 0.0, class_weights: Floats | None = None
) -> float:
    """The slip of leaving the factor out of the gradient."""
    loss = cross_entropy(logits, labels, np.empty_like(out), smoothing, class_weights)
    cross_entropy(logits, labels, out, smoothing)
    return loss


def dividing_by_weights(
    logits: Floats, labels: Any, out: Floats, smoothing: float = 0.0, class_weights: Floats | None = None
) -> float:
    """The slip of dividing by the batch's weights in the gradient."""
    loss = cross_entropy(logits, labels, out, smoothing, class_weights)
    if class_weights is not None:
        out /= class_weights[labels].mean()
    return loss


@pytest.mark.parametrize("slip", [weighing_the_loss_alone, dividing_by_weights])
def test_slips_in_the_gradient_of_weights_are_caught(slip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numpy_mlp, "cross_entropy", slip)
    for check in (check_numeric, check_autograd):
        assert not any(one.passed for one in check(3, 0.0, "class weights") if one.parameter.startswith("bias"))
        assert all(one.passed for one in check(3, 0.0, "label smoothing"))
