"""Proofs that the NumPy net's gradients are right, against three independent answers.

- central differences: (J(w + h) - J(w - h)) / 2h, parameter by parameter, in float64;
- torch's autograd, on the same weights and images;
- training: with the same weights and plain SGD, both nets' losses agree step for step.
"""

from dataclasses import dataclass

import numpy as np

from models.config import TrainConfig
from models.net import Floats, Labels
from models.numpy_net import NumpyNet

DEPTHS = (2, 3, 4, 5)
REGULARIZATIONS = (0.0, 0.1)
NUMERIC_TOLERANCE = 1e-7
TORCH_TOLERANCE = 1e-10
STEPS = 100

_INPUTS, _CLASSES, _IMAGES, _HIDDEN = 6, 4, 8, 7
_H = 1e-5  # balances the truncation error, O(h²), against rounding, O(ε/h)


@dataclass(frozen=True, slots=True)
class GradientCheck:
    """The largest relative error of one comparison.

    against: "central differences", "autograd" or "torch's losses".  parameter: its name, or "J".
    """

    against: str
    depth: int
    regularization: float
    parameter: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is under the tolerance; NaN is not."""
        return self.error < self.tolerance


def check_all() -> list[GradientCheck]:
    """Run all comparisons at DEPTHS 2 to 5, with and without L2."""
    cases = [(depth, regularization) for depth in DEPTHS for regularization in REGULARIZATIONS]
    checks = []
    for depth, regularization in cases:
        checks += check_numeric(depth, regularization)
        checks += check_autograd(depth, regularization)
        checks.append(check_steps(depth, regularization))
    return checks


def check_numeric(depth: int, regularization: float) -> list[GradientCheck]:
    """Compare each weight and bias array with central differences."""
    net, images, labels = _case(depth, regularization)
    _, weight_gradients, bias_gradients = net.loss_and_gradients(images, labels)
    checks = []
    for kind, parameters, gradients in (
        ("weight", net.weights, weight_gradients),
        ("bias", net.biases, bias_gradients),
    ):
        for i, (parameter, gradient) in enumerate(zip(parameters, gradients, strict=True)):
            error = relative_error(gradient, _central_differences(net, parameter, images, labels))
            checks.append(
                GradientCheck(
                    "central differences", depth, regularization, f"{kind}.{i}", error, NUMERIC_TOLERANCE
                )
            )
    return checks


def check_autograd(depth: int, regularization: float) -> list[GradientCheck]:
    """Compare each weight and bias array with torch's autograd."""
    net, images, labels = _case(depth, regularization)
    torch_net = _torch_twin(net, depth, regularization)
    _, weights, biases = net.loss_and_gradients(images, labels)
    _, torch_weights, torch_biases = torch_net.loss_and_gradients(images, labels)
    named = [(f"weight.{i}", *pair) for i, pair in enumerate(zip(weights, torch_weights, strict=True))]
    named += [(f"bias.{i}", *pair) for i, pair in enumerate(zip(biases, torch_biases, strict=True))]
    return [
        GradientCheck("autograd", depth, regularization, name, relative_error(ours, theirs), TORCH_TOLERANCE)
        for name, ours, theirs in named
    ]


def check_steps(depth: int, regularization: float) -> GradientCheck:
    """Train both nets with plain SGD for STEPS steps from the same weights; compare all losses."""
    net, images, labels = _case(depth, regularization)
    torch_net = _torch_twin(net, depth, regularization)
    losses = np.array(
        [(net.train_batch(images, labels), torch_net.train_batch(images, labels)) for _ in range(STEPS)]
    )
    errors = np.abs(losses[:, 0] - losses[:, 1]) / np.abs(losses).max(axis=1)
    return GradientCheck("torch's losses", depth, regularization, "J", float(errors.max()), TORCH_TOLERANCE)


def relative_error(ours: Floats, theirs: Floats) -> float:
    """Return max |a - b| / max(|a| + |b|) over the array: free of scale, sound where single entries are 0."""
    scale = float((np.abs(ours) + np.abs(theirs)).max())
    return float(np.abs(ours - theirs).max()) / scale if scale else 0.0


def _config(depth: int, regularization: float) -> TrainConfig:
    return TrainConfig(
        depth=depth, hidden_size=_HIDDEN, regularization=regularization, learning_rate=0.05, seed=depth
    )


def _case(depth: int, regularization: float) -> tuple[NumpyNet, Floats, Labels]:
    """A small float64 net with random biases, so that no parameter is special, and a batch for it."""
    random = np.random.default_rng(depth)
    config = _config(depth, regularization)
    net = NumpyNet(inputs=_INPUTS, classes=_CLASSES, config=config, dtype=np.float64)
    net.biases = [random.normal(0, 0.5, bias.shape) for bias in net.biases]
    return net, random.standard_normal((_IMAGES, _INPUTS)), random.integers(0, _CLASSES, _IMAGES)


def _torch_twin(net: NumpyNet, depth: int, regularization: float):  # type: ignore[no-untyped-def]
    from models.torch_mlp import (
        TorchNet,
    )  # imported late: half of a second that the numeric check never needs

    twin = TorchNet(inputs=_INPUTS, classes=_CLASSES, config=_config(depth, regularization), dtype=np.float64)
    twin.weights, twin.biases = net.weights, net.biases
    return twin


def _central_differences(net: NumpyNet, parameter: Floats, images: Floats, labels: Labels) -> Floats:
    numeric = np.empty_like(parameter)
    for index in np.ndindex(parameter.shape):
        kept = parameter[index]
        parameter[index] = kept + _H
        above, *_ = net.loss_and_gradients(images, labels)
        parameter[index] = kept - _H
        below, *_ = net.loss_and_gradients(images, labels)
        parameter[index] = kept
        numeric[index] = (above - below) / (2 * _H)
    return numeric
