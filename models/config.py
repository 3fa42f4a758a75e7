"""The training configuration: everything that, with the data, decides what a training run computes."""

from dataclasses import dataclass, fields
from typing import Any

from models.errors import ConfigError

# field -> allowed values: (low, high) both included for numbers, the names for strings.
ALLOWED: dict[str, tuple[Any, ...]] = {
    "hidden_size": (1, 65_536),
    "learning_rate": (1e-12, 1e3),
    "regularization": (0.0, 1e3),
    "depth": (2, 64),
    "batch_size": (1, 1_000_000),
    "epochs": (1, 100_000),
    "optimizer": ("sgd", "adam"),
    "momentum": (0.0, 0.9999),
    "learning_rate_decay": (1e-3, 1.0),
    "initialization": ("he", "small"),
    "preprocessing": ("center", "standardize", "scale"),
    "seed": (0, 2**63 - 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How one net is built and trained.

    hidden_size: units in each hidden layer.
    learning_rate: step size of the first epoch.
    regularization: λ in J = cross-entropy + λ · Σ‖W‖²; biases are not penalised.
    depth: weight layers; 2 is one hidden layer.
    batch_size: images a step; the last batch of an epoch holds what is left.
    epochs: passes over the training images.
    optimizer: "sgd" (with momentum), or "adam" (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980).
    momentum: of SGD, 0 for none: v ← momentum · v + gradient, w ← w - learning_rate · v.
    learning_rate_decay: factor on the learning rate after each epoch.
    initialization: weights from N(0, 2 / inputs of the layer) ("he", He et al. 2015,
        https://arxiv.org/abs/1502.01852) or from N(0, 1e-4²) ("small"); biases are 0.
    preprocessing: of the pixels 0–255, with statistics of the training images only: "center" subtracts the
        mean image; "standardize" also divides by the standard deviation of all pixels about it;
        "scale" maps 0–255 to -1–1.
    seed: fixes the initial weights and the order of the images.

    Raises ConfigError for a value that is not allowed.
    """

    hidden_size: int = 50
    learning_rate: float = 1e-3
    regularization: float = 0.0
    depth: int = 2
    batch_size: int = 200
    epochs: int = 10
    optimizer: str = "sgd"
    momentum: float = 0.0
    learning_rate_decay: float = 1.0
    initialization: str = "he"
    preprocessing: str = "center"
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            check_value(field.name, getattr(self, field.name))


def check_value(name: str, value: Any) -> None:
    """Raise ConfigError unless the field of that name may have this value."""
    kind, allowed = TYPES[name], ALLOWED[name]
    right_type = type(value) is kind or (kind is float and type(value) is int)
    if right_type and (value in allowed if kind is str else allowed[0] <= value <= allowed[1]):
        return
    raise ConfigError(f"{name} = {value!r}: must be {describe_allowed(name)}")


def describe_allowed(name: str) -> str:
    """The allowed values of a field in words, for messages."""
    allowed = ALLOWED[name]
    if TYPES[name] is str:
        return "one of " + ", ".join(repr(value) for value in allowed)
    if TYPES[name] is int:
        return f"a whole number from {allowed[0]} to {allowed[1]}"
    return f"a number from {allowed[0]:g} to {allowed[1]:g}"


TYPES: dict[str, type] = {field.name: field.type for field in fields(TrainConfig) if isinstance(field.type, type)}
