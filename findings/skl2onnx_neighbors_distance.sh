#!/usr/bin/env bash
# skl2onnx turns weights="distance" of a nearest-neighbours model into equal weights; a row of the training is then guessed wrong.
#
# Versions: skl2onnx 1.20.0, scikit-learn 1.9.1, onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6, Python 3.11. Known upstream.
#
# What one would guess: KNeighborsClassifier and KNeighborsRegressor are on skl2onnx's list of supported models. The converter
# looks at `weights`: it refuses a function, and for "distance" it adds a Reciprocal and a sum to divide by. So the nearest of the
# neighbours count most, as in scikit-learn, where a row that is among the training rows gets just that row's answer.
#
# What it does: it negates the distances after the search, as older versions of ONNX's TopK needed before it, and then raises
# what is less than a millionth to a millionth, so as not to divide by zero. So each distance is a millionth, and each neighbour
# has the same weight: the ONNX model is that of weights="uniform". Nothing is said. RadiusNeighborsRegressor does not search with
# TopK, and is right to within that millionth. A search over `weights` and `n_neighbors` may well choose many neighbours weighted
# by distance; what it chose and what is deployed are then two models, and the second was never scored.
#
# Output seen, scikit-learn's answer and that of the ONNX model:
#   KNeighborsRegressor, 0 at 0 and 100 at 1, n_neighbors=2:
#     at 0.00:  0.0, 50.0
#     at 0.25:  25.0, 50.0
#     at 0.90:  90.0, 50.0
#   RadiusNeighborsRegressor, the same, radius=2:
#     at 0.25:  25.0, 25.0
#   KNeighborsClassifier, iris, half of the rows, n_neighbors=35, accuracy:
#     uniform, training rows:   0.92, 0.92
#     uniform, other rows:      0.92, 0.92
#     distance, training rows:  1.00, 0.92
#     distance, other rows:     0.97, 0.92
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
from sklearn.datasets import load_iris
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, RadiusNeighborsRegressor


def by_onnx(model, rows):
    """What the converted model predicts."""
    converted = to_onnx(model, rows[:1], target_opset=18)
    session = onnxruntime.InferenceSession(converted.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": rows})[0].ravel()


ends, values = np.array([[0], [1]], np.float32), np.array([0, 100], np.float32)
changed = False
for title, model, places in (
    ("KNeighborsRegressor, 0 at 0 and 100 at 1, n_neighbors=2", KNeighborsRegressor(2, weights="distance"), (0, 0.25, 0.9)),
    ("RadiusNeighborsRegressor, the same, radius=2", RadiusNeighborsRegressor(2.0, weights="distance"), (0.25,)),
):
    print(f"{title}:")
    rows = np.array(places, np.float32)[:, None]
    model.fit(ends, values)
    answers = list(zip(places, model.predict(rows), by_onnx(model, rows), strict=True))
    for place, own, other in answers:
        print(f"  at {place:.2f}:  {own:.1f}, {other:.1f}")
    if isinstance(model, KNeighborsRegressor):
        changed |= any(abs(other - 50) > 0.1 for _, _, other in answers)

rows, classes = load_iris(return_X_y=True)
rows = rows.astype(np.float32)
print("KNeighborsClassifier, iris, half of the rows, n_neighbors=35, accuracy:")
for weights in ("uniform", "distance"):
    model = KNeighborsClassifier(35, weights=weights).fit(rows[::2], classes[::2])
    for name, part in (("training rows", slice(0, None, 2)), ("other rows", slice(1, None, 2))):
        own = (model.predict(rows[part]) == classes[part]).mean()
        other = (by_onnx(model, rows[part]) == classes[part]).mean()
        print(f"  {f'{weights}, {name}:':24}  {own:.2f}, {other:.2f}")
        changed |= weights == "distance" and abs(own - other) < 0.01
if changed:
    sys.exit("changed: the ONNX model weights its neighbours by their distance, or there is none")
PY
