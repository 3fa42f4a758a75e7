"""Training steps whose products are of bfloat16: close to float32 ones, and the same on every device."""

from typing import Any

import numpy as np
import pytest
import torch

from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import ConfigError
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.torch_net.torch_mlp import TorchNet
from mlpsearch.models.training import train
from tests.models.blobs import blobs
from tests.models.cases import CLASSES, INPUTS, OPTIONS, batch, configuration, every_optimizer, preprocessing_of

ROUNDING = 2**-8  # of a number of 8 significant bits, at most this share of it
plain_or_all = pytest.mark.parametrize("options", [{}, OPTIONS["all, nesterov"]], ids=["plain", "all"])


def torch_net(precision: str, config: TrainConfig | None = None, **options: Any) -> TorchNet:
    config = config or configuration(hidden_size=32, precision=precision, **options)
    return TorchNet(inputs=INPUTS, classes=CLASSES, config=config)


def distance(one: Floats, other: Floats) -> float:
    """How far apart they are, as a share of the second's length."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


@plain_or_all
def test_gradients_are_those_of_float32_but_for_rounding(options: dict[str, Any]) -> None:
    found, expected = (
        torch_net(name, **options).loss_and_gradients(*batch(200)) for name in ("bfloat16", "float32")
    )
    assert found[0] == pytest.approx(expected[0], rel=10 * ROUNDING)
    assert found[1].keys() == expected[1].keys()
    for name, gradient in found[1].items():
        assert gradient.dtype == np.float32
        assert distance(gradient, expected[1][name]) < 10 * ROUNDING, name
    assert distance(found[1]["weight.0"], expected[1]["weight.0"]) > ROUNDING / 10, "something was rounded"


@plain_or_all
def test_a_device_without_instructions_for_it_computes_the_same(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for has_instructions in (True, False):
        monkeypatch.setattr(
            "mlpsearch.models.torch_net.torch_module._multiplies_bfloat16", lambda _, has=has_instructions: has
        )
        found.append(torch_net("bfloat16", **options).loss_and_gradients(*batch(200))[1])
    for name, gradient in found[0].items():
        assert distance(gradient, found[1][name]) < ROUNDING, name  # sums in another order


@pytest.mark.parametrize(
    ("capability", "able"), [("avx2", False), ("avx512_bf16", True), ("amx_bf16", True)], ids=str
)
def test_rounded_products_are_not_asked_of_a_processor_without_them(
    capability: str, able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlpsearch.models.torch_net.torch_module import _multiplies_bfloat16

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {capability: True})
    assert _multiplies_bfloat16.__wrapped__("cpu") == able  # its cache stays as this processor has it


@every_optimizer
def test_it_learns_and_goes_on_as_without_a_pause(optimizer: str) -> None:
    training, validation = blobs(training=200)
    config = configuration(optimizer, hidden_size=32, precision="bfloat16", epochs=8, batch_normalization=True)
    preprocessing = preprocessing_of(training)
    whole, first, second = (torch_net("bfloat16", config) for _ in range(3))
    results = list(train(whole, training, validation, config, preprocessing))
    for result in train(first, training, validation, config, preprocessing):
        if result.epoch == 3:
            break
    second.load_state(first.state())
    rest = list(train(second, training, validation, config, preprocessing, epochs_done=3))
    assert [result.loss for result in rest] == [result.loss for result in results[3:]]
    assert results[-1].validation_accuracy > 0.9


def test_predictions_are_of_float32() -> None:
    net, twin = torch_net("bfloat16"), torch_net("float32")
    net.train_batch(*batch(20))
    twin.load_parameters(net.parameters())
    images, _ = batch(30, seed=1)
    np.testing.assert_array_equal(net.logits(images), twin.logits(images))
    assert {array.dtype for array in net.parameters().values()} == {np.dtype(np.float32)}


def test_the_numpy_net_has_no_bfloat16() -> None:
    with pytest.raises(ConfigError, match=r"^precision = 'bfloat16': only the PyTorch net has it$"):
        NumpyNet(inputs=INPUTS, classes=CLASSES, config=configuration(precision="bfloat16"))
