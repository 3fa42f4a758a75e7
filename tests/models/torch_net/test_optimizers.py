"""The optimisers of TorchNet take the steps of torch's own classes, without what these load."""

import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.torch_net.optimizers import make_optimizer
from mlpsearch.models.torch_net.torch_module import MLP
from tests.models.cases import configuration, every_optimizer

every_penalty = pytest.mark.parametrize("penalty", [0.0, 0.01])
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def module(device: str = "cpu") -> MLP:
    made, random = MLP([5, 4, 4, 3], torch.float32, normalized=True), torch.Generator().manual_seed(1)
    for parameter in made.parameters():
        parameter.data.normal_(generator=random)
    return made.to(device)


def of_torch(net: MLP, config: TrainConfig) -> torch.optim.Optimizer:
    weights = [layer.weight for layer in net.linears]
    others = [*(layer.bias for layer in net.linears), *net.gammas]
    decay = config.weight_decay if config.optimizer == "adamw" else 2 * config.regularization
    groups = [{"params": weights, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    options: dict[str, Any] = {"lr": config.learning_rate, "fused": True}
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=config.momentum, nesterov=config.nesterov, **options)
    return (torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW)(groups, **options)


def give_gradients(step: int, *nets: MLP) -> None:
    """The same to all; some of their numbers are zeros of either sign."""
    random = np.random.default_rng(step)
    for parameters in zip(*(net.parameters() for net in nets), strict=True):
        numbers = random.standard_normal(parameters[0].shape).astype(np.float32)
        numbers[random.random(numbers.shape) < 0.2] *= 0
        for parameter in parameters:
            gradient = torch.from_numpy(numbers.copy()).to(parameter.device)
            parameter.grad = gradient if parameter.requires_grad else None


def bytes_of(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().numpy().tobytes()


def bits(net: MLP) -> list[bytes]:
    return [bytes_of(parameter) for parameter in net.parameters()]


@every_optimizer
@every_penalty
@pytest.mark.parametrize("device", DEVICES)
def test_steps_have_the_bits_of_torchs_classes(optimizer: str, penalty: float, device: str) -> None:
    config = configuration(optimizer, regularization=penalty)
    mine, theirs = module(device), module(device)
    ours, reference = make_optimizer(mine, config), of_torch(theirs, config)
    for step in range(4):
        give_gradients(step, mine, theirs)
        for group in reference.param_groups:
            group["lr"] = ours.learning_rate = config.learning_rate / (1 + step)
        ours.step()
        reference.step()
        assert bits(mine) == bits(theirs)
    kept = reference.state_dict()["state"]
    moments = {f"{kind}.{i}": moment for i, of_one in kept.items() for kind, moment in of_one.items()}
    expected = {name: bytes_of(moment) for name, moment in moments.items() if moment is not None}
    assert {name: bytes_of(moment) for name, moment in ours.state().items()} == expected


@every_optimizer
def test_goes_on_from_its_state(optimizer: str) -> None:
    config = configuration(optimizer)
    mine = module()
    ours = make_optimizer(mine, config)
    assert ours.state() == {}
    for step in range(3):
        other = deepcopy(mine)
        again = make_optimizer(other, config)
        again.load_state(deepcopy(ours.state()))
        give_gradients(step, mine, other)
        ours.step()
        again.step()
        assert bits(mine) == bits(other)


def test_nesterov_without_momentum_is_plain_sgd() -> None:
    plain, mine = module(), module()
    config = configuration("sgd")
    give_gradients(0, plain, mine)
    make_optimizer(plain, config).step()
    make_optimizer(mine, replace(config, nesterov=True)).step()
    assert bits(plain) == bits(mine)


def test_a_net_trains_and_predicts_without_torchs_compiler() -> None:
    """It takes about as long to load as torch itself."""
    code = (
        "import sys, numpy as np\n"
        "from mlpsearch.models.config import TrainConfig\n"
        "from mlpsearch.models.torch_net.torch_mlp import TorchNet\n"
        "for optimizer in ('sgd', 'adam', 'adamw'):\n"
        "    net = TorchNet(inputs=5, classes=3, config=TrainConfig(optimizer=optimizer))\n"
        "    net.train_batch(np.zeros((4, 5), np.float32), np.zeros(4, np.int64))\n"
        "    net.load_state(net.state())\n"
        "    net.logits(np.zeros((4, 5), np.float32))\n"
        "assert not {'torch._dynamo', 'sympy'} & {*sys.modules}\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
