"""The arrays of a net, and the initial ones, the same for both nets: one function of configuration and seed."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.config import TrainConfig
from models.draws import INITIALIZATION, generator
from models.net import Floats


@dataclass(frozen=True, slots=True)
class Parameters:
    """The arrays that training changes.

    weights: of each layer, (inputs, outputs).  biases: of each layer, (outputs,).
    gammas: of each hidden layer, (units,), its scales after batch normalisation; without it there are none.
    """

    weights: list[Floats]
    biases: list[Floats]
    gammas: list[Floats]

    def all(self) -> list[Floats]:
        """Weights, then biases, then gammas."""
        return [*self.weights, *self.biases, *self.gammas]

    def named(self) -> dict[str, Floats]:
        """The names that files give them: weight.0, weight.1, …, bias.0, …, gamma.0, …"""
        return named("weight", self.weights) | named("bias", self.biases) | named("gamma", self.gammas)

    def zeros(self) -> "Parameters":
        """Arrays of the same shapes, all 0."""
        return Parameters(*([np.zeros_like(array) for array in one] for one in self._lists()))

    def copy(self) -> "Parameters":
        """Copies of all."""
        return Parameters(*([array.copy() for array in one] for one in self._lists()))

    def _lists(self) -> tuple[list[Floats], list[Floats], list[Floats]]:
        return self.weights, self.biases, self.gammas


def named(kind: str, arrays: list[Floats]) -> dict[str, Floats]:
    """The names under which a net's arrays are kept in files: kind.0, kind.1, …"""
    return {f"{kind}.{i}": array for i, array in enumerate(arrays)}


def layer_sizes(inputs: int, classes: int, config: TrainConfig) -> list[int]:
    """Units from the input to the output: depth + 1 numbers."""
    return [inputs, *[config.hidden_size] * (config.depth - 1), classes]


def trained_shapes(inputs: int, classes: int, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array that training changes, by the name that files give it."""
    sizes = layer_sizes(inputs, classes, config)
    shapes: dict[str, tuple[int, ...]] = {f"weight.{i}": pair for i, pair in enumerate(pairwise(sizes))}
    shapes |= {f"bias.{i}": (size,) for i, size in enumerate(sizes[1:])}
    return shapes | (_hidden("gamma", config) if config.batch_normalization else {})


def parameter_shapes(inputs: int, classes: int, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array that a net predicts with: means and variances too, if it has them."""
    shapes = trained_shapes(inputs, classes, config)
    if config.batch_normalization:
        shapes |= _hidden("mean", config) | _hidden("variance", config)
    return shapes


def initial_parameters(inputs: int, classes: int, config: TrainConfig, dtype: type[np.floating]) -> Parameters:
    """Return weights drawn as the configuration says, biases 0, and gammas 1.

    Drawn in float64 and rounded, so that float32 and float64 nets of one seed start at the same point.
    """
    random = generator(config, INITIALIZATION)
    sizes = layer_sizes(inputs, classes, config)
    weights, biases = [], []
    for fan_in, fan_out in pairwise(sizes):
        deviation = np.sqrt(2 / fan_in) if config.initialization == "he" else 1e-4
        weights.append((deviation * random.standard_normal((fan_in, fan_out))).astype(dtype))
        biases.append(np.zeros(fan_out, dtype))
    gammas = [np.ones(size, dtype) for size in sizes[1:-1]] if config.batch_normalization else []
    return Parameters(weights, biases, gammas)


def _hidden(name: str, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{i}": (config.hidden_size,) for i in range(config.depth - 1)}
