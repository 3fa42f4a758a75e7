#!/usr/bin/env bash
# skl2onnx sends each missing value to the right in scikit-learn's trees and forests, wherever the model has learned to send it.
#
# Versions: skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6, Python 3.11. Known upstream.
#
# What one would guess: scikit-learn's trees take NaN. While fitting they try at each split whether the rows with NaN go better to
# the left or to the right, and keep it; a column that had none sends them where most rows went. ONNX's operator for trees has an
# attribute for just this, nodes_missing_value_tracks_true, and skl2onnx fills it. So a NaN takes the same way in both.
#
# What it does: the attribute is taken from the model for HistGradientBoosting alone. For other trees it is 0 at each node, and
# NaN goes to the right, even where a whole tree is about NaN belonging to the left. Rows without NaN come out right, so a check
# of the ONNX model on complete rows finds nothing, and the conversion gives no warning. With an imputer before the model both
# agree; but that they need none is what scikit-learn's trees are chosen for.
#
# Output seen, the probability of class 1 (or the value) for 0, 3 and NaN, by scikit-learn and by the ONNX model:
#   NaN is class 1, as 0 and 1 are, while 2 and 3 are class 0:
#     DecisionTreeClassifier:  1.00 0.00 1.00, 1.00 0.00 0.00
#     DecisionTreeRegressor:   1.00 0.00 1.00, 1.00 0.00 0.00
#     RandomForestClassifier:  0.89 0.03 1.00, 0.89 0.03 0.14
#   NaN is class 0, as 2 and 3 are:
#     DecisionTreeClassifier:  1.00 0.00 0.00, 1.00 0.00 0.00
#     DecisionTreeRegressor:   1.00 0.00 0.00, 1.00 0.00 0.00
#     RandomForestClassifier:  0.89 0.03 0.00, 0.89 0.03 0.00
#   no NaN in the training, four rows of 0 and 1 for each of 2 and 3:
#     DecisionTreeClassifier:  1.00 0.00 1.00, 1.00 0.00 0.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check skl2onnx==1.20.0 scikit-learn==1.9.1 onnx==1.23.2 \
	onnxruntime==1.32.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

ASKED = np.array([[0], [3], [np.nan]], np.float32)
MODELS = (DecisionTreeClassifier, DecisionTreeRegressor, RandomForestClassifier)


def by_onnx(model):
    """What the converted model says of the rows asked for."""
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    converted = to_onnx(model, ASKED[:1], options=options, target_opset=18)
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": ASKED})[-1][:, -1]


changed = False
few, many = [0, 1, 2, 3] + 3 * [np.nan], 4 * [0, 1] + [2, 3]
for title, rows, classes, models in (
    ("NaN is class 1, as 0 and 1 are, while 2 and 3 are class 0", few, [1, 1, 0, 0, 1, 1, 1], MODELS),
    ("NaN is class 0, as 2 and 3 are", few, [1, 1, 0, 0, 0, 0, 0], MODELS),
    ("no NaN in the training, four rows of 0 and 1 for each of 2 and 3", many, 8 * [1] + 2 * [0], MODELS[:1]),
):
    print(f"{title}:")
    for make in models:
        model = make(random_state=0).fit(np.array(rows, np.float32)[:, None], classes)
        own = model.predict_proba(ASKED)[:, 1] if hasattr(model, "classes_") else model.predict(ASKED)
        other = by_onnx(model)
        texts = [" ".join(f"{answer:.2f}" for answer in answers) for answers in (own, other)]
        print(f"  {make.__name__ + ':':24} {', '.join(texts)}")
        changed |= not np.allclose(own[:2], other[:2], atol=1e-5)
        changed |= np.isclose(own[2], other[2], atol=1e-5) != (own[2] < 0.5)
if changed:
    sys.exit("changed: NaN goes where the model sends it, or is refused")
PY
