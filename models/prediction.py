"""All that predictions need of a trained net, as named arrays: what files of weights hold.

    weight.0, weight.1, …    (inputs, outputs) of each layer; averaged over the last steps if the net was
    bias.0, bias.1, …        (outputs,) of each layer
    gamma.0, mean.0, variance.0, …    (units,) of each hidden layer, with batch normalisation: with
                             z = a @ weight, the activation gets gamma · (z - mean) / √(variance + 1e-5) + bias
    offset, scale            (pixels,) and (): of the pixels 0–255, (pixels - offset) · scale
    projection               (pixels, inputs), with whitening: a net gets the product of that with it

All are float32. Of a table, in place of the last two, float64 (models/inputs/tables.py):

    center, spread           (columns,)
    knots, scores            (columns, K)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models import build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.initialization import parameter_shapes
from mlpsearch.models.inputs.data import Column, Split
from mlpsearch.models.inputs.pixels import PixelPreprocessing, PixelStatistics
from mlpsearch.models.inputs.poses import poses_of
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.inputs.tables import (
    TABLE_ARRAYS,
    TablePreprocessing,
    TableStatistics,
    table_inputs,
    table_shapes,
)
from mlpsearch.models.net import Net


@dataclass(frozen=True, slots=True)
class Layout:
    """What a row of a data set is as it is stored.

    stored: numbers of a row: pixels of an image, all channels counted, or columns of a table.
    columns: of a table; None for images.
    """

    stored: int
    columns: tuple[Column, ...] | None = None

    @classmethod
    def of(cls, split: Split) -> "Layout":
        """Return that of a split."""
        return cls(split.inputs, split.columns)


def statistics(training: Split) -> PixelStatistics | TableStatistics:
    """Return the statistics of the training rows that preprocessing is made of."""
    return PixelStatistics(training) if training.columns is None else TableStatistics(training)


def prediction_shapes(layout: Layout, classes: int, config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array by name."""
    if layout.columns is not None:
        inputs = table_inputs(layout.columns, config)
        return parameter_shapes(inputs, classes, config) | table_shapes(layout.columns, config)
    whitened = config.preprocessing == "whiten"
    inputs = min(config.components, layout.stored) if whitened else layout.stored
    shapes = parameter_shapes(inputs, classes, config) | {"offset": (layout.stored,), "scale": ()}
    return shapes | ({"projection": (layout.stored, inputs)} if whitened else {})


def blank_preprocessing(layout: Layout, config: TrainConfig) -> Preprocessing:
    """Return preprocessing of the shapes that a configuration gives it, with statistics of nothing."""
    shapes = prediction_shapes(layout, 1, config)
    arrays = {
        name: np.zeros(shapes[name]) for name in shapes.keys() & {*TABLE_ARRAYS, "offset", "scale", "projection"}
    }
    return preprocessing_of(arrays, config, layout.columns)


def prediction_arrays(net: Net, preprocessing: Preprocessing) -> dict[str, NDArray[Any]]:
    """Return copies of all that predictions need, by the names of prediction_shapes."""
    return net.parameters() | preprocessing.arrays()


def trained_net(
    name: str, arrays: dict[str, NDArray[Any]], config: TrainConfig, columns: tuple[Column, ...] | None = None
) -> tuple[Net, Preprocessing]:
    """Return the net of that name, one of NETS, and its preprocessing, made of arrays of prediction_shapes.

    columns: of a table; None for images.
    """
    preprocessing = preprocessing_of(arrays, config, columns)
    classes = len(arrays[f"bias.{config.depth - 1}"])
    net = build_net(name, inputs=preprocessing.inputs, classes=classes, config=config, compiled=False)
    net.load_parameters(arrays)
    return net, preprocessing


def preprocessing_of(
    arrays: dict[str, NDArray[Any]], config: TrainConfig, columns: tuple[Column, ...] | None
) -> Preprocessing:
    """Return the preprocessing of arrays of prediction_shapes. columns: of a table; None for images."""
    if columns is None:
        offset, projection = arrays["offset"], arrays.get("projection")
        return PixelPreprocessing(offset, float(arrays["scale"]), projection, poses_of(config))
    knots, scores = arrays.get("knots"), arrays.get("scores")
    return TablePreprocessing(columns, config.preprocessing, arrays["center"], arrays["spread"], knots, scores)
