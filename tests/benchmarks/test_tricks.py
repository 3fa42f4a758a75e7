"""Nets with what mlpsearch has not, on a few small images."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.tricks import TRICKS, rows, small_study
from benchmarks.tricks_training import (
    CutBatches,
    Problem,
    Trick,
    backward,
    batches_of,
    build,
    follow,
    loss_of,
    move,
    shrink,
    targets,
    uphill,
)
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.studies.data.training import TrainingData

SMALL: dict[str, Any] = {"hidden_size": 16, "epochs": 2, "components": 64, "batch_size": 20}


@pytest.fixture
def problem() -> Problem:
    """Sixty images of two classes, one of them brighter."""
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = (random.integers(0, 156, (60, 3072)) + 100 * labels[:, None]).astype(np.uint8)
    training, validation = (Split(images, labels, np.arange(*part), (32, 32, 3)) for part in ((40,), (40, 60)))
    data = TrainingData(training, validation, ("dark", "bright"), training.shape, "0")
    return Problem(data, PixelStatistics(training))


@pytest.fixture
def config() -> TrainConfig:
    """That of the study, smaller."""
    return replace(small_study(16, 2)[1], **SMALL)


def test_all_train_after_one_net_a_seed_of_nothing(problem: Problem, config: TrainConfig) -> None:
    found = list(rows(problem, config, list(TRICKS), seeds=2))
    assert [name for name, _ in found] == ["nothing", *TRICKS]
    assert all(0 <= result.accuracy <= 1 for _, result in found)
    assert all(torch.isfinite(weight).all() for _, result in found for weight in result.net.parameters())


def test_a_square_of_each_image_is_the_mean_of_all(problem: Problem, config: TrainConfig) -> None:
    plain = replace(config, preprocessing="standardize", flip=False, shift=1)
    how = problem.statistics.preprocessing(plain)
    cut, whole = (batches_of(problem.data, plain, Trick(cutout=side), how, 1) for side in (8, 0))
    assert isinstance(cut, CutBatches)
    pairs = zip(cut.epoch(1), whole.epoch(1), strict=True)
    for (images, _), (others, _) in ((one, (other[0].copy(), other[1])) for one, other in pairs):
        changed = (images != others).reshape(-1, 32, 32, 3).any(axis=3).sum(axis=(1, 2))
        assert (changed > 0).all()
        assert (changed <= 64).all()
        assert np.abs(images[images != others]).max() < np.abs(others).max() / 10  # the mean, but for rounding


def test_shifts_go_from_the_first_to_the_last(problem: Problem, config: TrainConfig) -> None:
    how = problem.statistics.preprocessing(config)
    longer = replace(config, epochs=5)
    found = [batches_of(problem.data, longer, Trick(shifts=(1, 5)), how, epoch) for epoch in range(1, 6)]
    assert [batches._config.shift for batches in found] == [1, 2, 3, 4, 5]


def test_mixtures_keep_their_sum_and_both_labels() -> None:
    images, labels = torch.randn(6, 4), torch.arange(6)
    mixed = targets(images, labels, Trick(mixup=0.5), np.random.default_rng(0))
    assert sorted(mixed.others.tolist()) == labels.tolist()
    expected = mixed.share * images + (1 - mixed.share) * images[mixed.others]
    torch.testing.assert_close(mixed.images, expected)


def test_uphill_is_as_far_as_asked_raises_the_loss_and_leads_back(config: TrainConfig) -> None:
    torch.manual_seed(0)
    net = build(8, 3, replace(config, dropout=0.0), Trick())
    target = targets(torch.randn(20, 8), torch.arange(20) % 3, Trick(), np.random.default_rng(0))
    before = [parameter.detach().clone() for parameter in net.parameters()]
    loss = loss_of(net, target, config, None)
    backward(loss)
    moves = uphill(net, 1e-3)
    assert torch.cat([change.ravel() for change in moves]).norm() == pytest.approx(1e-3, rel=1e-4)
    move(net, moves, 1)
    assert loss_of(net, target, config, None) > loss
    move(net, moves, -1)
    for parameter, was in zip(net.parameters(), before, strict=True):
        torch.testing.assert_close(parameter.detach(), was)


def test_weights_shrink_to_zero_and_no_further() -> None:
    weight = torch.tensor([-3.0, -1.0, 0.5, 2.0])
    shrink(weight, 1.0)
    assert weight.tolist() == [-2.0, 0.0, 0.0, 1.0]


def test_an_average_follows_the_net_by_its_share() -> None:
    average, net = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    expected = [
        0.75 * a.detach() + 0.25 * b.detach() for a, b in zip(average.parameters(), net.parameters(), strict=True)
    ]
    follow(average, net, 0.25)
    for found, wanted in zip(average.parameters(), expected, strict=True):
        torch.testing.assert_close(found.detach(), wanted)


def test_bottlenecks_and_pairs_have_the_shapes_they_say(config: TrainConfig) -> None:
    def shapes(trick: Trick) -> list[tuple[int, ...]]:
        net = build(8, 3, replace(config, hidden_size=16, depth=3), trick)
        return [tuple(one.shape) for one in net.parameters() if one.ndim == 2]

    assert shapes(Trick()) == [(16, 8), (16, 16), (3, 16)]
    assert shapes(Trick(bottleneck=0.25)) == [(16, 8), (4, 16), (16, 4), (3, 16)]
    assert shapes(Trick(expansion=2)) == [(16, 8), (32, 16), (16, 32), (3, 16)]
