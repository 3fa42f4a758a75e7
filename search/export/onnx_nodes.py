"""The nodes of one net in an ONNX model: from images to its inputs, and from its inputs to probabilities."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.augmentation import Shape
from mlpsearch.models.inputs.poses import poses_of, shifts_of, sources
from mlpsearch.models.numpy_net.activations import GELU_CUBE, GELU_SCALE, LEAK
from mlpsearch.models.numpy_net.normalization import EPSILON
from mlpsearch.search.export.parameters import ENCODERS

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

# An operator, the arrays that it takes beside what flows through the graph, and its attributes.
_Step = tuple[str, list[str], dict[str, Any]]
_SUMS = "z"  # among those arrays: what went into the activation
# Composed of old operators: Gelu is one since opset 20, Swish since 24.
_ACTIVATIONS: dict[str, list[_Step]] = {
    "relu": [("Relu", [], {})],
    "leaky-relu": [("LeakyRelu", [], {"alpha": LEAK})],
    "gelu": [
        ("Mul", [_SUMS], {}),
        ("Mul", ["gelu.cube"], {}),
        ("Add", ["gelu.scale"], {}),
        ("Mul", [_SUMS], {}),
        ("Tanh", [], {}),
        ("Add", ["gelu.one"], {}),
        ("Mul", ["gelu.half"], {}),
        ("Mul", [_SUMS], {}),
    ],
    "silu": [("Sigmoid", [], {}), ("Mul", [_SUMS], {})],
    "tanh": [("Tanh", [], {})],
}
_GELU = {"cube": GELU_SCALE * GELU_CUBE, "scale": GELU_SCALE, "one": 1.0, "half": 0.5}


class Nodes:
    """Nodes that follow each other, and the constants that they take. output: of the last."""

    def __init__(self, given: str, steps: list[_Step], arrays: dict[str, NDArray[Any]], prefix: str):
        """Make the nodes of the steps: each takes the output of the one before, the first `given`.

        arrays: constants by the names that the steps have for them.  prefix: of all names.
        """
        from onnx import helper, numpy_helper

        self.nodes: list[NodeProto] = []
        self.output, sums = given, given
        for number, (operator, names, attributes) in enumerate(steps):
            others = [sums if name == _SUMS else prefix + name for name in names]
            if operator == "Concat":
                others = [given]
            output = f"{prefix}{number}.{operator}"
            self.nodes.append(helper.make_node(operator, [self.output, *others], [output], **attributes))
            self.output = output
            if operator in ("Gemm", "BatchNormalization"):
                sums = output
        self.constants: list[TensorProto] = [
            numpy_helper.from_array(array, prefix + name) for name, array in arrays.items()
        ]


def image_inputs(
    given: str, shape: Shape, config: TrainConfig, arrays: dict[str, NDArray[Any]], prefix: str
) -> Nodes:
    """Return the nodes from pixels to what a net gets, of all images in one pose, then of all in the next.

    shape: (height, width, channels) of an image.  arrays: those of models.prediction.
    """
    from onnx import TensorProto

    # An end as low as there is lets a slice run to the first column.
    values = {"start": -1, "end": np.iinfo(np.int64).min, "axis": 2, "step": -1} if config.flip_averaging else {}
    mirror = {f"mirror.{name}": np.array([value], np.int64) for name, value in values.items()}
    moving, moves = _moves(shape, config)
    steps: list[_Step] = [
        *([("Slice", [*mirror], {}), ("Concat", [], {"axis": 0})] if config.flip_averaging else []),
        *moving,
        ("Cast", [], {"to": TensorProto.FLOAT}),
        ("Flatten", [], {"axis": 1}),
        ("Sub", ["offset"], {}),
        ("Mul", ["scale"], {}),
        *([("MatMul", ["projection"], {})] if config.preprocessing == "whiten" else []),
    ]
    encoders = {name: array for name, array in arrays.items() if name in ENCODERS}
    return Nodes(given, steps, mirror | moves | encoders, prefix)


def _moves(shape: Shape, config: TrainConfig) -> tuple[list[_Step], dict[str, NDArray[Any]]]:
    """The steps that move images to all places, and their constants: the old place of each row and column."""
    if not config.shift_averaging:
        return [], {}
    rows, columns = (np.array([sources(size, by) for by in shifts_of(config)]) for size in shape[:2])
    steps: list[_Step] = [
        ("Gather", ["move.rows"], {"axis": 1}),  # (N, places, height, width, channels)
        ("Gather", ["move.columns"], {"axis": 3}),  # (N, places, height, places, width, channels)
        ("Transpose", [], {"perm": [1, 3, 0, 2, 4, 5]}),
        ("Reshape", ["move.shape"], {}),
    ]
    return steps, {"move.rows": rows, "move.columns": columns, "move.shape": np.array([-1, *shape], np.int64)}


def net_probabilities(
    given: str, config: TrainConfig, arrays: dict[str, NDArray[Any]], classes: int, prefix: str
) -> Nodes:
    """Return the nodes from what a net gets to its probabilities; of several poses by the mean of their logits.

    arrays: those of models.prediction.
    """
    weights = {name: array for name, array in arrays.items() if name not in ENCODERS}
    if config.activation == "gelu":
        weights |= {f"gelu.{name}": np.array(value, np.float32) for name, value in _GELU.items()}
    mean: list[_Step] = []
    if (poses := len(poses_of(config))) > 1:
        weights["poses"] = np.array([poses, -1, classes], np.int64)
        mean = [("Reshape", ["poses"], {}), ("ReduceMean", [], {"axes": [0], "keepdims": 0})]
    return Nodes(given, [*_layers(config), *mean, ("Softmax", [], {"axis": 1})], weights, prefix)


def _layers(config: TrainConfig) -> list[_Step]:
    hidden: list[_Step] = []
    for i in range(config.depth - 1):
        if config.batch_normalization:
            arrays = [f"gamma.{i}", f"bias.{i}", f"mean.{i}", f"variance.{i}"]
            hidden.append(("MatMul", [f"weight.{i}"], {}))
            hidden.append(("BatchNormalization", arrays, {"epsilon": EPSILON}))
        else:
            hidden.append(("Gemm", [f"weight.{i}", f"bias.{i}"], {}))
        hidden += _ACTIVATIONS[config.activation]
    last = config.depth - 1
    return [*hidden, ("Gemm", [f"weight.{last}", f"bias.{last}"], {})]
