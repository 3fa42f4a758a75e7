"""What training, evaluation and checkpoints need of a net; NumpyNet and TorchNet both satisfy it."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


class Net(Protocol):
    """A fully-connected ReLU net with a softmax output, and the optimiser that trains it.

    learning_rate: of the next step; the epoch loop sets it.
    weights: of each layer, (inputs, outputs), as trained; settable.
    biases: of each layer, (outputs,), as trained; settable.
    """

    learning_rate: float
    weights: list[Floats]
    biases: list[Floats]

    def train_batch(self, images: Floats, labels: Labels) -> float:
        """Take one optimiser step on images (N, inputs) and labels (N,); return J before the step."""

    def measure(self, images: Floats) -> None:
        """Take from images (N, inputs) the means and variances that batch normalisation uses in predictions."""

    def logits(self, images: Floats) -> Floats:
        """Return z(L), (N, classes), of images (N, inputs): softmax makes probabilities of them."""

    def predict(self, images: Floats) -> Labels:
        """Return the most probable class of each image, (N,)."""

    def parameters(self) -> dict[str, Floats]:
        """Return copies of the arrays that predictions need, by the names of initialization.parameter_shapes."""

    def load_parameters(self, parameters: dict[str, Floats]) -> None:
        """Take over what `parameters` returned, of a net of the same configuration, to predict."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that the next step and the next prediction depend on."""

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of a net of the same configuration."""
