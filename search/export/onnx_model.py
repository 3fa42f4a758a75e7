"""An exported net as an ONNX model, from the image's bytes to probabilities.

images          uint8 (N, height, width, channels), pixels 0–255
probabilities   float32 (N, classes), each row adding up to 1
"""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import ExportError
from mlpsearch.models.numpy_net.normalization import EPSILON
from mlpsearch.search.export.document import Export

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

# Old enough for any runtime of the last years; nothing newer is needed.
_OPSET = 17
_IR_VERSION = 8
# An operator, the arrays that it takes beside what flows through the graph, and its attributes.
_Step = tuple[str, list[str], dict[str, Any]]
_MAX_BYTES = 2**31 - 2**20  # protobuf's limit, less what is not an array


def onnx_model(export: Export, arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return the content of the .onnx file.

    arrays: the net's, by the names of models.prediction.
    Raises ExportError without the onnx package, for a net of more than 2 GiB, and for the net of a table.
    """
    if export.data.table is not None:
        raise ExportError("an ONNX model of a table cannot be written; `mlpsearch predict` classifies its rows")
    try:
        import onnx
    except ImportError as error:
        raise ExportError("an ONNX model needs the package onnx: pip install 'mlpsearch[onnx]'") from error
    size = sum(array.nbytes for array in arrays.values())
    if size > _MAX_BYTES:
        raise ExportError(f"an ONNX model has at most 2 GiB; the weights of this net take {size:,} bytes")
    model = _model(export, arrays)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def _model(export: Export, arrays: dict[str, NDArray[Any]]) -> "ModelProto":
    from onnx import TensorProto, helper, numpy_helper

    shape, classes = export.data.shape, export.data.classes
    config = export.train_config()
    arrays = arrays | _constants(config, len(classes))
    graph = helper.make_graph(
        _nodes(config),
        "mlpsearch",
        inputs=[helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *shape])],
        outputs=[helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(classes)])],
        initializer=[numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="mlpsearch",
        producer_version=export.versions["mlpsearch"],
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    properties = {"classes": json.dumps(classes, ensure_ascii=False), "study": export.study}
    if export.data.images is not None and export.data.images.size is not None:
        properties["images"] = export.data.images.model_dump_json(include={"size", "fit", "channels"})
    helper.set_model_props(model, properties)
    return model


def _nodes(config: TrainConfig) -> list["NodeProto"]:
    """The graph, node by node: each takes the output of the one before."""
    from onnx import helper

    steps = [*_input(config), *_layers(config), *_output(config)]
    nodes, flowing = [], "images"
    for number, (operator, arrays, attributes) in enumerate(steps):
        output = "probabilities" if number == len(steps) - 1 else f"{number}.{operator}"
        given = [flowing, "images"] if operator == "Concat" else [flowing, *arrays]
        nodes.append(helper.make_node(operator, given, [output], **attributes))
        flowing = output
    return nodes


def _input(config: TrainConfig) -> list[_Step]:
    """From pixels to what the net gets: with flip averaging the mirror images first, then the images."""
    from onnx import TensorProto

    mirror = [
        ("Slice", ["mirror.start", "mirror.end", "mirror.axis", "mirror.step"], {}),
        ("Concat", [], {"axis": 0}),
    ]
    return [
        *(mirror if config.flip_averaging else []),
        ("Cast", [], {"to": TensorProto.FLOAT}),
        ("Flatten", [], {"axis": 1}),
        ("Sub", ["offset"], {}),
        ("Mul", ["scale"], {}),
        *([("MatMul", ["projection"], {})] if config.preprocessing == "whiten" else []),
    ]


def _layers(config: TrainConfig) -> list[_Step]:
    hidden: list[_Step] = []
    for i in range(config.depth - 1):
        if config.batch_normalization:
            arrays = [f"gamma.{i}", f"bias.{i}", f"mean.{i}", f"variance.{i}"]
            hidden.append(("MatMul", [f"weight.{i}"], {}))
            hidden.append(("BatchNormalization", arrays, {"epsilon": EPSILON}))
        else:
            hidden.append(("Gemm", [f"weight.{i}", f"bias.{i}"], {}))
        hidden.append(("Relu", [], {}))
    last = config.depth - 1
    return [*hidden, ("Gemm", [f"weight.{last}", f"bias.{last}"], {})]


def _output(config: TrainConfig) -> list[_Step]:
    """From logits to probabilities: with flip averaging of the mean of both halves."""
    halves: list[_Step] = [("Reshape", ["halves"], {}), ("ReduceMean", [], {"axes": [0], "keepdims": 0})]
    return [*(halves if config.flip_averaging else []), ("Softmax", [], {"axis": 1})]


def _constants(config: TrainConfig, classes: int) -> dict[str, NDArray[np.int64]]:
    """What the nodes of flip averaging need; an end as low as there is lets a slice run to the first column."""
    if not config.flip_averaging:
        return {}
    values = {"start": -1, "end": np.iinfo(np.int64).min, "axis": 2, "step": -1}
    mirror = {f"mirror.{name}": np.array([value], np.int64) for name, value in values.items()}
    return mirror | {"halves": np.array([2, -1, classes], np.int64)}
