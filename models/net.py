"""What training, evaluation and checkpoints need of a net; NumpyNet and TorchNet both satisfy it."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


class Net(Protocol):
    """A fully-connected ReLU net with a softmax output, and the optimiser that trains it.

    learning_rate: of the next steps; the epoch loop sets it.
    weights: of each layer, (inputs, outputs); settable.
    biases: of each layer, (outputs,); settable.
    """

    learning_rate: float
    weights: list[Floats]
    biases: list[Floats]

    def train_batch(self, images: Floats, labels: Labels) -> float:
        """Take one optimiser step on images (N, inputs) and labels (N,); return J before the step."""

    def predict(self, images: Floats) -> Labels:
        """Return the most probable class of each image, (N,)."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return copies of weights, biases and optimiser state: all that the next step depends on."""

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over what `state` returned, of a net of the same configuration."""
