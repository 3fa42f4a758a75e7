"""A training configuration takes what makes sense, and says what it does not take."""

from dataclasses import FrozenInstanceError, fields
from typing import Any

import numpy as np
import pytest

from mlpsearch.models import build_net
from mlpsearch.models.config import ALLOWED, TYPES, TrainConfig, describe_allowed, effective
from mlpsearch.models.errors import ConfigError
from mlpsearch.models.inputs.pixels import PixelStatistics
from mlpsearch.models.training import train
from tests.models.blobs import blobs

WHOLE_NUMBERS = [
    "hidden_size",
    "depth",
    "batch_size",
    "epochs",
    "early_stopping",
    "bins",
    "components",
    "shift",
    "shift_averaging",
    "seed",
]
NUMBERS = [
    "learning_rate",
    "regularization",
    "momentum",
    "weight_decay",
    "learning_rate_decay",
    "warmup",
    "dropout",
    "input_dropout",
    "label_smoothing",
    "averaging",
    "whitening_epsilon",
]
NAMES = ["optimizer", "schedule", "initialization", "activation", "class_weights", "preprocessing", "precision"]
SWITCHES = ["nesterov", "batch_normalization", "flip", "flip_averaging"]
BELOW_1 = ("momentum", "warmup", "dropout", "input_dropout", "label_smoothing", "averaging")

REFUSED: list[tuple[str, Any]] = [
    ("hidden_size", 0),
    ("hidden_size", 65_537),
    ("depth", 1),
    ("depth", 65),
    ("batch_size", 0),
    ("batch_size", 1_000_001),
    ("epochs", 0),
    ("epochs", 100_001),
    ("early_stopping", -1),
    ("early_stopping", 100_001),
    ("seed", -1),
    ("seed", 2**63),
    ("learning_rate", 0.0),
    ("learning_rate", -1e-3),
    ("learning_rate", 1001.0),
    ("regularization", -1e-9),
    ("regularization", 1001),
    ("learning_rate_decay", 0.0),
    ("learning_rate_decay", 1.01),
    *[(name, value) for name in WHOLE_NUMBERS for value in (2.0, "2", True, None)],
    *[
        (name, value)
        for name in NUMBERS
        for value in (float("nan"), float("inf"), float("-inf"), "0.5", True, None)
    ],
    ("bins", 1),
    ("bins", 257),
    ("shift", -1),
    ("shift", 17),
    ("shift_averaging", -1),
    ("shift_averaging", 4),
    ("components", 0),
    ("weight_decay", -1e-9),
    ("whitening_epsilon", -1e-9),
    ("whitening_epsilon", 1.01),
    *[(name, value) for name in BELOW_1 for value in (-0.1, 1.0)],
    *[(name, value) for name in SWITCHES for value in (0, 1, 1.0, "true", None)],
    *[(name, value) for name in NAMES for value in ("", "SGD", "other", 1, None, ["sgd"])],
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_bad_values_are_refused_with_field_value_and_what_is_allowed(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig(**{name: value})
    assert str(caught.value) == f"{name} = {value!r}: must be {describe_allowed(name)}"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hidden_size", "a whole number from 1 to 65536"),
        ("learning_rate", "a number from 1e-12 to 1000"),
        ("regularization", "a number from 0 to 1000"),
        ("optimizer", "one of 'sgd', 'adam', 'adamw'"),
        ("flip", "true or false"),
    ],
)
def test_what_is_allowed_reads_well(name: str, words: str) -> None:
    assert describe_allowed(name) == words


@pytest.mark.parametrize("name", ALLOWED)
def test_the_ends_of_a_range_and_all_names_are_allowed(name: str) -> None:
    for value in ALLOWED[name]:
        assert getattr(TrainConfig(**{name: value}), name) == value


@pytest.mark.parametrize("name", NUMBERS)
def test_a_whole_number_will_do_for_a_number(name: str) -> None:
    whole: dict[str, Any] = {name: 0 if name in BELOW_1 else 1}
    assert getattr(TrainConfig(**whole), name) == whole[name]


def test_every_field_is_checked() -> None:
    names = [field.name for field in fields(TrainConfig)]
    assert sorted(names) == sorted(ALLOWED) == sorted(TYPES) == sorted(WHOLE_NUMBERS + NUMBERS + NAMES + SWITCHES)


def test_it_cannot_be_changed_and_takes_keywords_only() -> None:
    config = TrainConfig()
    with pytest.raises(FrozenInstanceError):
        config.depth = 3  # type: ignore[misc]
    with pytest.raises(TypeError, match="positional"):
        TrainConfig(80)  # type: ignore[call-arg]


UNUSED: list[dict[str, Any]] = [
    {"optimizer": "adam", "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    {"nesterov": True, "weight_decay": 0.1, "components": 3, "whitening_epsilon": 0.5},
    {"preprocessing": "whiten", "bins": 5},
    {"optimizer": "adamw", "schedule": "cosine", "learning_rate_decay": 0.5, "momentum": 0.5},
]


@pytest.mark.parametrize("net", ["numpy", "torch"])
@pytest.mark.parametrize("options", UNUSED)
def test_configurations_of_the_same_effect_train_the_same_net(net: str, options: dict[str, Any]) -> None:
    config = TrainConfig(**options, batch_size=8, epochs=2, hidden_size=4)
    plain = effective(config)
    assert plain != config
    assert effective(plain) == plain
    training, validation = blobs(training=30, validation=10)
    trained = []
    for one in (config, plain):
        preprocessing = PixelStatistics(training).preprocessing(one)
        built = build_net(net, inputs=preprocessing.inputs, classes=3, config=one)
        assert len([*train(built, training, validation, one, preprocessing)]) == 2
        trained.append(built.weights)
    for mine, theirs in zip(*trained, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.9, "nesterov": True, "learning_rate_decay": 0.5},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine"},
        {"preprocessing": "whiten", "components": 3, "whitening_epsilon": 0.5},
    ],
)
def test_what_has_an_effect_stays(options: dict[str, Any]) -> None:
    assert effective(TrainConfig(**options)) == TrainConfig(**options)
