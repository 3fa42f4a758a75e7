"""Proofs that the NumPy net's gradients are right, against three independent answers.

- central differences: (J(w + h) - J(w - h)) / 2h, parameter by parameter, in float64;
- torch's autograd, on the same weights and images;
- training: with the same weights, both nets' losses agree step for step.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.class_weights import class_weights
from mlpsearch.models.config import ALLOWED, TrainConfig
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet

DEPTHS = (2, 3, 4, 5)
REGULARIZATIONS = (0.0, 0.1)
NUMERIC_TOLERANCE = 1e-7
TORCH_TOLERANCE = 1e-10
STEPS = 100

# Options of the training, each alone and all that go together at once. The optimisers change steps, not gradients.
OPTIONS: dict[str, dict[str, Any]] = {
    "batch normalisation": {"batch_normalization": True},
    "dropout": {"dropout": 0.3},
    "input dropout": {"input_dropout": 0.3},
    "label smoothing": {"label_smoothing": 0.2},
    "class weights": {"class_weights": "balanced"},
    "Nesterov": {"momentum": 0.9, "nesterov": True, "learning_rate": 0.01},
    "AdamW": {"optimizer": "adamw", "weight_decay": 0.5, "learning_rate": 0.01},
}
OPTIONS["all"] = {key: value for option in OPTIONS.values() for key, value in option.items()}
OPTIONS |= {name: {"activation": name} for name in ALLOWED["activation"] if name != "relu"}
OPTIONS["all, with gelu"] = OPTIONS["all"] | OPTIONS["gelu"]
_DEPTH_OF_OPTIONS, _REGULARIZATION_OF_OPTIONS = 3, 0.1

_INPUTS, _CLASSES, _IMAGES, _HIDDEN = 6, 4, 8, 7
_TRAINING_LABELS = np.repeat(np.arange(_CLASSES), (40, 2, 15, 7))  # of which the classes get their weights
_H = 1e-5  # balances the truncation error, O(h²), against rounding, O(ε/h)


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """The largest relative error of one comparison.

    against: "central differences", "autograd" or "torch's losses".  parameter: its name, or "J".
    option: one of OPTIONS, "" for none.
    """

    against: str
    depth: int
    regularization: float
    parameter: str
    error: float
    tolerance: float
    option: str = ""

    @property
    def passed(self) -> bool:
        """Whether the error is under the tolerance; NaN is not."""
        return self.error < self.tolerance


def check_all() -> list[GradientCheck]:
    """Run all comparisons at DEPTHS 2 to 5, with and without L2, and with each of OPTIONS."""
    cases = [(depth, regularization, "") for depth in DEPTHS for regularization in REGULARIZATIONS]
    cases += [(_DEPTH_OF_OPTIONS, _REGULARIZATION_OF_OPTIONS, option) for option in OPTIONS]
    checks = []
    for case in cases:
        checks += check_numeric(*case)
        checks += check_autograd(*case)
        checks.append(check_steps(*case))
    return checks


def check_numeric(depth: int, regularization: float, option: str = "") -> list[GradientCheck]:
    """Compare the gradient of each array that is trained with central differences."""
    net, images, labels = _case(depth, regularization, option)
    _, gradients = net.loss_and_gradients(images, labels)
    checks = []
    for name, gradient in gradients.items():
        error = relative_error(gradient, _central_differences(net, name, images, labels))
        checks.append(
            GradientCheck("central differences", depth, regularization, name, error, NUMERIC_TOLERANCE, option)
        )
    return checks


def check_autograd(depth: int, regularization: float, option: str = "") -> list[GradientCheck]:
    """Compare the gradient of each array that is trained with torch's autograd."""
    net, images, labels = _case(depth, regularization, option)
    _, ours = net.loss_and_gradients(images, labels)
    _, theirs = _torch_twin(net, depth, regularization, option).loss_and_gradients(images, labels)
    errors = {name: relative_error(ours[name], theirs[name]) for name in theirs}
    return [
        GradientCheck("autograd", depth, regularization, name, error, TORCH_TOLERANCE, option)
        for name, error in errors.items()
    ]


def check_steps(depth: int, regularization: float, option: str = "") -> GradientCheck:
    """Train both nets, with plain SGD unless the option says otherwise, for STEPS steps; compare all losses."""
    net, images, labels = _case(depth, regularization, option)
    torch_net = _torch_twin(net, depth, regularization, option)
    losses = np.array(
        [(net.train_batch(images, labels), float(torch_net.train_batch(images, labels))) for _ in range(STEPS)]
    )
    errors = np.abs(losses[:, 0] - losses[:, 1]) / np.abs(losses).max(axis=1)
    error = float(errors.max())
    return GradientCheck("torch's losses", depth, regularization, "J", error, TORCH_TOLERANCE, option)


def relative_error(ours: Floats, theirs: Floats) -> float:
    """Return max |a - b| / max(|a| + |b|) over the array: free of scale, sound where single entries are 0."""
    scale = float((np.abs(ours) + np.abs(theirs)).max())
    return float(np.abs(ours - theirs).max()) / scale if scale else 0.0


def _config(depth: int, regularization: float, option: str) -> TrainConfig:
    base = {"depth": depth, "hidden_size": _HIDDEN, "regularization": regularization, "seed": depth}
    changes: dict[str, Any] = base | {"learning_rate": 0.05} | OPTIONS.get(option, {})
    return TrainConfig(**changes)


def _case(depth: int, regularization: float, option: str) -> tuple[NumpyNet, Floats, Labels]:
    """A small float64 net with random biases and gammas, so that none is special, and a batch for it."""
    random = np.random.default_rng(depth)
    config = _config(depth, regularization, option)
    net = NumpyNet(inputs=_INPUTS, classes=_CLASSES, config=config, dtype=np.float64)
    net.class_weights = class_weights(_TRAINING_LABELS, config)
    parameters = net.parameters()
    for name, array in parameters.items():
        if name.startswith(("bias", "gamma")):
            array += random.normal(0, 0.5, array.shape)
    net.load_parameters(parameters)
    return net, random.standard_normal((_IMAGES, _INPUTS)), random.integers(0, _CLASSES, _IMAGES)


def _torch_twin(net: NumpyNet, depth: int, regularization: float, option: str):  # type: ignore[no-untyped-def]
    from mlpsearch.models.torch_net.torch_mlp import (
        TorchNet,  # late: half of a second that the numeric check never needs
    )

    config = _config(depth, regularization, option)
    twin = TorchNet(inputs=_INPUTS, classes=_CLASSES, config=config, dtype=np.float64)
    twin.load_parameters(net.parameters())
    twin.class_weights = net.class_weights
    return twin


def _central_differences(net: NumpyNet, name: str, images: Floats, labels: Labels) -> Floats:
    parameters = net.parameters()
    parameter = parameters[name]
    numeric = np.empty_like(parameter)
    for index in np.ndindex(parameter.shape):
        kept, losses = parameter[index], []
        for moved in (kept + _H, kept - _H):
            parameter[index] = moved
            net.load_parameters(parameters)
            losses.append(net.loss_and_gradients(images, labels)[0])
        parameter[index] = kept
        numeric[index] = (losses[0] - losses[1]) / (2 * _H)
    net.load_parameters(parameters)
    return numeric
