"""The epoch loop: which batches it makes, what it reports, and that it repeats bit by bit."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, SupportsFloat

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.draws import batch_order
from mlpsearch.models.inputs.batches import Batches
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.net import Net, step_by_step
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.training import EpochResult, train
from tests.models.blobs import blobs
from tests.models.cases import CLASSES, INPUTS, configuration, every_net, every_optimizer, net_of, preprocessing_of

TRAINING, VALIDATION = blobs()


class RecordingNet:
    """Learns nothing; keeps what it was shown and returns the losses and predictions that it was given."""

    def __init__(self, losses: list[float] | None = None, predictions: tuple[int, ...] = (0, 1, 2)):
        self.learning_rate = 0.0
        self.class_weights: Floats | None = None
        self.compiled = False
        self.weights: list[Floats] = []
        self.biases: list[Floats] = []
        self.learning_rates: list[float] = []
        self.measured: list[int] = []
        self.shown: list[tuple[Floats, Labels]] = []
        self._losses = iter(losses or [])
        self._predictions = np.array(predictions)

    def batches(self, training: Split, config: TrainConfig, preprocessing: Preprocessing) -> Batches:
        return Batches(training, config, preprocessing)

    def train_batch(self, images: Floats, labels: Labels) -> float:
        self.learning_rates.append(self.learning_rate)
        self.shown.append((images.copy(), labels.copy()))
        return next(self._losses, 1.0)

    def train_batches(self, batches: Iterator[tuple[Any, Any]], rates: Sequence[float]) -> Sequence[SupportsFloat]:
        return step_by_step(self, batches, rates)

    def measure(self, images: Floats) -> None:
        self.measured.append(len(images))

    def logits(self, images: Floats) -> Floats:
        return np.eye(CLASSES)[np.resize(self._predictions, len(images))]

    def parameters(self) -> dict[str, Floats]:
        return {}

    def load_parameters(self, parameters: dict[str, Floats]) -> None:
        pass

    def state(self) -> dict[str, NDArray[Any]]:
        return {}

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        pass


def run(net: Net, config: TrainConfig, **arguments: Any) -> list[EpochResult]:
    """Train on the blobs; the seconds, which no two runs share, are set to 0."""
    training = arguments.pop("training", TRAINING)
    preprocessing = preprocessing_of(training, "standardize")
    results = train(net, training, arguments.pop("validation", VALIDATION), config, preprocessing, **arguments)
    return [replace(result, seconds=0.0) for result in results]


def bits(net: Net) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in net.state().items()}


# ---- batches -----------------------------------------------------------------------------------------------


def test_an_epoch_shows_each_training_image_once_and_the_last_batch_is_what_is_left() -> None:
    net = RecordingNet()
    run(net, configuration(batch_size=20, epochs=2))
    assert [len(labels) for _, labels in net.shown] == [20, 20, 10] * 2
    expected = preprocessing_of(TRAINING, "standardize").batch(TRAINING, TRAINING.rows)
    for epoch in (net.shown[:3], net.shown[3:]):
        shown = np.concatenate([np.column_stack([images, labels]) for images, labels in epoch])
        known = np.column_stack([expected, TRAINING.labels[TRAINING.rows]])
        np.testing.assert_array_equal(np.unique(shown, axis=0), np.unique(known, axis=0))
    assert (net.shown[0][0] != net.shown[3][0]).any()  # each epoch in its own order


def test_a_batch_size_above_the_number_of_images_gives_one_batch_of_all() -> None:
    net = RecordingNet()
    run(net, configuration(batch_size=1_000_000, epochs=1))
    assert [len(labels) for _, labels in net.shown] == [50]


def test_the_order_is_a_permutation_that_depends_on_seed_and_epoch_alone() -> None:
    config = configuration(seed=3)
    order = batch_order(50, config, epoch=1)
    np.testing.assert_array_equal(np.sort(order), np.arange(50))
    np.testing.assert_array_equal(order, batch_order(50, configuration("adam", seed=3, hidden_size=99), epoch=1))
    for other in (batch_order(50, config, epoch=2), batch_order(50, configuration(seed=4), epoch=1)):
        assert (order != other).any()


def test_both_nets_see_the_same_batches_in_the_same_order() -> None:
    from mlpsearch.models.torch_net.torch_mlp import TorchNet

    config = configuration("momentum", epochs=4, learning_rate_decay=0.9)
    ours = NumpyNet(inputs=INPUTS, classes=CLASSES, config=config, dtype=np.float64)
    theirs = TorchNet(inputs=INPUTS, classes=CLASSES, config=config, dtype=np.float64)
    theirs.weights, theirs.biases = ours.weights, ours.biases
    for one, other in zip(run(ours, config), run(theirs, config), strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-10)
        assert one.validation_accuracy == other.validation_accuracy


# ---- results -----------------------------------------------------------------------------------------------


@every_net
@every_optimizer
def test_it_learns(net_name: str, optimizer: str) -> None:
    config = configuration(optimizer, epochs=10)
    results = run(net_of(net_name, config), config)
    assert [result.epoch for result in results] == list(range(1, 11))
    assert results[-1].loss < results[0].loss
    assert results[-1].validation_accuracy >= 0.9
    assert not any(result.diverged for result in results)


def test_results_are_those_of_the_net() -> None:
    net = RecordingNet(losses=[1.0, 2.0, 6.0], predictions=(2,))
    (result,) = run(net, configuration(batch_size=20, epochs=1))
    share = np.mean(VALIDATION.labels[VALIDATION.rows] == 2)
    assert result == EpochResult(
        epoch=1, loss=3.0, validation_accuracy=share, validation_score=share, seconds=0.0, diverged=False
    )


def test_the_learning_rate_decays_after_each_epoch() -> None:
    net = RecordingNet()
    run(net, configuration(learning_rate=0.1, learning_rate_decay=0.5, batch_size=20, epochs=3))
    assert net.learning_rates == [0.1] * 3 + [0.05] * 3 + [0.025] * 3


def test_the_caller_may_stop_after_any_epoch() -> None:
    net, config = RecordingNet(), configuration(batch_size=50, epochs=5)
    preprocessing = preprocessing_of(TRAINING, "scale")
    for result in train(net, TRAINING, VALIDATION, config, preprocessing):
        if result.epoch == 2:
            break
    assert len(net.shown) == 2


# ---- repeating and going on --------------------------------------------------------------------------------


@every_net
@every_optimizer
def test_one_configuration_gives_the_same_bits_twice(net_name: str, optimizer: str) -> None:
    config = configuration(optimizer, epochs=3)
    first, second = net_of(net_name, config), net_of(net_name, config)
    assert run(first, config) == run(second, config)
    assert bits(first) == bits(second)


@every_net
def test_another_seed_gives_another_run(net_name: str) -> None:
    configs = [configuration(epochs=1, seed=seed) for seed in (1, 2)]
    first, second = (run(net_of(net_name, config), config) for config in configs)
    assert first[0].loss != second[0].loss


@every_net
@every_optimizer
@pytest.mark.parametrize("done", [1, 3])
def test_going_on_after_an_epoch_gives_the_same_bits(net_name: str, optimizer: str, done: int) -> None:
    config = configuration(optimizer, epochs=4, learning_rate_decay=0.8)
    whole, paused, resumed = (net_of(net_name, config) for _ in range(3))
    results = run(whole, config)
    run(paused, replace(config, epochs=done))
    resumed.load_state(paused.state())
    assert run(resumed, config, epochs_done=done) == results[done:]
    assert bits(resumed) == bits(whole)


@every_net
def test_validation_images_do_not_influence_training(net_name: str) -> None:
    config = configuration("momentum", epochs=3)
    blank = TRAINING.images.copy()
    blank[VALIDATION.rows] = 255
    labels = TRAINING.labels.copy()
    labels[VALIDATION.rows] = 0
    changed = [replace(split, images=blank, labels=labels) for split in (TRAINING, VALIDATION)]
    first, second = net_of(net_name, config), net_of(net_name, config)
    results = run(first, config)
    others = run(second, config, training=changed[0], validation=changed[1])
    assert bits(first) == bits(second)
    assert [result.loss for result in results] == [result.loss for result in others]
    assert results[-1].validation_accuracy != others[-1].validation_accuracy


# ---- divergence --------------------------------------------------------------------------------------------


@every_net
@pytest.mark.parametrize("changes", [{}, {"momentum": 0.9}, {"regularization": 10.0}])
def test_a_learning_rate_that_is_far_too_large_diverges_without_a_warning(
    net_name: str, changes: dict[str, Any]
) -> None:
    config = configuration(learning_rate=1e3, epochs=30, **changes)
    results = run(net_of(net_name, config), config)
    assert [result.diverged for result in results] == [False] * (len(results) - 1) + [True]
    assert len(results) < 30


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_ends_its_epoch_soon_and_the_training(loss: float) -> None:
    net = RecordingNet(losses=[1.0] + [loss] * 49)
    (result,) = run(net, configuration(batch_size=1, epochs=5))
    assert result.diverged
    assert not math.isfinite(result.loss)
    assert len(net.shown) == 20


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_seen_also_where_a_finite_one_follows(loss: float) -> None:
    (result,) = run(RecordingNet(losses=[1.0, loss, 1.0]), configuration(batch_size=10, epochs=5))
    assert result.diverged
    np.testing.assert_equal(result.loss, loss)


@pytest.mark.parametrize(
    ("loss", "predictions", "diverged"),
    [
        (1e6, (1,), True),
        (1e6, (0, 1), False),  # far off, but still telling images apart
        (1.0, (1,), False),  # one class for all, as any net may begin
        (99 * math.log(3), (1,), False),
        (101 * math.log(3), (1,), True),
    ],
)
def test_a_finite_loss_off_the_scale_is_divergence_only_with_one_class_for_all(
    loss: float, predictions: tuple[int, ...], diverged: bool
) -> None:
    results = run(RecordingNet([loss, 1.0], predictions), configuration(batch_size=50, epochs=2))
    assert results[0].diverged == diverged
    assert len(results) == (1 if diverged else 2)
