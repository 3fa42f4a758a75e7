"""A NumpyNet whose gradients are computed by textbook code that can have one error planted in it."""

from typing import Any

import numpy as np

from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.numpy_net.loss import softmax
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet

NO_ERROR = "no error"
SWAPPED_CASES = "slip: swapped cases of the softmax derivative"
MISSING_FACTOR = "slip: first weights without a1ᵀ"
WRONG_PENALTY = "slip: first weights with the penalty of W(2)"
MISSING_PENALTY = "no penalty"
WRONG_SIGN = "biases with the wrong sign"
MISSING_MASK = "no ReLU slope"
MISSING_MEAN = "no division by N"


def planted(error: str) -> type[NumpyNet]:
    """A class to stand in for NumpyNet; its loss is right and its gradients have the error."""

    class PlantedNet(NumpyNet):
        def __init__(self, **arguments: Any):
            super().__init__(**arguments)
            self.penalty: float = arguments["config"].regularization

        def _fill_gradients(self, images: Floats, labels: Labels) -> float:
            loss = super()._fill_gradients(images, labels)
            weights, biases = _planted_gradients(self, self.penalty, images, labels, error)
            for gradient, wrong in zip(self._gradients.weights, weights, strict=True):
                gradient[...] = wrong
            for gradient, wrong in zip(self._gradients.biases, biases, strict=True):
                gradient[...] = wrong
            return loss

    return PlantedNet


def _planted_gradients(
    net: NumpyNet, penalty: float, images: Floats, labels: Labels, error: str
) -> tuple[list[Floats], list[Floats]]:
    outputs = [images]
    for weight, bias in zip(net.weights[:-1], net.biases, strict=False):
        outputs.append(np.maximum(outputs[-1] @ weight + bias, 0))
    probabilities = softmax(outputs[-1] @ net.weights[-1] + net.biases[-1])
    true_class = np.eye(probabilities.shape[1])[labels]
    delta = probabilities - (1 - true_class if error == SWAPPED_CASES else true_class)
    delta /= 1 if error == MISSING_MEAN else len(images)
    weights: list[Floats] = []
    biases: list[Floats] = []
    for layer in reversed(range(len(net.weights))):
        data = delta if error == MISSING_FACTOR and layer == 0 else outputs[layer].T @ delta
        decayed = net.weights[1 if error == WRONG_PENALTY and layer == 0 else layer]
        weights.insert(0, data if error == MISSING_PENALTY else data + 2 * penalty * decayed)
        biases.insert(0, delta.sum(axis=0) * (-1 if error == WRONG_SIGN else 1))
        delta = delta @ net.weights[layer].T
        if error != MISSING_MASK:
            delta = delta * (outputs[layer] > 0)
    return weights, biases
