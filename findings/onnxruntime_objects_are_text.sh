#!/usr/bin/env bash
# onnxruntime makes text of whatever an array of objects holds: None becomes "None", and is then a category like others.
#
# Versions: onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, Python 3.11.
#
# What one would guess: an input of the type tensor(string) takes text. For numbers onnxruntime is strict: float64 where the model
# wants float32 is refused, "Unexpected input data type". So an array of objects with something else than text in it, such as the
# None of a missing category, is refused as well, or is empty.
#
# What it does: each object becomes what str() says of it, without a word: None is "None", NaN is "nan", bytes are "b'a'". A model
# whose missing category is "" then takes a missing cell for an unknown one. An array of NumPy's own type of text, with a NUL in
# it, is cut off there; the same text as an object is whole.
#
# Output seen:
#   float64 for float32: refused
#   objects [None, nan, True, 1.0, b'a']: ['None', 'nan', 'True', '1.0', "b'a'"]
#   'a\x00b' as an object: 'a\x00b'
#   'a\x00b' as numpy.str_: 'a'
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys

import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def identity(kind):
    """A session whose model gives back what it is given."""
    tensors = [helper.make_tensor_value_info(name, kind, ["N"]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def same(session, values):
    return session.run(None, {"x": values})[0].tolist()


try:
    strict = f"taken as {same(identity(TensorProto.FLOAT), np.array([1.0]))}"
except Exception as error:
    strict = "refused" if "Unexpected input data type" in str(error) else f"{error}"
texts = identity(TensorProto.STRING)
given = [None, float("nan"), True, 1.0, b"a"]
found = same(texts, np.array(given, object))
(whole,), (cut,) = same(texts, np.array(["a\0b"], object)), same(texts, np.array(["a\0b"]))
print(f"float64 for float32: {strict}")
print(f"objects {given}: {found}")
print(f"'a\\x00b' as an object: {whole!r}")
print(f"'a\\x00b' as numpy.str_: {cut!r}")
if (strict, found, whole, cut) != ("refused", ["None", "nan", "True", "1.0", "b'a'"], "a\0b", "a"):
    sys.exit("changed: onnxruntime takes objects in another way")
PY
