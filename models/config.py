"""The training configuration: everything that, with the data, decides what a training run computes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from mlpsearch.models.errors import ConfigError

IMAGE_PREPROCESSING = ("center", "standardize", "scale", "whiten")
TABLE_PREPROCESSING = ("standardize", "robust", "quantiles", "piecewise")

# field -> allowed values: (low, high) both included for numbers, all of them for strings and booleans.
ALLOWED: dict[str, tuple[Any, ...]] = {
    "hidden_size": (1, 65_536),
    "learning_rate": (1e-12, 1e3),
    "regularization": (0.0, 1e3),
    "depth": (2, 64),
    "batch_size": (1, 1_000_000),
    "epochs": (1, 100_000),
    "early_stopping": (0, 100_000),
    "optimizer": ("sgd", "adam", "adamw"),
    "momentum": (0.0, 0.9999),
    "nesterov": (False, True),
    "weight_decay": (0.0, 1e3),
    "schedule": ("step", "cosine", "one-cycle"),
    "learning_rate_decay": (1e-3, 1.0),
    "warmup": (0.0, 0.9),
    "initialization": ("he", "small"),
    "activation": ("relu", "leaky-relu", "gelu", "silu", "tanh"),
    "batch_normalization": (False, True),
    "dropout": (0.0, 0.95),
    "input_dropout": (0.0, 0.95),
    "label_smoothing": (0.0, 0.9),
    "class_weights": ("none", "balanced"),
    "preprocessing": (*IMAGE_PREPROCESSING, *TABLE_PREPROCESSING[1:]),
    "bins": (2, 256),
    "components": (1, 1_000_000),
    "whitening_epsilon": (0.0, 1.0),
    "flip": (False, True),
    "shift": (0, 16),
    "averaging": (0.0, 0.99999),
    "flip_averaging": (False, True),
    "shift_averaging": (0, 3),
    "precision": ("float32", "bfloat16"),
    "seed": (0, 2**63 - 1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How one net is built and trained.

    hidden_size: units in each hidden layer.
    learning_rate: step size; of a schedule, the largest.
    regularization: λ in J = cross-entropy + λ · Σ‖W‖²; biases are not penalised.
    depth: weight layers; 2 is one hidden layer.
    batch_size: images a step; the last batch of an epoch holds what is left.
    epochs: passes over the training images.
    early_stopping: epochs without a better validation score after which a run ends; the net of its best epoch is
        kept. 0 for never: then it is the last one's. See models/early_stopping.py.
    optimizer: "sgd" (with momentum), "adam" (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980), or "adamw"
        (Loshchilov & Hutter 2019, https://arxiv.org/abs/1711.05101).
    momentum: of SGD, 0 for none: v ← momentum · v + gradient, w ← w - learning_rate · v.
    nesterov: of SGD with momentum: w ← w - learning_rate · (gradient + momentum · v) (Sutskever et al. 2013,
        https://proceedings.mlr.press/v28/sutskever13.html, in the form that torch.optim.SGD has).
    weight_decay: of AdamW: each step also shrinks the weights by the factor 1 - learning_rate · weight_decay. It
        is no part of J, and Adam's scaling does not touch it; that of λ, which is, it does.
    schedule: of the learning rate: "step" multiplies it by learning_rate_decay after each epoch; "cosine" lowers
        it along half a cosine to 0 (Loshchilov & Hutter 2017, https://arxiv.org/abs/1608.03983, without
        restarts); "one-cycle" in a straight line, after its rise (Smith & Topin 2018,
        https://arxiv.org/abs/1708.07120, without a cycle of the momentum). See models/schedules.py.
    learning_rate_decay: factor on the learning rate after each epoch, of the schedule "step".
    warmup: share of all steps over which the learning rate first rises from 0, of any schedule (Goyal et al.
        2017, https://arxiv.org/abs/1706.02677).
    initialization: weights from N(0, 2 / inputs of the layer) ("he", He et al. 2015,
        https://arxiv.org/abs/1502.01852) or from N(0, 1e-4²) ("small"); biases are 0.
    activation: what hidden layers make of their sums: "relu", "leaky-relu" (0.01 of what is below 0), "gelu" (in
        its form with tanh), "silu" or "tanh". See models/numpy_net/activations.py.
    batch_normalization: of hidden layers, before the activation (Ioffe & Szegedy 2015,
        https://arxiv.org/abs/1502.03167).
    dropout: share of each hidden layer's units that a step leaves out, the others scaled up to make up for it;
        input_dropout: the same of the inputs (Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html).
    label_smoothing: share of each target that is spread evenly over all classes (Szegedy et al. 2016,
        https://arxiv.org/abs/1512.00567).
    class_weights: of the training rows in J, by their class: "none" weighs all alike, "balanced" all classes
        (King & Zeng 2001, https://doi.org/10.1093/oxfordjournals.pan.a004868). See models/class_weights.py.
    preprocessing: of the pixels 0–255, with statistics of the training images only: "center" subtracts the
        mean image; "standardize" also divides by the standard deviation of all pixels about it;
        "scale" maps 0–255 to -1–1; "whiten" keeps principal components and brings their variances together
        (PCA whitening: Kessy et al. 2018, https://arxiv.org/abs/1512.00809).
        Of a table's columns "standardize", "robust", "quantiles" or "piecewise": see models/inputs/tables.py.
    bins: of "piecewise", for each column of numbers.
    components: of "whiten", the inputs that it keeps, those of largest variance; at most one a pixel.
    whitening_epsilon: of "whiten", which divides each component by √(its variance + ε): ε as a share of the
        largest variance. 0 makes all variances the same, noise and all; 1 hardly changes their proportions.
    flip: mirror every training image with probability 1/2, anew in each epoch (as shift, flip_averaging and
        shift_averaging: Krizhevsky et al. 2012, https://papers.nips.cc/paper/4824).
    shift: move every training image by up to so many pixels in both directions, anew in each epoch; its edge
        pixels fill the gap.
    averaging: decay a step of an exponential moving average of all weights, with which the net predicts; 0 for
        none (Polyak & Juditsky 1992, https://doi.org/10.1137/0330046). See models/averaging.py.
    flip_averaging: predict by the mean of the logits of an image and of its mirror image.
    shift_averaging: predict by the mean of the logits of an image moved by each shift of up to so many pixels in
        both directions, itself included: of k, (2k + 1)² places. Its edge pixels fill the gap, as with shift. With
        flip_averaging its mirror image is moved so as well. See models/inputs/poses.py.
    precision: of the matrix products of training steps. "bfloat16", of the PyTorch net only, rounds what is
        multiplied and each product to 8 significant bits; weights, steps and predictions stay float32
        (Micikevicius et al. 2018, https://arxiv.org/abs/1710.03740; Kalamkar et al. 2019, https://arxiv.org/abs/1905.12322).
    seed: fixes the initial weights and every random draw of the training.

    Raises ConfigError for a value that is not allowed.
    """

    hidden_size: int = 50
    learning_rate: float = 1e-3
    regularization: float = 0.0
    depth: int = 2
    batch_size: int = 200
    epochs: int = 10
    early_stopping: int = 0
    optimizer: str = "sgd"
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: str = "step"
    learning_rate_decay: float = 1.0
    warmup: float = 0.0
    initialization: str = "he"
    activation: str = "relu"
    batch_normalization: bool = False
    dropout: float = 0.0
    input_dropout: float = 0.0
    label_smoothing: float = 0.0
    class_weights: str = "none"
    preprocessing: str = "center"
    bins: int = 32
    components: int = 512
    whitening_epsilon: float = 0.01
    flip: bool = False
    shift: int = 0
    averaging: float = 0.0
    flip_averaging: bool = False
    shift_averaging: int = 0
    precision: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            check_value(field.name, getattr(self, field.name))


def effective(config: TrainConfig) -> TrainConfig:
    """Return the configuration with the defaults of all that it gives and does not use.

    Two with the same seed train the same net where this makes them equal.
    """
    idle = unused(asdict(config))
    defaults: dict[str, Any] = {field.name: field.default for field in fields(config) if field.name in idle}
    return replace(config, **defaults)


def unused(values: Mapping[str, Any]) -> set[str]:
    """Return the fields that do nothing beside the others. values: of all fields, by name."""
    return {
        *(() if values["optimizer"] == "sgd" else ("momentum", "nesterov")),
        *(() if values["momentum"] else ("nesterov",)),
        *(() if values["optimizer"] == "adamw" else ("weight_decay",)),
        *(() if values["schedule"] == "step" else ("learning_rate_decay",)),
        *(() if values["preprocessing"] == "whiten" else ("components", "whitening_epsilon")),
        *(() if values["preprocessing"] == "piecewise" else ("bins",)),
    }


def check_value(name: str, value: Any) -> None:
    """Raise ConfigError unless the field of that name may have this value."""
    kind, allowed = TYPES[name], ALLOWED[name]
    right_type = type(value) is kind or (kind is float and type(value) is int)
    if right_type and (value in allowed if kind is str else allowed[0] <= value <= allowed[1]):
        return
    raise ConfigError(f"{name} = {value!r}: must be {describe_allowed(name)}", key=name)


def describe_allowed(name: str) -> str:
    """The allowed values of a field in words, for messages."""
    allowed = ALLOWED[name]
    if TYPES[name] is str:
        return "one of " + ", ".join(repr(value) for value in allowed)
    if TYPES[name] is bool:
        return "true or false"
    if TYPES[name] is int:
        return f"a whole number from {allowed[0]} to {allowed[1]}"
    return f"a number from {allowed[0]:g} to {allowed[1]:g}"


TYPES: dict[str, type] = {field.name: field.type for field in fields(TrainConfig) if isinstance(field.type, type)}
