"""The arrays of a net, and the initial ones, the same for both nets: one function of configuration and seed."""

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.draws import INITIALIZATION, generator


class Parameters:
    """The arrays that training changes, one after the other in one vector, so that all are updated at once.

    flat: the vector.  flat_weights: the part of it, at its beginning, that holds the weights.
    shapes: of each array, as trained_shapes gives them.
    weights: of each layer, (inputs, outputs).  biases: of each layer, (outputs,).
    gammas: of each hidden layer, (units,), its scales after batch normalisation; without it there are none.
    """

    def __init__(self, flat: Floats, shapes: dict[str, tuple[int, ...]]):
        self.flat = flat
        self._shapes = shapes
        self._named = dict(zip(shapes, _views(flat, shapes.values()), strict=True))
        self.weights = self._of_kind("weight")
        self.biases = self._of_kind("bias")
        self.gammas = self._of_kind("gamma")
        self.flat_weights = flat[: sum(weight.size for weight in self.weights)]

    def named(self) -> dict[str, Floats]:
        """The names that files give them: weight.0, weight.1, …, bias.0, …, gamma.0, …"""
        return dict(self._named)

    def zeros(self) -> "Parameters":
        """Arrays of the same shapes, all 0, in memory of their own."""
        return Parameters(np.zeros_like(self.flat), self._shapes)

    def copy(self) -> "Parameters":
        """Arrays of the same values, in memory of their own."""
        return Parameters(self.flat.copy(), self._shapes)

    def _of_kind(self, kind: str) -> list[Floats]:
        return [array for name, array in self._named.items() if name.startswith(kind)]


def _views(flat: Floats, shapes: Iterable[tuple[int, ...]]) -> Iterator[Floats]:
    start = 0
    for shape in shapes:
        stop = start + math.prod(shape)
        yield flat[start:stop].reshape(shape)
        start = stop


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
    shapes = trained_shapes(inputs, classes, config)
    parameters = Parameters(np.zeros(sum(math.prod(shape) for shape in shapes.values()), dtype), shapes)
    for weight in parameters.weights:
        deviation = np.sqrt(2 / len(weight)) if config.initialization == "he" else 1e-4
        weight[...] = deviation * random.standard_normal(weight.shape)
    for gamma in parameters.gammas:
        gamma[...] = 1
    return parameters


def _hidden(name: str, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{i}": (config.hidden_size,) for i in range(config.depth - 1)}
