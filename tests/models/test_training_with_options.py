"""Whole training runs with each option: they go on bit for bit, and both nets train alike."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlpsearch.models import build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.net import Net
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.prediction import Layout, prediction_arrays, prediction_shapes, trained_net
from mlpsearch.models.training import EpochResult, train
from tests.models.blobs import blobs
from tests.models.cases import (
    CLASSES,
    DATA_OPTIONS,
    EVERY_OPTION,
    EVERYTHING,
    INPUTS,
    configuration,
    every_net,
    net_of,
    preprocessing_of,
)

TRAINING, VALIDATION = blobs()


def run(net: Net, config: TrainConfig, done: int = 0, stop: int | None = None) -> list[EpochResult]:
    preprocessing = preprocessing_of(TRAINING, config.preprocessing, **changes_of(config))
    results = []
    for result in train(net, TRAINING, VALIDATION, config, preprocessing, epochs_done=done):
        results.append(replace(result, seconds=0.0))
        if result.epoch == stop:
            break
    return results


def changes_of(config: TrainConfig) -> dict[str, Any]:
    return {name: getattr(config, name) for name in ("components", "flip_averaging", "shift_averaging")}


def made(net_name: str, config: TrainConfig) -> Net:
    inputs = config.components if config.preprocessing == "whiten" else INPUTS
    return build_net(net_name, inputs=inputs, classes=CLASSES, config=config)


def bits(net: Net) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in net.state().items()}


@every_net
@pytest.mark.parametrize("changes", [*EVERY_OPTION.values(), *DATA_OPTIONS.values(), EVERYTHING])
def test_going_on_after_an_epoch_gives_the_same_bits(net_name: str, changes: dict[str, Any]) -> None:
    config = configuration(epochs=4, **changes)
    whole, paused, resumed = (made(net_name, config) for _ in range(3))
    results = run(whole, config)
    assert len(results) == 4
    run(paused, config, stop=2)
    resumed.load_state(paused.state())
    assert run(resumed, config, done=2) == results[2:]
    assert bits(resumed) == bits(whole)


@every_net
def test_everything_at_once_learns_and_comes_back_from_arrays(net_name: str) -> None:
    config = configuration(epochs=30, **EVERYTHING | {"batch_size": 10, "dropout": 0.1, "input_dropout": 0.1})
    net = made(net_name, config)
    assert run(net, config)[-1].validation_accuracy >= 0.8
    preprocessing = preprocessing_of(TRAINING, config.preprocessing, **changes_of(config))
    arrays = prediction_arrays(net, preprocessing)
    assert {name: array.shape for name, array in arrays.items()} == prediction_shapes(
        Layout(INPUTS), CLASSES, config
    )
    again, same = trained_net(net_name, arrays, config)
    images, other = (one.batch(VALIDATION, VALIDATION.rows) for one in (preprocessing, same))
    np.testing.assert_array_equal(images, other)
    np.testing.assert_array_equal(again.logits(other), net.logits(images))
    assert same.poses == preprocessing.poses
    assert len(same.poses) == 2 * 9


def test_both_nets_train_alike_with_everything() -> None:
    from mlpsearch.models.torch_net.torch_mlp import TorchNet

    config = configuration(epochs=5, **EVERYTHING)
    nets = [
        kind(inputs=config.components, classes=CLASSES, config=config, dtype=np.float64)
        for kind in (NumpyNet, TorchNet)
    ]
    for one, other in zip(*(run(net, config) for net in nets), strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-10)
        assert one.validation_accuracy == other.validation_accuracy


def test_training_measures_after_each_epoch_and_only_with_batch_normalisation() -> None:
    for normalized in (False, True):
        config = configuration(epochs=2, batch_normalization=normalized)
        net = net_of("numpy", config)
        run(net, config)
        expected = net.parameters()
        preprocessing = preprocessing_of(TRAINING, config.preprocessing)
        net.measure(preprocessing.batch(TRAINING, TRAINING.rows))
        for name, array in net.parameters().items():
            np.testing.assert_array_equal(array, expected[name])
    assert "mean.0" in expected
