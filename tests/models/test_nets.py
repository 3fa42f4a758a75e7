"""What every net promises (models.net.Net), with every optimizer; and that both are the same function."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from mlpsearch.models import NETS
from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.net import Net
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from tests.models.cases import CLASSES, INPUTS, batch, configuration, every_net, every_optimizer, net_of


def parameters(net: Net) -> list[Floats]:
    return [array.copy() for array in (*net.weights, *net.biases)]


def assert_same(found: list[Floats], expected: list[Floats]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@every_net
@every_optimizer
class TestContract:
    def test_has_all_members_of_the_protocol(self, net_name: str, optimizer: str) -> None:
        net = net_of(net_name, configuration(optimizer))
        members = {*Net.__annotations__, *(name for name in vars(Net) if not name.startswith("_"))}
        assert {"learning_rate", "weights", "train_batch", "load_state"} <= members
        assert [name for name in members if not hasattr(net, name)] == []

    def test_training_on_a_batch_lowers_its_loss(self, net_name: str, optimizer: str) -> None:
        net = net_of(net_name, configuration(optimizer))
        losses = [float(net.train_batch(*batch(20))) for _ in range(30)]
        assert losses[-1] < 0.8 * losses[0]

    def test_the_loss_is_that_before_the_step(self, net_name: str, optimizer: str) -> None:
        net = net_of(net_name, configuration(optimizer))
        twin = NumpyNet(inputs=INPUTS, classes=CLASSES, config=configuration(optimizer), dtype=np.float64)
        for step in range(3):
            twin.weights, twin.biases = net.weights, net.biases
            expected, *_ = twin.loss_and_gradients(*batch(20, step))
            assert float(net.train_batch(*batch(20, step))) == pytest.approx(expected, rel=1e-5)

    def test_predictions_are_the_classes_of_the_largest_logits(self, net_name: str, optimizer: str) -> None:
        net: Any = net_of(net_name, configuration(optimizer))
        net.train_batch(*batch(20))
        images, _ = batch(50, seed=1)
        predictions = net.logits(images).argmax(axis=1)
        assert predictions.dtype == np.int64
        np.testing.assert_array_equal(predictions, net.logits(images).argmax(axis=1))
        assert len(set(predictions)) > 1

    def test_a_learning_rate_of_0_changes_nothing(self, net_name: str, optimizer: str) -> None:
        net = net_of(net_name, configuration(optimizer))
        assert net.learning_rate == configuration(optimizer).learning_rate
        before = parameters(net)
        net.learning_rate = 0.0
        net.train_batch(*batch(20))
        assert_same(parameters(net), before)

    def test_going_on_from_a_state_gives_the_same_bits(self, net_name: str, optimizer: str) -> None:
        net = net_of(net_name, configuration(optimizer))
        for step in range(3):
            net.train_batch(*batch(20, step))
        state = net.state()
        twin = net_of(net_name, configuration(optimizer, seed=1))
        twin.load_state(state)
        for step in range(3, 6):
            assert twin.train_batch(*batch(20, step)) == net.train_batch(*batch(20, step))
        assert_same(parameters(twin), parameters(net))
        assert twin.state().keys() == net.state().keys()

    def test_a_state_is_a_snapshot(self, net_name: str, optimizer: str) -> None:
        net = net_of(net_name, configuration(optimizer))
        net.train_batch(*batch(20))
        state = net.state()
        first = net.train_batch(*batch(20, 1)), net.train_batch(*batch(20, 2))
        net.load_state(state)
        assert (net.train_batch(*batch(20, 1)), net.train_batch(*batch(20, 2))) == first

    def test_parameters_of_wrong_shapes_are_refused(self, net_name: str, optimizer: str) -> None:
        net = net_of(net_name, configuration(optimizer))
        before = parameters(net)
        wrong = [net.weights[0][:, :-1].copy(), *net.weights[1:]]
        with pytest.raises(ValueError, match=r"\(12, 7\).* must be .*\(12, 8\)"):
            net.weights = wrong
        with pytest.raises(ValueError, match="must be"):
            net.weights = net.weights[:-1]
        with pytest.raises(ValueError, match="must be"):
            net.biases = [bias[None] for bias in net.biases]  # would broadcast
        assert_same(parameters(net), before)


@every_net
def test_the_seed_fixes_the_start(net_name: str) -> None:
    first, again, other = (net_of(net_name, configuration(seed=seed)) for seed in (1, 1, 2))
    assert_same(first.weights, again.weights)
    assert all((one != another).all() for one, another in zip(first.weights, other.weights, strict=True))


@every_optimizer
def test_both_nets_take_the_same_steps(optimizer: str) -> None:
    ours, theirs = float64_nets(configuration(optimizer))
    theirs.weights, theirs.biases = ours.weights, ours.biases
    for step in range(100):
        images, labels = batch(20 if step % 5 else 7, seed=step)
        loss = float(theirs.train_batch(images, labels))
        assert ours.train_batch(images, labels) == pytest.approx(loss, rel=1e-10)
    for one, other in zip(parameters(ours), parameters(theirs), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10 * np.abs(other).max())


def test_both_nets_start_at_the_same_point() -> None:
    ours, theirs = float64_nets(configuration(seed=5))
    assert_same(parameters(ours), parameters(theirs))


def float64_nets(config: TrainConfig) -> tuple[Net, Net]:
    from mlpsearch.models.torch_net.torch_mlp import TorchNet

    return (
        NumpyNet(inputs=INPUTS, classes=CLASSES, config=config, dtype=np.float64),
        TorchNet(inputs=INPUTS, classes=CLASSES, config=config, dtype=np.float64),
    )


def test_both_names_give_their_own_net() -> None:
    from mlpsearch.models.torch_net.torch_mlp import TorchNet

    first, second = (net_of(name, configuration()) for name in NETS)
    assert isinstance(first, NumpyNet)
    assert isinstance(second, TorchNet)


def test_the_numpy_net_does_not_import_torch() -> None:
    program = (
        "import sys, mlpsearch.models.gradient_check, mlpsearch.models.training, mlpsearch.models.weights\n"
        "from mlpsearch.models import build_net\n"
        "from mlpsearch.models.config import TrainConfig\n"
        "build_net('numpy', inputs=2, classes=2, config=TrainConfig())\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
