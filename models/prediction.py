"""All that predictions need of a trained net, as named arrays: what files of weights hold.

    weight.0, weight.1, …    (inputs, outputs) of each layer; averaged over the last steps if the net was
    bias.0, bias.1, …        (outputs,) of each layer
    gamma.0, mean.0, variance.0, …    (units,) of each hidden layer, with batch normalisation: with
                             z = a @ weight, the ReLU gets gamma · (z - mean) / √(variance + 1e-5) + bias
    offset, scale            (pixels,) and (): of the pixels 0–255, (pixels - offset) · scale
    projection               (pixels, inputs), with whitening: a net gets the product of that with it

All are float32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models import build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.initialization import parameter_shapes
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.net import Net


def prediction_shapes(pixels: int, classes: int, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array by name.

    pixels: of an image, all channels counted.
    """
    whitened = config.preprocessing == "whiten"
    inputs = min(config.components, pixels) if whitened else pixels
    shapes = parameter_shapes(inputs, classes, config) | {"offset": (pixels,), "scale": ()}
    return shapes | ({"projection": (pixels, inputs)} if whitened else {})


def prediction_arrays(net: Net, preprocessing: Preprocessing) -> dict[str, NDArray[Any]]:
    """Return copies of all that predictions need, by the names of prediction_shapes."""
    return net.parameters() | preprocessing_arrays(preprocessing)


def preprocessing_arrays(preprocessing: Preprocessing) -> dict[str, NDArray[Any]]:
    """Return those of the arrays that the pixels of the training images decide."""
    arrays = {"offset": preprocessing.offset, "scale": np.array(preprocessing.scale, np.float32)}
    return arrays if preprocessing.projection is None else arrays | {"projection": preprocessing.projection}


def trained_net(name: str, arrays: dict[str, NDArray[Any]], config: TrainConfig) -> tuple[Net, Preprocessing]:
    """Return the net of that name, one of NETS, and its preprocessing, made of arrays of prediction_shapes."""
    preprocessing = Preprocessing(
        arrays["offset"], float(arrays["scale"]), arrays.get("projection"), config.flip_averaging
    )
    classes = len(arrays[f"bias.{config.depth - 1}"])
    net = build_net(name, inputs=preprocessing.inputs, classes=classes, config=config)
    net.load_parameters(arrays)
    return net, preprocessing
