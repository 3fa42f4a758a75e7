"""Batches made on a device are those made on the host; here the device is the CPU, and CUDA where there is one."""

from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.draws import flips_and_shifts
from mlpsearch.models.inputs.batches import Batches
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.torch_net import device_batches
from mlpsearch.models.torch_net.device_batches import DeviceBatches
from mlpsearch.models.torch_net.torch_mlp import TorchNet
from mlpsearch.models.training import train
from tests.models.cases import CLASSES, DATA_OPTIONS, EVERYTHING, INPUTS, batch, configuration

SHAPE = (5, 4, 3)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def images_of_noise() -> Split:
    """23 of 30 images of 5 × 4 pixels in three colours."""
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (30, 60), dtype=np.uint8)
    return Split(pixels, random.integers(0, 3, 30), random.permutation(30)[:23], SHAPE)


def both(config: TrainConfig) -> tuple[Batches, DeviceBatches]:
    images = images_of_noise()
    preprocessing = PixelStatistics(images).preprocessing(config)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Batches(images, config, preprocessing), DeviceBatches(images, config, preprocessing, device)


@pytest.mark.parametrize("preprocessing", ["center", "standardize", "scale", "whiten"])
@pytest.mark.parametrize(
    "options", [{}, {"flip": True}, {"shift": 1}, {"shift": 3}, {"shift": 2, "flip": True}], ids=str
)
def test_the_batches_are_those_of_the_host(preprocessing: str, options: dict[str, Any]) -> None:
    config = configuration(batch_size=7, preprocessing=preprocessing, components=9, **options)
    ours, theirs = both(config)
    assert len(theirs) == len(ours) == 4
    for epoch in (1, 3):
        found = list(theirs.epoch(epoch))
        assert len(found) == 4
        for (images, labels), (expected, expected_labels) in zip(found, ours.epoch(epoch), strict=True):
            assert images.dtype == torch.float32
            np.testing.assert_allclose(images.cpu(), expected, rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(labels.cpu(), expected_labels)
    np.testing.assert_allclose(theirs.sample().cpu(), ours.sample(), rtol=1e-5, atol=1e-5)


def losses_of(config: TrainConfig, monkeypatch: pytest.MonkeyPatch, *, on_device: bool) -> list[float]:
    images = images_of_noise()
    preprocessing = PixelStatistics(images).preprocessing(config)
    net = TorchNet(inputs=preprocessing.inputs, classes=3, config=config)
    if on_device:
        device = next(net.module.parameters()).device
        batches = DeviceBatches(images, config, preprocessing, device)
        monkeypatch.setattr(net, "batches", lambda *_: batches)
    return [result.loss for result in train(net, images, images, config, preprocessing)]


@pytest.mark.parametrize("options", [{}, *DATA_OPTIONS.values(), EVERYTHING], ids=["plain", *DATA_OPTIONS, "all"])
def test_training_on_them_is_the_same(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration(batch_size=7, epochs=3, **options)
    expected = losses_of(config, monkeypatch, on_device=False)
    assert losses_of(config, monkeypatch, on_device=True) == pytest.approx(expected, rel=1e-3)


@needs_cuda
@pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "all"])
def test_cuda_trains_the_same_net_as_the_cpu(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    config = configuration(batch_size=7, epochs=3, **options)
    found = losses_of(config, monkeypatch, on_device=True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert found == pytest.approx(losses_of(config, monkeypatch, on_device=False), rel=1e-3)


@needs_cuda
def test_an_epoch_does_not_wait_for_the_device() -> None:
    config = configuration(batch_size=7, flip=True, shift=1, dropout=0.2)
    images = images_of_noise()
    preprocessing = PixelStatistics(images).preprocessing(config)
    net = TorchNet(inputs=preprocessing.inputs, classes=3, config=config)
    batches = net.batches(images, config, preprocessing)
    for shown in batches.epoch(1):  # the first makes what later ones use again
        net.train_batch(*shown)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for shown in batches.epoch(2):
            net.train_batch(*shown)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_nothing_is_drawn_for_images_that_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = Mock(side_effect=flips_and_shifts)
    monkeypatch.setattr(device_batches, "flips_and_shifts", draw)
    _, plain = both(configuration(batch_size=7))
    assert len([*plain.epoch(1)]) == 4
    assert draw.call_count == 0
    _, moved = both(configuration(batch_size=7, shift=1))
    assert len([*moved.epoch(1)]) == 4
    assert draw.call_count == 4


@pytest.mark.parametrize("strength", [0.0, 0.01])
def test_the_losses_of_many_steps_are_numbers_and_those_of_each_step(strength: float) -> None:
    config = configuration(regularization=strength)
    one, other = (TorchNet(inputs=INPUTS, classes=CLASSES, config=config) for _ in range(2))
    shown, rates = [batch(20, seed) for seed in range(4)], [0.1, 0.05, 0.02]
    left = iter(shown)
    losses = one.train_batches(left, rates)
    expected = []
    for other.learning_rate, (images, labels) in zip(rates, shown, strict=False):
        expected.append(float(other.train_batch(images, labels)))
    assert losses == expected
    assert [type(loss) for loss in losses] == [float] * 3
    assert len([*left]) == 1
    assert [*one.train_batches(iter([]), rates)] == []
