"""Each activation is torch's, its slope is its own, and nets that have one are trained without compiled steps."""

import numpy as np
import pytest
import torch

from mlpsearch.models import build_net
from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import ALLOWED, TrainConfig
from mlpsearch.models.gradient_check import check_autograd, check_numeric
from mlpsearch.models.numpy_net import compiled_net
from mlpsearch.models.numpy_net.activations import ACTIVATIONS
from mlpsearch.models.numpy_net.compiled_net import agree, kind
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.torch_net.torch_module import _ACTIVATIONS

every_activation = pytest.mark.parametrize("name", ACTIVATIONS)
others = pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name != "relu"])


def test_both_nets_have_all_that_a_configuration_may_name() -> None:
    assert [*ACTIVATIONS] == [*_ACTIVATIONS] == [*ALLOWED["activation"]]


@every_activation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_slopes_are_those_of_torch(name: str, dtype: type[np.floating]) -> None:
    z = np.concatenate([np.linspace(-30, 30, 601), [-1e4, -200, 0.0, 200, 1e4]]).astype(dtype).reshape(6, 101)
    theirs = torch.tensor(z, requires_grad=True)
    made = _ACTIVATIONS[name](theirs)
    made.sum().backward()  # type: ignore[no-untyped-call]
    assert theirs.grad is not None
    alone, slope = z.copy(), np.empty_like(z)
    with np.errstate(over="ignore"):  # as NumpyNet has it
        ACTIVATIONS[name](alone, None)
        ACTIVATIONS[name](z, slope)
    np.testing.assert_array_equal(alone, z)
    assert slope.dtype == z.dtype == dtype
    tolerance = 1e-5 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(z, made.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(slope, theirs.grad.numpy(), rtol=10 * tolerance, atol=10 * tolerance)


@others
def test_a_slope_that_is_another_ones_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def slip(z: Floats, slope: Floats | None) -> None:
        before = z.copy()
        right(z, slope)
        if slope is not None:
            slope[...] = before > 0

    right = ACTIVATIONS[name]
    monkeypatch.setitem(ACTIVATIONS, name, slip)
    for check in (check_numeric, check_autograd):
        failed = {one.parameter for one in check(3, 0.1, name) if not one.passed}
        assert failed == {"weight.0", "weight.1", "bias.0", "bias.1"}


@others
def test_compiled_steps_stay_away_from_it_after_one_look(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(activation=name, hidden_size=8)
    net = build_net("numpy", inputs=12, classes=3, config=config)
    assert type(net) is NumpyNet
    assert not build_net("torch", inputs=12, classes=3, config=config).compiled
    assert not agree(kind(config))
    # No further net is trained to find that out, whatever its sizes are.
    monkeypatch.setattr(compiled_net, "CompiledNet", None)
    build_net("numpy", inputs=9, classes=2, config=TrainConfig(activation=name, hidden_size=99, epochs=7, seed=3))
