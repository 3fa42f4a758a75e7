#!/usr/bin/env bash
# scikit-learn's MLPClassifier divides `alpha` by the rows of each batch, not by those it is trained on.
#
# Versions: scikit-learn 1.9.1, NumPy 2.4.6, Python 3.11.
#
# What one would guess: "the L2 regularization term is divided by the sample size", so one alpha is one objective, whatever the
# batch size. An epoch of SGD has training rows / batch size steps, each pulls by learning rate · alpha / training rows, so
# batches a tenth as large pull ten times as far in an epoch, as with any weight decay.
#
# What it does: each step pulls by learning rate · alpha / batch size. Batches a tenth as large pull ten times as hard in
# each step, and a hundred times as far in an epoch; a short last batch pulls hardest. A search over batch_size and alpha
# together moves the regularization with both, and an alpha found for one batch size means another for the next.
#
# Output seen (how far one epoch pulls the weights, as a multiple of learning rate · alpha · weights; 1,000 rows):
#   batches of   10: 10.000, with alpha / training rows it would be 0.100
#   batches of  100: 0.100, with alpha / training rows it would be 0.010
#   batches of 1000: 0.001, with alpha / training rows it would be 0.001
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import sys
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier

ROWS, RATE = 1000, 1e-6  # so small that the weights hardly move, and each step pulls at the same ones

warnings.simplefilter("ignore")  # one epoch does not converge
rows = np.random.default_rng(0).normal(size=(ROWS, 4))
labels = (rows[:, 0] > 0).astype(int)


def weights(alpha, batch):
    net = MLPClassifier(
        (3,),
        solver="sgd",
        momentum=0,
        learning_rate_init=RATE,
        alpha=alpha,
        batch_size=batch,
        max_iter=1,
        shuffle=False,
        random_state=0,
    )
    return net.fit(rows, labels).coefs_[0]


pulls = {}
for batch in (10, 100, 1000):
    free = weights(0.0, batch)
    pulls[batch] = float(np.mean((free - weights(1.0, batch)) / (RATE * free)))
    print(f"batches of {batch:4}: {pulls[batch]:.3f}, with alpha / training rows it would be {1 / batch:.3f}")
if not np.isclose(pulls[10] / pulls[100], 100, rtol=0.01):
    sys.exit("changed: the pull of an epoch is no longer that of alpha / batch size")
PY
