"""Compiled steps of the net in PyTorch: near those of autograd, which trains wherever there are none of them."""

import copy
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mlpsearch.models import build_net
from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.net import Net
from mlpsearch.models.numpy_net.compiled_net import kind
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.prediction import statistics
from mlpsearch.models.threads import limited_threads
from mlpsearch.models.torch_net import compiled_net
from mlpsearch.models.torch_net.compiled_net import CompiledTorchNet, agree, torch_net
from mlpsearch.models.torch_net.torch_mlp import TorchNet
from mlpsearch.models.weights import pack_arrays, unpack_arrays
from tests.models.blobs import blobs
from tests.models.cases import CLASSES, INPUTS, OPTIMIZERS, OPTIONS, batch, configuration, patiently
from tests.models.compiled import assert_same_states, bits, configurations, needs_compiled_steps, results

every_case = pytest.mark.parametrize(
    "changes", [*OPTIMIZERS.values(), *OPTIONS.values()], ids=[*OPTIMIZERS, *OPTIONS]
)


def compiled(config: TrainConfig, inputs: int = INPUTS, classes: int = CLASSES) -> CompiledTorchNet:
    net = build_net("torch", inputs=inputs, classes=classes, config=config)
    assert isinstance(net, CompiledTorchNet)
    return net


def by_autograd(config: TrainConfig, inputs: int = INPUTS, classes: int = CLASSES) -> TorchNet:
    return TorchNet(inputs=inputs, classes=classes, config=config)


def random_batch(
    config: TrainConfig, rows: int, inputs: int, classes: int, step: int = 0
) -> tuple[Floats, Labels]:
    random = np.random.default_rng([config.seed, step])
    images = random.standard_normal((rows, inputs)).astype(np.float32)
    return images, random.integers(0, classes, rows)


# ---- what the steps are ------------------------------------------------------------------------------------


@needs_compiled_steps
@given(config=configurations, weighed=st.booleans())
@patiently
def test_steps_are_near_those_of_autograd(config: TrainConfig, weighed: bool) -> None:
    """All that a step may depend on, in the sizes at which each process compares them before it uses them."""
    assert agree(kind(replace(config, class_weights="balanced" if weighed else "none")))


@needs_compiled_steps
@pytest.mark.filterwarnings("error")
@given(config=configurations, sizes=st.tuples(st.integers(2, 140), st.integers(2, 40)), data=st.data())
@patiently
def test_steps_have_the_bits_of_the_net_in_numpy(
    config: TrainConfig, sizes: tuple[int, int], data: st.DataObject
) -> None:
    inputs, classes = sizes
    ours = compiled(config, inputs, classes)
    reference = NumpyNet(inputs=inputs, classes=classes, config=config)
    if data.draw(st.booleans(), "class weights"):
        ours.class_weights = reference.class_weights = np.random.default_rng(config.seed).random(classes)
    rows = data.draw(st.lists(st.integers(1, 90), min_size=1, max_size=6), "rows")
    for step, count in enumerate(rows):
        shown = random_batch(config, count, inputs, classes, step)
        np.testing.assert_array_equal(ours.train_batch(*shown), reference.train_batch(*shown))
    for name, array in reference.parameters().items():
        np.testing.assert_array_equal(ours.parameters()[name], array, err_msg=name)


@needs_compiled_steps
@every_case
def test_whole_runs_are_near_those_of_autograd(changes: dict[str, Any]) -> None:
    training, validation = blobs()
    config = configuration(epochs=3, batch_size=16, **changes)  # 16, 16, 16 and 2 of 50 images
    preprocessing = statistics(training).preprocessing(config)
    mine, theirs = (
        results(net, training, validation, config, preprocessing)
        for net in (compiled(config), by_autograd(config))
    )
    assert [one.loss for one in mine] == pytest.approx([one.loss for one in theirs], rel=1e-3)


@needs_compiled_steps
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_run_that_diverges_ends_as_one_of_autograd(optimizer: str) -> None:
    training, validation = blobs(training=200)
    changes = OPTIMIZERS[optimizer] | {"learning_rate": 1e3, "momentum": 0.0, "nesterov": False}
    config = TrainConfig(hidden_size=8, depth=4, batch_size=4, epochs=5, regularization=1.0, **changes)
    preprocessing = statistics(training).preprocessing(config)
    ours, reference = compiled(config), by_autograd(config)
    mine, theirs = (results(net, training, validation, config, preprocessing) for net in (ours, reference))
    assert [(one.epoch, one.diverged) for one in mine] == [(one.epoch, one.diverged) for one in theirs]
    assert ours.state()["steps"] == reference.state()["steps"]
    assert np.isfinite(mine[-1].loss) == np.isfinite(theirs[-1].loss)


# ---- going on ----------------------------------------------------------------------------------------------


@needs_compiled_steps
@given(config=configurations, done=st.integers(0, 5), is_kept=st.booleans())
@patiently
def test_going_on_from_any_step_gives_the_same_bits(config: TrainConfig, done: int, is_kept: bool) -> None:
    whole, first, second = (compiled(config) for _ in range(3))
    second.train_batch(*random_batch(config, 20, INPUTS, CLASSES, 99))  # as if it had been on its way already
    rows = [20, 1, 37, 2, 20, 7]
    for step, count in enumerate(rows):
        if step == done:
            state = first.state()
            second.load_state(unpack_arrays(pack_arrays(state, {}), "")[0] if is_kept else state)
        shown = random_batch(config, count, INPUTS, CLASSES, step)
        whole.train_batch(*shown)
        (first if step < done else second).train_batch(*shown)
    assert_same_states(second, whole)


@needs_compiled_steps
@every_case
@pytest.mark.parametrize("done", [0, 3])
def test_autograd_goes_on_from_a_state_and_the_other_way_round(changes: dict[str, Any], done: int) -> None:
    config = configuration(**changes)
    for first, second in ((compiled, by_autograd), (by_autograd, compiled)):
        one, other = first(config), second(config)
        other.train_batch(*batch(20, 98))  # as if it had been on its way already
        for step in range(done):
            one.train_batch(*batch(20, step))
        state = one.state()
        other.load_state(state)
        assert {name: (array.shape, array.dtype) for name, array in other.state().items()} == {
            name: (array.shape, array.dtype) for name, array in state.items()
        }
        assert bits(other.state()) == bits(state)
        losses = [float(net.train_batch(*batch(20, 99))) for net in (one, other)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
        expected = one.parameters()
        for name, array in other.parameters().items():
            scale = max(np.abs(expected[name]).max(), 1e-2)
            np.testing.assert_allclose(array, expected[name], rtol=0, atol=1e-4 * scale, err_msg=name)


# ---- predictions -------------------------------------------------------------------------------------------


@needs_compiled_steps
@every_case
def test_predictions_have_the_bits_of_a_net_that_autograd_trained(changes: dict[str, Any]) -> None:
    config = configuration(**changes)
    net, other = compiled(config), by_autograd(config)
    for step in range(3):
        net.train_batch(*batch(20, step))
    net.measure(batch(200, seed=99)[0])
    other.load_parameters(net.parameters())
    for count in (1, 2, 30, 500):
        images, _ = batch(count, seed=98)
        assert net.logits(images).tobytes() == other.logits(images).tobytes()
    assert bits(other.parameters()) == bits(net.parameters())


@needs_compiled_steps
@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_the_module_and_the_steps_share_their_memory(averaging: float) -> None:
    config = configuration(averaging=averaging, batch_normalization=True)
    net, twin = compiled(config), by_autograd(config)
    values: list[Floats] = [np.add(weight, 1) for weight in net.weights]
    net.weights = twin.weights = values
    for name, tensor in net.module.trained().items():
        np.testing.assert_array_equal(tensor.numpy(), twin.module.trained()[name].numpy(), err_msg=name)
    loss, other = float(net.train_batch(*batch(20))), float(twin.train_batch(*batch(20)))
    assert loss == pytest.approx(other, rel=1e-5)
    with torch.no_grad():
        net.module.linears[0].bias.add_(1)
    np.testing.assert_array_equal(net.state()["bias.0"], net.biases[0])
    assert (net.state()["bias.0"] > 0.5).all()


@needs_compiled_steps
def test_a_copy_is_trained_by_autograd_and_predicts_the_same() -> None:
    net = compiled(configuration("adam", averaging=0.9))
    net.class_weights = np.array([0.5, 1.0, 1.5])
    net.learning_rate = 0.25
    net.train_batch(*batch(20))
    images, _ = batch(30, seed=98)
    for copied in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
        assert type(copied) is TorchNet
        assert bits(copied.state()) == bits(net.state())
        assert copied.learning_rate == 0.25
        np.testing.assert_array_equal(copied.class_weights, [0.5, 1.0, 1.5])
        np.testing.assert_array_equal(copied.logits(images), net.logits(images))


# ---- where there are none ----------------------------------------------------------------------------------


def net_here(**changes: Any) -> Net:
    return torch_net(inputs=INPUTS, classes=CLASSES, config=configuration(**changes))


@pytest.mark.parametrize("sizes", [(1, 8, 3), (12, 1, 3), (12, 8, 1)])
def test_autograd_trains_a_net_with_a_side_of_one(sizes: tuple[int, int, int]) -> None:
    inputs, hidden, classes = sizes
    net = build_net("torch", inputs=inputs, classes=classes, config=TrainConfig(hidden_size=hidden))
    assert (type(net), net.compiled) == (TorchNet, False)


@pytest.mark.parametrize("changes", [{"precision": "bfloat16"}, {"hidden_size": 1000}])
def test_autograd_trains_nets_of_low_precision_and_large_ones(changes: dict[str, Any]) -> None:
    assert type(net_here(**changes)) is TorchNet


@needs_compiled_steps
def test_autograd_trains_smaller_nets_too_where_several_threads_share_its_work() -> None:
    assert net_here(hidden_size=800).compiled
    with limited_threads(2):
        assert not net_here(hidden_size=800).compiled
        assert net_here(hidden_size=100).compiled


@needs_compiled_steps
def test_autograd_trains_on_a_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert net_here().compiled
    on_device = Mock()
    monkeypatch.setattr(compiled_net, "TorchNet", on_device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert net_here() is on_device.return_value


@needs_compiled_steps
def test_autograd_trains_where_nobody_wants_compiled_steps() -> None:
    net = build_net("torch", inputs=INPUTS, classes=CLASSES, config=configuration(), compiled=False)
    assert type(net) is TorchNet


@pytest.mark.usefixtures("found_anew")
def test_autograd_trains_where_nothing_compiles_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert type(net_here()) is TorchNet


@needs_compiled_steps
@pytest.mark.usefixtures("found_anew")
@pytest.mark.parametrize("member", ["train_batch", "state"])
def test_autograd_trains_where_steps_are_not_near_its_own(member: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert net_here().compiled
    agree.cache_clear()
    written = getattr(TorchNet, member)
    if member == "state":
        monkeypatch.setattr(TorchNet, "state", lambda net: {n: 1.001 * array for n, array in written(net).items()})
    else:
        monkeypatch.setattr(TorchNet, "train_batch", lambda net, *shown: 1.001 * written(net, *shown))
    assert type(net_here()) is TorchNet
