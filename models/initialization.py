"""The initial weights, the same for both nets: one function of configuration and seed."""

from itertools import pairwise

import numpy as np

from models.config import TrainConfig
from models.net import Floats

_INITIALIZATION = 0
_BATCH_ORDER = 1


def layer_sizes(inputs: int, classes: int, config: TrainConfig) -> list[int]:
    """Units from the input to the output: depth + 1 numbers."""
    return [inputs, *[config.hidden_size] * (config.depth - 1), classes]


def parameter_shapes(inputs: int, classes: int, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each parameter by the name that files give it: weight.0, …, bias.0, …"""
    sizes = layer_sizes(inputs, classes, config)
    weights: dict[str, tuple[int, ...]] = {f"weight.{i}": pair for i, pair in enumerate(pairwise(sizes))}
    return weights | {f"bias.{i}": (size,) for i, size in enumerate(sizes[1:])}


def initial_parameters(
    inputs: int, classes: int, config: TrainConfig, dtype: type[np.floating]
) -> tuple[list[Floats], list[Floats]]:
    """Return weights, each (inputs, outputs), and biases, each (outputs,), drawn as the configuration says.

    Drawn in float64 and rounded, so that float32 and float64 nets of one seed start at the same point.
    """
    random = np.random.default_rng([config.seed, _INITIALIZATION])
    sizes = layer_sizes(inputs, classes, config)
    weights, biases = [], []
    for fan_in, fan_out in pairwise(sizes):
        deviation = np.sqrt(2 / fan_in) if config.initialization == "he" else 1e-4
        weights.append((deviation * random.standard_normal((fan_in, fan_out))).astype(dtype))
        biases.append(np.zeros(fan_out, dtype))
    return weights, biases


def batch_order(images: int, config: TrainConfig, epoch: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the order in which an epoch (from 1) visits the images: a permutation of 0 … images-1.

    It depends on seed and epoch alone: training can go on from any epoch, with no random state to keep.
    """
    return np.random.default_rng([config.seed, _BATCH_ORDER, epoch]).permutation(images)
