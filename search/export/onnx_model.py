"""Exported nets as an ONNX model, from the image's bytes or the columns of a table to probabilities.

images          uint8 (N, height, width, channels), pixels 0–255
a column        (N, 1), float64: a number, or a date in days since 1970, or NaN; string: a category
label           string (N,), of a table: the most probable class
probabilities   float32 (N, classes), each row adding up to 1; of several nets the average

Nets that see the same of images or rows share the nodes that make it.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import ExportError
from mlpsearch.search.export.document import AnyExport
from mlpsearch.search.export.onnx_nodes import Nodes, image_inputs, net_probabilities
from mlpsearch.search.export.parameters import Arrays, InputsKey, arrays_together, inputs_key
from mlpsearch.search.export.table_onnx import ML, TableNodes, input_names
from mlpsearch.studies.data.table_columns import TableSchema

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

# Old enough for any runtime of the last years; nothing newer is needed.
_OPSET = 17
_ML_OPSET = 3
_IR_VERSION = 8
_MAX_BYTES = 2**31 - 2**20  # protobuf's limit, less what is not an array
_PROBABILITIES = "probabilities"


def onnx_model(export: AnyExport, nets: Sequence[Arrays]) -> bytes:
    """Return the content of the .onnx file.

    nets: the arrays of each net of the export, by the names of models.prediction.
    Raises ExportError without the onnx package, and for nets of more than 2 GiB.
    """
    try:
        import onnx
    except ImportError as error:
        raise ExportError("an ONNX model needs the package onnx: pip install 'mlpsearch[onnx]'") from error
    size = sum(array.nbytes for array in arrays_together(nets).values())
    if size > _MAX_BYTES:
        of = "this net" if len(nets) == 1 else f"these {len(nets)} nets"
        raise ExportError(f"an ONNX model has at most 2 GiB; the weights of {of} take {size:,} bytes")
    model = _model(export, nets)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def _model(export: AnyExport, nets: Sequence[Arrays]) -> "ModelProto":
    from onnx import helper

    table = None if export.data.table is None else export.data.table.described
    domains = [helper.make_opsetid("", _OPSET)]
    about = {"classes": json.dumps(export.data.classes, ensure_ascii=False), "study": export.study}
    if table is not None:
        about["columns"] = json.dumps(_described(table), ensure_ascii=False)
        domains.append(helper.make_opsetid(ML, _ML_OPSET))
    if export.data.images is not None and export.data.images.size is not None:
        about["images"] = export.data.images.model_dump_json(include={"size", "fit", "channels"})
    model = helper.make_model(
        _image_graph(export, nets) if table is None else _table_graph(export, table, nets),
        producer_name="mlpsearch",
        producer_version=export.versions["mlpsearch"],
        opset_imports=domains,
        ir_version=_IR_VERSION,
    )
    helper.set_model_props(model, about)
    return model


def _image_graph(export: AnyExport, nets: Sequence[Arrays]) -> "GraphProto":
    from onnx import TensorProto, helper

    made = _Graph(export, nets, "")
    return helper.make_graph(
        made.nodes,
        "mlpsearch",
        inputs=[helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", *export.data.shape])],
        outputs=[_probabilities(len(export.data.classes))],
        initializer=made.constants,
    )


def _table_graph(export: AnyExport, table: TableSchema, nets: Sequence[Arrays]) -> "GraphProto":
    from onnx import TensorProto, helper, numpy_helper

    classes, names = export.data.classes, input_names(table)
    prefix = "/"
    while any(name.startswith(prefix) for name in names.values()):
        prefix += "/"
    made = _Graph(export, nets, prefix)
    best, texts = f"{prefix}best", f"{prefix}classes"
    label = [
        helper.make_node("ArgMax", [_PROBABILITIES], [best], axis=1, keepdims=0),
        helper.make_node("Gather", [texts, best], ["label"], axis=0),
    ]
    kinds = {"number": TensorProto.DOUBLE, "date": TensorProto.DOUBLE, "category": TensorProto.STRING}
    return helper.make_graph(
        [*made.nodes, *label],
        "mlpsearch",
        inputs=[
            helper.make_tensor_value_info(names[column.name], kinds[column.kind], ["N", 1])
            for column in table.columns
        ],
        outputs=[helper.make_tensor_value_info("label", TensorProto.STRING, ["N"]), _probabilities(len(classes))],
        initializer=[*made.constants, numpy_helper.from_array(np.array(classes, object), texts)],
    )


class _Graph:
    """The nodes from the model's inputs to `probabilities`, and their constants. prefix: of all their names."""

    def __init__(self, export: AnyExport, nets: Sequence[Arrays], prefix: str):
        from onnx import helper, numpy_helper

        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._export, self._prefix = export, prefix
        self._inputs = dict[InputsKey, str]()  # what nets get, by what makes it
        shares = [
            self._take(self._net(place, net.train_config(), arrays))
            for place, (net, arrays) in enumerate(zip(export.nets(), nets, strict=True))
        ]
        if len(shares) == 1:
            self.nodes[-1].output[0] = _PROBABILITIES
            return
        weights = np.array(export.weights(), np.float32)
        for place, share in enumerate(shares):
            weight, weighted = f"{prefix}{place}/weight", f"{prefix}{place}/weighted"
            self.constants.append(numpy_helper.from_array(weights[place], weight))
            self.nodes.append(helper.make_node("Mul", [share, weight], [weighted]))
            shares[place] = weighted
        self.nodes.append(helper.make_node("Sum", shares, [_PROBABILITIES]))

    def _net(self, place: int, config: TrainConfig, arrays: Arrays) -> Nodes:
        given, classes = self._given(config, arrays), len(self._export.data.classes)
        return net_probabilities(given, config, arrays, classes, f"{self._prefix}{place}/")

    def _given(self, config: TrainConfig, arrays: Arrays) -> str:
        """What a net gets; made once for all nets that get the same."""
        key = inputs_key(config, arrays)
        if key not in self._inputs:
            self._inputs[key] = self._take(
                self._encoded(config, arrays, f"{self._prefix}inputs{len(self._inputs)}/")
            )
        return self._inputs[key]

    def _encoded(self, config: TrainConfig, arrays: Arrays, prefix: str) -> "Nodes | TableNodes":
        table = self._export.data.table
        if table is None:
            return image_inputs("images", self._export.data.shape, config, arrays, prefix)
        return TableNodes(table.described, config, arrays, prefix)

    def _take(self, made: "Nodes | TableNodes") -> str:
        self.nodes += made.nodes
        self.constants += made.constants
        return made.output


def _described(table: TableSchema) -> list[dict[str, str]]:
    """What the inputs are: of each its column's name and kind, and the name that it has in the graph."""
    names = input_names(table)
    return [{"input": names[column.name], "column": column.name, "kind": column.kind} for column in table.columns]


def _probabilities(classes: int) -> "ValueInfoProto":
    from onnx import TensorProto, helper

    return helper.make_tensor_value_info(_PROBABILITIES, TensorProto.FLOAT, ["N", classes])
