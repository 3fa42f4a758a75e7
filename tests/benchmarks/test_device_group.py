"""Nets side by side, as benchmarks/device.py measures them, are nets alone; here the device is the CPU."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch

from benchmarks.device_draws import Draws, philox
from benchmarks.device_graphs import Replayed, compiled
from benchmarks.device_group import Group
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.metrics import split_logits
from mlpsearch.models.torch_net.torch_mlp import TorchNet
from mlpsearch.models.training import train

CPU = torch.device("cpu")
SHAPE, CLASSES = (4, 5, 3), 3
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9, "nesterov": True},
    "adam": {"optimizer": "adam", "learning_rate": 0.01},
    "adamw": {"optimizer": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
    "batch normalization": {"batch_normalization": True},
    "dropout": {"dropout": 0.3, "input_dropout": 0.2},
    "label smoothing": {"label_smoothing": 0.1},
    "flip": {"flip": True},
    "shift": {"shift": 2},
    "one-cycle": {"schedule": "one-cycle", "warmup": 0.3},
    "no penalty": {"regularization": 0.0},
}
OPTIONS["all"] = {key: value for name in list(OPTIONS)[4:11] for key, value in OPTIONS[name].items()}


def images_of_noise() -> Split:
    """23 of 30 images."""
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (30, 60), dtype=np.uint8)
    return Split(pixels, random.integers(0, CLASSES, 30), random.permutation(30)[:23], SHAPE)


def configs_of(**options: Any) -> list[TrainConfig]:
    base: dict[str, Any] = {
        "hidden_size": 8,
        "depth": 3,
        "batch_size": 7,
        "epochs": 3,
        "regularization": 0.01,
        "learning_rate": 0.05,
        "preprocessing": "standardize",
    }
    first = TrainConfig(**(base | options))
    rate, strength = first.learning_rate, first.regularization
    return [
        replace(first, seed=seed, learning_rate=rate * factor, regularization=strength * factor)
        for seed, factor in ((5, 1.0), (2**40 + 1, 0.5), (5, 2.0))
    ]


def group_of(configs: list[TrainConfig], dtype: torch.dtype = torch.float64, **options: Any) -> Group:
    training = images_of_noise()
    preprocessing = PixelStatistics(training).preprocessing(configs[0])
    return Group(configs, training, preprocessing, classes=CLASSES, device=CPU, dtype=dtype, **options)


def trained_alone(config: TrainConfig, monkeypatch: pytest.MonkeyPatch, dtype: type[np.floating]) -> Any:
    """The net in PyTorch after its epochs with the draws of a group, and the losses of these."""
    training, draws = images_of_noise(), Draws([config.seed], CPU)
    preprocessing = PixelStatistics(training).preprocessing(config)
    net = TorchNet(inputs=preprocessing.inputs, classes=CLASSES, config=config, dtype=dtype)

    def order(images: int, _: TrainConfig, epoch: int) -> Any:
        return draws.order(images, epoch)[0].numpy()

    def flips_and_shifts(images: int, config: TrainConfig, epoch: int, batch: int) -> Any:
        start = batch * config.batch_size
        drawn = draws.flips_and_shifts(len(training), config.shift, epoch)
        return tuple(one[0, start : start + images].numpy() for one in drawn)

    def masks(step: int, images: int) -> list[Any]:
        rates = [config.input_dropout, *[config.dropout] * (config.depth - 1)]
        units = [preprocessing.inputs, *[config.hidden_size] * (config.depth - 1)]
        of_step = torch.tensor([step])
        return [
            draws.mask(of_step, layer, (images, size), rate, torch.float64)[0].numpy() if rate else None
            for layer, (rate, size) in enumerate(zip(rates, units, strict=True))
        ]

    monkeypatch.setattr("mlpsearch.models.inputs.batches.batch_order", order)
    monkeypatch.setattr("mlpsearch.models.inputs.augmentation.flips_and_shifts", flips_and_shifts)
    monkeypatch.setattr(net, "_masks", masks)
    losses = [result.loss for result in train(net, training, training, config, preprocessing)]
    return net, losses, split_logits(net, training, preprocessing)


def trained_together(group: Group, epochs: int) -> list[torch.Tensor]:
    """The losses of the epochs, (nets,) each."""
    losses = []
    for _ in range(epochs):
        group.train_epoch()
        losses.append(group.losses / len(group.batches))
    return losses


# ---- nets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "precision", "dtype", "tolerance"),
    [
        *((name, "float32", "float64", 1e-9) for name in OPTIONS),
        *((name, "float32", "float32", 1e-3) for name in ("plain", "all")),
        *((name, "bfloat16", "float32", 0.02) for name in ("plain", "all")),
    ],
)
def test_each_net_takes_the_steps_that_it_takes_alone(
    name: str, precision: str, dtype: str, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = configs_of(precision=precision, **OPTIONS[name])
    group = group_of(configs, getattr(torch, dtype))
    losses = trained_together(group, configs[0].epochs)
    training = images_of_noise()
    inputs = PixelStatistics(training).preprocessing(configs[0]).everything(training)
    together = group.logits(inputs).numpy()
    for number, config in enumerate(configs):
        net, expected, logits = trained_alone(config, monkeypatch, getattr(np, dtype))
        assert [float(loss[number]) for loss in losses] == pytest.approx(expected, rel=tolerance)
        arrays = net.parameters()
        for array_name, array in group.parameters(number).items():
            scale = np.abs(arrays[array_name]).max()
            np.testing.assert_allclose(array, arrays[array_name], rtol=0, atol=tolerance * scale)
        np.testing.assert_allclose(together[number], logits, rtol=0, atol=10 * tolerance * np.abs(logits).max())


def test_whitened_images_are_those_of_a_net_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = configs_of(preprocessing="whiten", components=5, shift=1)
    losses = trained_together(group_of(configs), 3)
    _, expected, _ = trained_alone(configs[1], monkeypatch, np.float64)
    assert [float(loss[1]) for loss in losses] == pytest.approx(expected, rel=1e-4)  # projected in float32


def test_a_net_does_not_depend_on_those_beside_it() -> None:
    configs = configs_of(**OPTIONS["all"])
    whole, alone = group_of(configs), group_of(configs[1:2])
    for _ in range(3):
        whole.train_epoch()
        alone.train_epoch()
    for name, array in alone.parameters(0).items():
        np.testing.assert_allclose(whole.parameters(1)[name], array, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize(
    "changes", [{"hidden_size": 9}, {"dropout": 0.5}, {"averaging": 0.9}, {"activation": "gelu"}], ids=str
)
def test_a_group_refuses_what_it_would_train_otherwise(changes: dict[str, Any]) -> None:
    first, *others = configs_of()
    both = "averaging" in changes or "activation" in changes
    with pytest.raises(ValueError, match="side by side"):
        group_of([replace(first, **changes), *(replace(one, **(changes if both else {})) for one in others)])


# ---- draws -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            [0xA4093822, 0x299F31D0],
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_known_answers_of_its_authors(
    counter: list[int], key: list[int], expected: list[int]
) -> None:
    assert [*philox(counter, key)] == expected
    tensors = [[torch.tensor([word]) for word in words] for words in (counter, key)]
    assert [word.item() for word in philox(*tensors)] == expected


def test_draws_are_of_the_seed_and_the_place_alone() -> None:
    both, one = Draws([3, 2**33 + 3], CPU), Draws([2**33 + 3], CPU)
    step = torch.tensor([4])
    for first, second in (
        (both.order(50, 2), one.order(50, 2)),
        (both.flips_and_shifts(50, 3, 2)[1], one.flips_and_shifts(50, 3, 2)[1]),
        (both.mask(step, 1, (6, 7), 0.4, torch.float32), one.mask(step, 1, (6, 7), 0.4, torch.float32)),
    ):
        assert torch.equal(first[1], second[0])
        assert not torch.equal(first[0], second[0])
    assert not torch.equal(both.order(50, 2), both.order(50, 3))
    places = ((4, 1), (4, 2), (5, 1))
    masks = [both.mask(torch.tensor([at]), layer, (6, 7), 0.4, torch.float32) for at, layer in places]
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


def test_draws_are_spread_as_they_should_be() -> None:
    draws = Draws(range(20), CPU)
    order = draws.order(1_001, 1)
    assert torch.equal(order.sort(dim=1).values, torch.arange(1_001).expand(20, -1))
    assert float(order[:, :100].double().mean()) == pytest.approx(500, abs=33)  # five standard errors
    flips, shifts = draws.flips_and_shifts(1_001, 2, 1)
    assert float(flips.double().mean()) == pytest.approx(0.5, abs=0.02)
    assert torch.bincount((shifts + 2).view(-1)).double().div(shifts.numel()).tolist() == pytest.approx(
        [0.2] * 5, abs=0.01
    )
    mask = draws.mask(torch.tensor([0]), 0, (50, 40), 0.25, torch.float64)
    assert {*mask.view(-1).tolist()} == {0.0, 1 / 0.75}
    assert float(mask.mean()) == pytest.approx(1, abs=0.02)


# ---- what a CUDA device has ------------------------------------------------------------------------------------


@pytest.mark.parametrize("works", [True, False])
def test_what_does_not_compile_stays_as_it_is(
    works: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def doubled(number: int) -> int:
        return 2 * number

    def compile_(function: Callable[..., int], *, dynamic: bool) -> Callable[..., int]:
        assert dynamic

        def fast(*given: int) -> int:
            if not works:
                raise RuntimeError("no triton\nhere")
            return function(*given) + 100

        return fast

    monkeypatch.setattr(torch, "compile", compile_)
    assert compiled(doubled, CPU) is doubled
    call = compiled(doubled, torch.device("cuda"))
    assert [call(1), call(2)] == ([102, 104] if works else [2, 4])
    assert capsys.readouterr().out == ("" if works else "doubled is not compiled: RuntimeError: no triton\n")


def test_a_function_is_captured_once_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = MagicMock()
    cuda.stream.return_value = cuda.graph.return_value = nullcontext()
    monkeypatch.setattr(torch, "cuda", cuda)
    function = MagicMock()
    replayed = Replayed(function)
    for _ in range(6):
        replayed()
    assert function.call_count == 4  # three times to warm up, and once to capture
    assert cuda.CUDAGraph.return_value.replay.call_count == 3
