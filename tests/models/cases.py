"""What the tests of nets run over, and shorthands to make them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from models import NETS, build_net
from models.config import TrainConfig
from models.net import Floats, Labels, Net

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.05},
    "momentum": {"learning_rate": 0.02, "momentum": 0.9},
    "adam": {"learning_rate": 0.01, "optimizer": "adam"},
}
INPUTS, CLASSES = 12, 3

# For properties: a busy machine may take its time over an example.
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

every_net = pytest.mark.parametrize("net_name", NETS)
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def configuration(optimizer: str = "sgd", **changes: Any) -> TrainConfig:
    """A small net with L2 and that optimizer."""
    base: dict[str, Any] = {"hidden_size": 8, "depth": 3, "regularization": 0.01, "batch_size": 20}
    return TrainConfig(**(base | OPTIMIZERS[optimizer] | changes))


def net_of(net_name: str, config: TrainConfig) -> Net:
    """The net of that name, for the images of `batch` and of `blobs`."""
    return build_net(net_name, inputs=INPUTS, classes=CLASSES, config=config)


def batch(images: int, seed: int = 0) -> tuple[Floats, Labels]:
    """A batch of random images and labels, float32 as the epoch loop makes them."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, images)
    return random.standard_normal((images, INPUTS)).astype(np.float32), labels
