#!/usr/bin/env bash
# onnxmltools divides what a random forest of LightGBM says by 100, however many trees it has; a classifier then knows one class.
#
# Versions: onnxmltools 1.16.0, lightgbm 4.7.0, skl2onnx 1.20.0, onnx 1.23.2, onnxruntime 1.32.0, scikit-learn 1.9.1, numpy 2.4.6,
# Python 3.11.
#
# What one would guess: onnxmltools converts LightGBM's models to ONNX. It knows of boosting_type="rf", for it makes other nodes
# of it, and it refuses what it does not know: the objective "cross_entropy" is a RuntimeError. LightGBM's own answer is the mean
# over the trees, and for two classes the logistic function of that mean. So the ONNX model answers the same, or there is none.
#
# What it does: the converter adds up the trees and divides by a constant of 100, which is the number of trees by default. A
# regressor with ten trees answers a tenth, one with 200 twice as much. For a classifier it takes the logistic function of the sum
# and divides the probability: that is 0.01 at most, so the first class is predicted for each row, with 100 trees as well. Other
# things that LightGBM does are left out: reg_sqrt=True answers the root, sigmoid=3 has no effect, and the lines in the leaves of
# linear_tree=True are missing. Neither the conversion nor onnx.checker says a word, and the model that is deployed is wrong.
#
# Output seen, LightGBM's answer and that of the ONNX model: a regressor's for the row in the middle, and of a classifier the
# highest probability of the second class, and how many of 400 rows it is predicted for:
#   regressor, boosted:            149.8; 149.8
#   regressor, rf, 10 trees:       152.4; 15.2
#   regressor, rf, 100 trees:      151.9; 151.9
#   regressor, rf, 200 trees:      152.0; 303.9
#   regressor, reg_sqrt:           149.4; 12.2
#   regressor, linear_tree:        150.1; 148.8
#   classifier, boosted:           0.76, 196 rows; 0.76, 196 rows
#   classifier, rf, 10 trees:      0.82, 196 rows; 0.01, 0 rows
#   classifier, rf, 100 trees:     0.82, 196 rows; 0.01, 0 rows
#   classifier, sigmoid=3:         0.76, 196 rows; 0.59, 196 rows
#   classifier, cross_entropy:     RuntimeError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check onnxmltools==1.16.0 lightgbm==4.7.0 skl2onnx==1.20.0 \
	onnx==1.23.2 onnxruntime==1.32.0 scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys
import warnings

import lightgbm
import numpy as np
import onnx
import onnxruntime
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

OPTIONS = {"n_jobs": 1, "deterministic": True, "force_row_wise": True, "verbose": -1}
FOREST = {"boosting_type": "rf", "subsample": 0.9, "subsample_freq": 1}

warnings.filterwarnings("ignore", message="X does not have valid feature names")
rows = (np.arange(400) % 100 / 100).astype(np.float32)[:, None]
numbers = 100 + 100 * rows[:, 0]
classes = (rows[:, 0] > 0.5) != (np.arange(400) % 7 == 0)  # a seventh is wrong


def as_onnx(model, **settings):
    """What the converted model answers."""
    converted = convert_lightgbm(model, initial_types=[("rows", FloatTensorType([None, 1]))], target_opset=15, **settings)
    onnx.checker.check_model(converted)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of the shape of the labels
    return onnxruntime.InferenceSession(converted.SerializeToString(), options).run(None, {"rows": rows})


changed = False
for name, settings, factor in (
    ("boosted", {"n_estimators": 10}, 1),
    ("rf, 10 trees", {"n_estimators": 10, **FOREST}, 0.1),
    ("rf, 100 trees", {"n_estimators": 100, **FOREST}, 1),
    ("rf, 200 trees", {"n_estimators": 200, **FOREST}, 2),
    ("reg_sqrt", {"n_estimators": 10, "reg_sqrt": True}, None),
    ("linear_tree", {"n_estimators": 10, "linear_tree": True}, None),
):
    model = lightgbm.LGBMRegressor(**OPTIONS, **settings).fit(rows, numbers)
    own, other = model.predict(rows), as_onnx(model)[0][:, 0]
    print(f"{f'regressor, {name}:':30} {own[50]:.1f}; {other[50]:.1f}")
    if factor is None:
        changed |= np.allclose(own, other, rtol=1e-3)
    else:
        changed |= not np.allclose(own * factor, other, rtol=1e-3)
for name, settings in (
    ("boosted", {"n_estimators": 10}),
    ("rf, 10 trees", {"n_estimators": 10, **FOREST}),
    ("rf, 100 trees", {"n_estimators": 100, **FOREST}),
    ("sigmoid=3", {"n_estimators": 10, "sigmoid": 3.0}),
):
    model = lightgbm.LGBMClassifier(**OPTIONS, **settings).fit(rows, classes.astype(int))
    own = model.predict_proba(rows)[:, 1]
    labels, other = as_onnx(model, zipmap=False)
    other = other[:, 1]
    print(f"{f'classifier, {name}:':30} {own.max():.2f}, {(own > 0.5).sum()} rows; {other.max():.2f}, {labels.sum()} rows")
    changed |= np.allclose(own, other, atol=1e-3) != (name == "boosted")
    changed |= (labels.sum() == 0) != name.startswith("rf")
try:
    as_onnx(lightgbm.LGBMClassifier(objective="cross_entropy", **OPTIONS).fit(rows, classes.astype(int)))
    changed = True
except RuntimeError as error:
    print(f"{'classifier, cross_entropy:':30} {type(error).__name__}")
if changed:
    sys.exit("changed: onnxmltools divides by the number of trees, or refuses what it cannot convert")
PY
