#!/usr/bin/env bash
# skops gives a dictionary with the keys False and True back with True alone: a model's class weights change on the way.
#
# Versions: skops 0.16.0, scikit-learn 1.9.1, numpy 2.4.6, Python 3.11.
#
# What one would guess: skops.io.dump() and load() save a scikit-learn model and give it back as pickle does, without pickle's
# danger; what the format cannot hold is refused (a complex number, or a tuple as a key, is a TypeError). Keys of a dictionary may
# be of any simple type: 0 and 1 come back as numbers, for the file has a list of the keys' types beside the entries.
#
# What it does: the entries are an object of JSON, whose keys are text. False is written as "false" and read with bool("false"),
# which is True. So both entries land on True, and the later one wins; {False: 3} becomes {True: 3}. NumPy's Booleans fare alike.
# In the same way 1 and "1" are one text, and one entry is lost. Nothing is said. The
# coefficients of a fitted model are unharmed, so its predictions are right; but cloned and fitted again, as a search and a
# cross-validation do, it is another model. class_weight={False: 1, True: 10} is what a target of Booleans asks for.
#
# Output seen:
#   {0: 1, 1: 10} comes back as {0: 1, 1: 10}
#   {False: 1, True: 10} comes back as {True: 10}
#   {True: 10, False: 1} comes back as {True: 1}
#   {1: 'number', '1': 'text'} comes back as {1: 'text'}
#   class_weight={True: 10, False: 1}, 50 rows of 100 are True:
#     fitted:              99 rows predicted True
#     loaded:              99 rows predicted True
#     loaded, fitted anew: 49 rows predicted True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check skops==0.16.0 scikit-learn==1.9.1 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys
import warnings

import numpy as np
import skops.io
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

warnings.simplefilter("error")  # so that a warning would show


def through_a_file(thing):
    data = skops.io.dumps(thing)
    if skops.io.get_untrusted_types(data=data):
        sys.exit("changed: skops asks whether a type is to be trusted")
    return skops.io.loads(data)


changed = False
for entries, expected in (
    ({0: 1, 1: 10}, {0: 1, 1: 10}),
    ({False: 1, True: 10}, {True: 10}),
    ({True: 10, False: 1}, {True: 1}),
    ({1: "number", "1": "text"}, {1: "text"}),
):
    found = through_a_file(entries)
    print(f"{entries} comes back as {found}")
    changed |= repr(found) != repr(expected)

random = np.random.default_rng(0)
target = np.arange(100) % 2 == 0
rows = target[:, None] + random.normal(size=(100, 1))
model = LogisticRegression(class_weight={True: 10, False: 1}).fit(rows, target)
loaded = through_a_file(model)
again = clone(loaded).fit(rows, target)
print(f"class_weight={model.class_weight}, {target.sum()} rows of {len(target)} are True:")
counts = []
for name, fitted in (("fitted", model), ("loaded", loaded), ("loaded, fitted anew", again)):
    counts.append(int(fitted.predict(rows).sum()))
    print(f"  {name + ':':20} {counts[-1]} rows predicted True")
if changed or counts[0] != counts[1] or counts[1] == counts[2]:
    sys.exit("changed: skops keeps the keys of a dictionary apart, or refuses them")
PY
