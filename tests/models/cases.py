"""What the tests of nets run over, and shorthands to make them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from mlpsearch.models import NETS, build_net
from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.config import ALLOWED, TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import PixelPreprocessing, PixelStatistics
from mlpsearch.models.net import Net

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.05},
    "momentum": {"learning_rate": 0.02, "momentum": 0.9},
    "nesterov": {"learning_rate": 0.02, "momentum": 0.9, "nesterov": True},
    "adam": {"learning_rate": 0.01, "optimizer": "adam"},
    "adamw": {"learning_rate": 0.01, "optimizer": "adamw", "weight_decay": 0.1},
}
# Each option of the configuration that changes what nets compute, and all that go together at once.
OPTIONS: dict[str, dict[str, Any]] = {
    "nesterov": OPTIMIZERS["nesterov"],
    "adamw": OPTIMIZERS["adamw"],
    "batch normalization": {"batch_normalization": True},
    "dropout": {"dropout": 0.3},
    "input dropout": {"input_dropout": 0.3},
    "label smoothing": {"label_smoothing": 0.1},
    "averaging": {"averaging": 0.9},
}
_ALL = {key: value for option in list(OPTIONS.values())[2:] for key, value in option.items()}
OPTIONS |= {"all, nesterov": _ALL | OPTIONS["nesterov"], "all, adamw": _ALL | OPTIONS["adamw"]}
# Those that compiled steps do not know.
ACTIVATIONS: dict[str, dict[str, Any]] = {
    name: {"activation": name, "learning_rate": 0.005} for name in ALLOWED["activation"] if name != "relu"
}
ACTIVATIONS["all, nesterov, gelu"] = OPTIONS["all, nesterov"] | ACTIVATIONS["gelu"]
EVERY_OPTION = OPTIONS | ACTIVATIONS
# Those that change what nets are shown, and when.
DATA_OPTIONS: dict[str, dict[str, Any]] = {
    "cosine": {"schedule": "cosine", "warmup": 0.2},
    "one-cycle": {"schedule": "one-cycle", "warmup": 0.3},
    "class weights": {"class_weights": "balanced"},
    "flip": {"flip": True},
    "shift": {"shift": 1},
    "whiten": {"preprocessing": "whiten", "components": 5},
    "flip averaging": {"flip_averaging": True},
    "shift averaging": {"shift_averaging": 1},
}
EVERYTHING = OPTIONS["all, adamw"] | {k: v for option in DATA_OPTIONS.values() for k, v in option.items()}

INPUTS, CLASSES = 12, 3

# For properties: a busy machine may take its time over an example.
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

every_net = pytest.mark.parametrize("net_name", NETS)
every_option = pytest.mark.parametrize("option", EVERY_OPTION)
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def configuration(optimizer: str = "sgd", **changes: Any) -> TrainConfig:
    """A small net with L2 and that optimizer."""
    base: dict[str, Any] = {"hidden_size": 8, "depth": 3, "regularization": 0.01, "batch_size": 20}
    return TrainConfig(**(base | OPTIMIZERS[optimizer] | changes))


def net_of(net_name: str, config: TrainConfig) -> Net:
    """The net of that name, for the images of `batch` and of `blobs`."""
    return build_net(net_name, inputs=INPUTS, classes=CLASSES, config=config)


def preprocessing_of(training: Split, name: str = "standardize", **changes: Any) -> PixelPreprocessing:
    """The preprocessing of that name, with the statistics of a training split."""
    return PixelStatistics(training).preprocessing(TrainConfig(preprocessing=name, **changes))


def batch(images: int, seed: int = 0) -> tuple[Floats, Labels]:
    """A batch of random images and labels, float32 as the epoch loop makes them."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, images)
    return random.standard_normal((images, INPUTS)).astype(np.float32), labels
