#!/usr/bin/env bash
# With an integer as random_state, scikit-learn's MLPClassifier shuffles the rows into the same order at each partial_fit().
#
# Versions: scikit-learn 1.9.1, numpy 2.4.6, Python 3.11.
#
# What one would guess: partial_fit() is "a single iteration over the given data" that goes on where the last one ended, and
# shuffle=True (the default) is to "shuffle samples in each iteration". So n calls on the same rows are n epochs of fit(), with
# new batches in each, for those who look at each epoch: to stop early, to report to a pruner, to keep the best. An
# integer as random_state makes the whole of it repeatable.
#
# What it does: each call makes its random numbers anew from the integer, and shuffles with the first of them. All epochs but the
# first (which has drawn the weights before) have the same batches in the same order, and a short last batch holds the same rows
# each time. fit() with warm_start=True and max_iter=1 is no way around it. numpy.random.RandomState(0) as random_state is: it
# is not made anew. MLPRegressor shares the code.
#
# Output seen, orders of the rows in 10 epochs:
#   random_state=0, fit(), max_iter=10:                        10 orders
#   random_state=0, 10 times partial_fit():                    2 orders
#   random_state=0, 10 times fit(), warm_start:                2 orders
#   random_state=RandomState(0), fit(), max_iter=10:           10 orders
#   random_state=RandomState(0), 10 times partial_fit():       10 orders
#   random_state=RandomState(0), 10 times fit(), warm_start:   10 orders
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys
import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier

ROWS, BATCH, EPOCHS = 50, 5, 10

warnings.simplefilter("ignore")  # ten epochs do not converge
data = np.random.default_rng(0).normal(size=(ROWS, 3))
data[:, 0] = np.arange(ROWS)  # the row's number, to see it in a batch
labels = np.arange(ROWS) % 2


class Watched(MLPClassifier):
    """Notes the rows of each batch."""

    def _backprop(self, X, *others, **settings):
        self.seen = [*getattr(self, "seen", []), *X[:, 0].astype(int).tolist()]
        return super()._backprop(X, *others, **settings)


def trained(how, state):
    fits_all = how == "fit(), max_iter=10"
    settings = {"max_iter": EPOCHS if fits_all else 1, "warm_start": "warm_start" in how}
    net = Watched((3,), solver="sgd", batch_size=BATCH, random_state=state, **settings)
    for _ in range(1 if fits_all else EPOCHS):
        if "partial" in how:
            net.partial_fit(data, labels, classes=[0, 1])
        else:
            net.fit(data, labels)
    assert len(net.seen) == EPOCHS * ROWS
    return net


found = []
for text, make in (("0", lambda: 0), ("RandomState(0)", lambda: np.random.RandomState(0))):
    for how in ("fit(), max_iter=10", "10 times partial_fit()", "10 times fit(), warm_start"):
        seen = trained(how, make()).seen
        orders = {tuple(seen[first : first + ROWS]) for first in range(0, EPOCHS * ROWS, ROWS)}
        print(f"{f'random_state={text}, {how}:':58} {len(orders)} orders")
        found.append(len(orders))
if found != [10, 2, 2, 10, 10, 10]:
    sys.exit("changed: partial_fit() shuffles in another way")
PY
