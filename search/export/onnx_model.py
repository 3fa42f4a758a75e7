"""An exported net as an ONNX model, from the image's bytes or the columns of a table to probabilities.

images          uint8 (N, height, width, channels), pixels 0–255
a column        (N, 1), float64: a number, or a date in days since 1970, or NaN; string: a category
label           string (N,), of a table: the most probable class
probabilities   float32 (N, classes), each row adding up to 1
"""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import ExportError
from mlpsearch.models.inputs.tables import TABLE_ARRAYS
from mlpsearch.models.numpy_net.activations import GELU_CUBE, GELU_SCALE, LEAK
from mlpsearch.models.numpy_net.normalization import EPSILON
from mlpsearch.search.export.document import Export
from mlpsearch.search.export.table_onnx import ML, TableNodes, input_names
from mlpsearch.studies.data.table_columns import TableSchema

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

# Old enough for any runtime of the last years; nothing newer is needed.
_OPSET = 17
_ML_OPSET = 3
_IR_VERSION = 8
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
_MAX_BYTES = 2**31 - 2**20  # protobuf's limit, less what is not an array


def onnx_model(export: Export, arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return the content of the .onnx file.

    arrays: the net's, by the names of models.prediction.
    Raises ExportError without the onnx package, and for a net of more than 2 GiB.
    """
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
    from onnx import helper

    classes = export.data.classes
    domains = [helper.make_opsetid("", _OPSET)]
    about = {"classes": json.dumps(classes, ensure_ascii=False), "study": export.study}
    if export.data.table is None:
        graph = _image_graph(export, arrays)
    else:
        table = export.data.table.described
        graph = _table_graph(export, table, arrays)
        about["columns"] = json.dumps(_described(table), ensure_ascii=False)
        domains.append(helper.make_opsetid(ML, _ML_OPSET))
    model = helper.make_model(
        graph,
        producer_name="mlpsearch",
        producer_version=export.versions["mlpsearch"],
        opset_imports=domains,
        ir_version=_IR_VERSION,
    )
    if export.data.images is not None and export.data.images.size is not None:
        about["images"] = export.data.images.model_dump_json(include={"size", "fit", "channels"})
    helper.set_model_props(model, about)
    return model


def _image_graph(export: Export, arrays: dict[str, NDArray[Any]]) -> "GraphProto":
    from onnx import TensorProto, helper, numpy_helper

    shape, classes, config = export.data.shape, len(export.data.classes), export.train_config()
    arrays = arrays | _constants(config, classes) | _of_activation(config)
    return helper.make_graph(
        _chain("images", [*_input(config), *_layers(config), *_output(config)]),
        "mlpsearch",
        inputs=[helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *shape])],
        outputs=[_probabilities(classes)],
        initializer=[numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )


def _table_graph(export: Export, table: TableSchema, arrays: dict[str, NDArray[Any]]) -> "GraphProto":
    from onnx import TensorProto, helper, numpy_helper

    classes, config, names = export.data.classes, export.train_config(), input_names(table)
    prefix = "/"
    while any(name.startswith(prefix) for name in names.values()):
        prefix += "/"
    before = TableNodes(table, config, arrays, prefix)
    best, texts = f"{prefix}best", f"{prefix}classes"
    label = [
        helper.make_node("ArgMax", ["probabilities"], [best], axis=1, keepdims=0),
        helper.make_node("Gather", [texts, best], ["label"], axis=0),
    ]
    kinds = {"number": TensorProto.DOUBLE, "date": TensorProto.DOUBLE, "category": TensorProto.STRING}
    weights = {name: array for name, array in arrays.items() if name not in TABLE_ARRAYS}
    weights |= _of_activation(config)
    return helper.make_graph(
        [*before.nodes, *_chain(before.output, [*_layers(config), *_output(config)], prefix), *label],
        "mlpsearch",
        inputs=[
            helper.make_tensor_value_info(names[column.name], kinds[column.kind], ["N", 1])
            for column in table.columns
        ],
        outputs=[helper.make_tensor_value_info("label", TensorProto.STRING, ["N"]), _probabilities(len(classes))],
        initializer=[
            *before.constants,
            *(numpy_helper.from_array(array, prefix + name) for name, array in weights.items()),
            numpy_helper.from_array(np.array(classes, object), texts),
        ],
    )


def _described(table: TableSchema) -> list[dict[str, str]]:
    """What the inputs are: of each its column's name and kind, and the name that it has in the graph."""
    names = input_names(table)
    return [{"input": names[column.name], "column": column.name, "kind": column.kind} for column in table.columns]


def _probabilities(classes: int) -> "ValueInfoProto":
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", classes])


def _chain(given: str, steps: list[_Step], prefix: str = "") -> list["NodeProto"]:
    """The nodes of the steps: each takes the output of the one before, the first `given`. prefix: of names."""
    from onnx import helper

    nodes, flowing, sums = [], given, given
    for number, (operator, arrays, attributes) in enumerate(steps):
        output = "probabilities" if number == len(steps) - 1 else f"{prefix}{number}.{operator}"
        others = [sums if array == _SUMS else prefix + array for array in arrays]
        if operator == "Concat":
            others = [given]
        nodes.append(helper.make_node(operator, [flowing, *others], [output], **attributes))
        flowing = output
        if operator in ("Gemm", "BatchNormalization"):
            sums = output
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
        hidden += _ACTIVATIONS[config.activation]
    last = config.depth - 1
    return [*hidden, ("Gemm", [f"weight.{last}", f"bias.{last}"], {})]


def _output(config: TrainConfig) -> list[_Step]:
    """From logits to probabilities: with flip averaging of the mean of both halves."""
    halves: list[_Step] = [("Reshape", ["halves"], {}), ("ReduceMean", [], {"axes": [0], "keepdims": 0})]
    return [*(halves if config.flip_averaging else []), ("Softmax", [], {"axis": 1})]


def _of_activation(config: TrainConfig) -> dict[str, NDArray[np.float32]]:
    """What the nodes of an activation need."""
    values = _GELU if config.activation == "gelu" else {}
    return {f"gelu.{name}": np.array(value, np.float32) for name, value in values.items()}


def _constants(config: TrainConfig, classes: int) -> dict[str, NDArray[np.int64]]:
    """What the nodes of flip averaging need; an end as low as there is lets a slice run to the first column."""
    if not config.flip_averaging:
        return {}
    values = {"start": -1, "end": np.iinfo(np.int64).min, "axis": 2, "step": -1}
    mirror = {f"mirror.{name}": np.array([value], np.int64) for name, value in values.items()}
    return mirror | {"halves": np.array([2, -1, classes], np.int64)}
