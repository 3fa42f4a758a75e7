"""The options of the training: what each computes, in both nets alike, and that training can go on with all."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.draws import DropoutMasks
from mlpsearch.models.gradient_check import check_autograd, check_numeric
from mlpsearch.models.initialization import parameter_shapes, trained_shapes
from mlpsearch.models.net import Net
from mlpsearch.models.numpy_net.normalization import Normalization
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from tests.models.cases import (
    CLASSES,
    EVERY_OPTION,
    INPUTS,
    batch,
    configuration,
    every_net,
    every_option,
    net_of,
)


def float64_nets(config: TrainConfig) -> tuple[Net, Net]:
    from mlpsearch.models.torch_net.torch_mlp import TorchNet

    ours = NumpyNet(inputs=INPUTS, classes=CLASSES, config=config, dtype=np.float64)
    return ours, TorchNet(inputs=INPUTS, classes=CLASSES, config=config, dtype=np.float64)


def numpy_net(**changes: Any) -> NumpyNet:
    return NumpyNet(inputs=INPUTS, classes=CLASSES, config=configuration(**changes), dtype=np.float64)


def assert_close(found: dict[str, Floats], expected: dict[str, Floats]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        scale = max(np.abs(array).max(), 1e-3)
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-10 * scale, err_msg=name)


# ---- both nets, each option --------------------------------------------------------------------------------


@every_option
def test_both_nets_take_the_same_steps_and_predict_the_same(option: str) -> None:
    ours, theirs = float64_nets(configuration(**EVERY_OPTION[option]))
    for step in range(60):
        images, labels = batch(20 if step % 5 else 7, seed=step)
        ours.learning_rate = theirs.learning_rate = 0.01 + 0.001 * (step % 3)
        loss = float(theirs.train_batch(images, labels))
        assert ours.train_batch(images, labels) == pytest.approx(loss, rel=1e-10)
    for net in (ours, theirs):
        net.measure(batch(200, seed=99)[0])
    assert_close(ours.parameters(), theirs.parameters())
    images, _ = batch(30, seed=98)
    np.testing.assert_allclose(ours.logits(images), theirs.logits(images), rtol=1e-9, atol=1e-10)


@every_option
def test_an_option_changes_the_steps_or_the_predictions(option: str) -> None:
    nets = [
        numpy_net(**changes) for changes in (EVERY_OPTION[option], {}, {"momentum": 0.9}, {"optimizer": "adam"})
    ]
    for net in nets:
        for step in range(5):
            net.learning_rate = 0.02
            net.train_batch(*batch(20, step))
    images, _ = batch(30, seed=98)
    logits = [net.logits(images) for net in nets]
    assert all((logits[0] != other).any() for other in logits[1:])


@every_net
@every_option
def test_predictions_are_a_function_of_the_parameters(net_name: str, option: str) -> None:
    config = configuration(**EVERY_OPTION[option])
    net = net_of(net_name, config)
    for step in range(5):
        net.train_batch(*batch(20, step))
    net.measure(batch(100, seed=9)[0])
    parameters, (images, _) = net.parameters(), batch(30, seed=98)
    assert {name: array.shape for name, array in parameters.items()} == parameter_shapes(INPUTS, CLASSES, config)
    np.testing.assert_allclose(
        net.logits(images), written_out(parameters, images, config.activation), rtol=1e-3, atol=1e-4
    )
    np.testing.assert_array_equal(net.logits(images), net.logits(images))  # nothing is dropped
    twin = net_of(net_name, replace(config, seed=7))
    twin.load_parameters(parameters)
    np.testing.assert_array_equal(twin.logits(images), net.logits(images))
    parameters["weight.0"] += 1  # they are copies
    np.testing.assert_array_equal(twin.logits(images), net.logits(images))


FORMULAS: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky-relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "gelu": lambda z: 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "tanh": np.tanh,
}


def written_out(parameters: dict[str, Floats], activations: Floats, name: str) -> Floats:
    """The logits by the formula of models.prediction. name: of the activation."""
    last = max(int(name.split(".")[1]) for name in parameters)
    for i in range(last):
        outputs = activations @ parameters[f"weight.{i}"]
        if f"gamma.{i}" in parameters:
            outputs = (outputs - parameters[f"mean.{i}"]) / np.sqrt(parameters[f"variance.{i}"] + 1e-5)
            outputs = parameters[f"gamma.{i}"] * outputs
        activations = FORMULAS[name](outputs + parameters[f"bias.{i}"])
    return activations @ parameters[f"weight.{last}"] + parameters[f"bias.{last}"]


# ---- dropout -----------------------------------------------------------------------------------------------


def test_masks_drop_their_share_and_keep_the_expectation() -> None:
    masks = DropoutMasks(configuration(dropout=0.25, input_dropout=0.1), [300, 200, 200, 10], np.float64)(0, 100)
    assert [mask.shape for mask in masks if mask is not None] == [(100, 300), (100, 200), (100, 200)]
    for mask, rate in zip(masks, (0.1, 0.25, 0.25), strict=True):
        assert mask is not None
        assert set(np.unique(mask)) == {0.0, 1 / (1 - rate)}
        assert (mask == 0).mean() == pytest.approx(rate, abs=0.01)


def test_masks_depend_on_seed_and_step_alone() -> None:
    def mask(step: int, **changes: Any) -> NDArray[Any]:
        masks = DropoutMasks(configuration(dropout=0.5, **changes), [INPUTS, 8, 8, CLASSES], np.float64)
        masks(99, 7)  # whatever was drawn before
        drawn = masks(step, 20)
        assert drawn[0] is None
        assert drawn[1] is not None
        assert drawn[2] is not None
        assert (drawn[1] != drawn[2]).any()
        return drawn[1].copy()

    np.testing.assert_array_equal(mask(3), mask(3, learning_rate=0.7))
    assert (mask(3) != mask(4)).any()
    assert (mask(3) != mask(3, seed=1)).any()


@every_net
def test_every_step_drops_others_and_gradients_are_those_of_the_next_step(net_name: str) -> None:
    net: Any = net_of(net_name, configuration(dropout=0.5, learning_rate=1e-12))
    losses = []
    for _ in range(5):
        loss, _ = net.loss_and_gradients(*batch(20))
        losses.append(net.train_batch(*batch(20)))
        assert losses[-1] == pytest.approx(loss, rel=1e-6)
    assert len(set(losses)) == 5


# ---- batch normalisation -----------------------------------------------------------------------------------


@every_net
@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_what_is_measured_is_of_the_weights_that_predict(net_name: str, averaging: float) -> None:
    """Each hidden layer, normalised, has mean 0 and deviation 1 over the images that it was measured on."""
    net = net_of(net_name, configuration(batch_normalization=True, averaging=averaging))
    for step in range(20):
        net.train_batch(*batch(20, step))
    images, _ = batch(500, seed=9)
    net.measure(images)
    parameters, activations = net.parameters(), images.astype(np.float64)
    for i in range(2):
        outputs = activations @ parameters[f"weight.{i}"]
        np.testing.assert_allclose(parameters[f"mean.{i}"], outputs.mean(axis=0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(parameters[f"variance.{i}"], outputs.var(axis=0), rtol=1e-4, atol=1e-5)
        outputs = (outputs - outputs.mean(axis=0)) / np.sqrt(outputs.var(axis=0) + 1e-5)
        activations = np.maximum(parameters[f"gamma.{i}"] * outputs + parameters[f"bias.{i}"], 0)


@every_net
def test_a_batch_of_one_image_is_no_reason_to_stop(net_name: str) -> None:
    net = net_of(net_name, configuration(batch_normalization=True))
    losses = [float(net.train_batch(*batch(1, step))) for step in range(5)]
    assert np.isfinite(losses).all()
    assert all(np.isfinite(array).all() for array in net.state().values())


def without_mean(
    layer: Normalization, delta: Floats, bias_gradient: Floats, gamma: Floats, gamma_gradient: Floats
) -> None:
    """The slip of taking the batch's mean for a constant."""
    gamma_gradient[...] = (delta * layer.normalized).sum(axis=0)
    delta -= layer.normalized * gamma_gradient / len(delta)
    delta *= gamma / layer.deviations


def without_deviation(
    layer: Normalization, delta: Floats, bias_gradient: Floats, gamma: Floats, gamma_gradient: Floats
) -> None:
    """The slip of taking the batch's deviation for a constant."""
    gamma_gradient[...] = (delta * layer.normalized).sum(axis=0)
    delta -= delta.mean(axis=0)
    delta *= gamma / layer.deviations


@pytest.mark.parametrize("slip", [without_mean, without_deviation])
def test_slips_in_the_gradient_of_batch_normalisation_are_caught(
    slip: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Normalization, "backward", slip)
    for check in (check_numeric, check_autograd):
        failed = {one.parameter for one in check(3, 0.1, "batch normalisation") if not one.passed}
        assert {"weight.0", "weight.1"} <= failed <= {"weight.0", "weight.1", "bias.0", "gamma.0"}


# ---- label smoothing, optimisers, averaging ----------------------------------------------------------------


def test_label_smoothing_is_the_cross_entropy_of_smooth_targets() -> None:
    net, plain = numpy_net(label_smoothing=0.3, regularization=0.0), numpy_net(regularization=0.0)
    images, labels = batch(20)
    targets = 0.7 * np.eye(CLASSES)[labels] + 0.3 / CLASSES
    expected = -(targets * np.log(plain.probabilities(images))).sum(axis=1).mean()
    assert net.loss_and_gradients(images, labels)[0] == pytest.approx(expected, rel=1e-12)
    gradient = (plain.probabilities(images) - targets).sum(axis=0) / 20
    np.testing.assert_allclose(net.loss_and_gradients(images, labels)[1]["bias.2"], gradient, rtol=1e-10)


def test_two_steps_of_nesterov_by_hand() -> None:
    net = numpy_net(momentum=0.9, nesterov=True, learning_rate=0.1)
    start, (_, first) = net.parameters(), net.loss_and_gradients(*batch(20))
    net.train_batch(*batch(20))
    middle, (_, second) = net.parameters(), net.loss_and_gradients(*batch(20))
    net.train_batch(*batch(20))
    assert_close(middle, {name: start[name] - 0.1 * 1.9 * first[name] for name in start})
    velocity = {name: 0.9 * first[name] + second[name] for name in start}
    assert_close(
        net.parameters(), {name: middle[name] - 0.1 * (second[name] + 0.9 * velocity[name]) for name in start}
    )


@every_net
def test_nesterov_without_momentum_is_sgd(net_name: str) -> None:
    nets = [net_of(net_name, configuration(nesterov=nesterov)) for nesterov in (False, True)]
    losses = [[net.train_batch(*batch(20, step)) for step in range(3)] for net in nets]
    assert losses[0] == losses[1]


def test_a_first_step_of_adamw_by_hand() -> None:
    """Adam's first step is learning_rate against the gradient's sign; the weights decay beside it."""
    net = numpy_net(optimizer="adamw", weight_decay=0.5, learning_rate=0.01, regularization=0.2)
    start, (_, gradients) = net.parameters(), net.loss_and_gradients(*batch(20))
    net.train_batch(*batch(20))
    for name, array in net.parameters().items():
        decay = 1 - 0.01 * 0.5 if name.startswith("weight") else 1.0
        moving = np.abs(gradients[name]) > 1e-4  # else Adam's ε shows
        expected = decay * start[name] - 0.01 * np.sign(gradients[name])
        np.testing.assert_allclose(array[moving], expected[moving], atol=1e-5)


@every_net
def test_adamw_without_decay_is_adam(net_name: str) -> None:
    nets = [
        net_of(net_name, configuration(name, regularization=0.0, weight_decay=0.0)) for name in ("adam", "adamw")
    ]
    losses = [[net.train_batch(*batch(20, step)) for step in range(3)] for net in nets]
    assert losses[0] == losses[1]


@every_net
def test_averages_are_of_the_weights_after_each_step(net_name: str) -> None:
    config = configuration(averaging=0.5, batch_normalization=True)
    net = net_of(net_name, config)
    expected = net.parameters()
    for step in range(1, 21):
        net.train_batch(*batch(20, step))
        keep = min(0.5, step / (step + 9))
        trained = {name: net.state()[name] for name in trained_shapes(INPUTS, CLASSES, config)}
        expected |= {name: keep * expected[name] + (1 - keep) * trained[name] for name in trained}
    for name, array in net.parameters().items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-4, atol=1e-6)
    assert (net.parameters()["weight.0"] != net.weights[0]).any()


@every_net
def test_an_average_starts_at_weights_that_are_set(net_name: str) -> None:
    net = net_of(net_name, configuration(averaging=0.99))
    net.weights, net.biases = [weight + 1 for weight in net.weights], [bias + 1 for bias in net.biases]
    for name, array in net.parameters().items():
        kind, layer = name.split(".")
        expected = (net.weights if kind == "weight" else net.biases)[int(layer)]
        np.testing.assert_array_equal(array, expected)
