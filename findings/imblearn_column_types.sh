#!/usr/bin/env bash
# imbalanced-learn's new rows depend on the type of a column: a flag is set less often as an integer, and more often as a Boolean.
#
# Versions: imbalanced-learn 0.14.2, scikit-learn 1.9.1, pandas 3.1.1, numpy 2.4.6, Python 3.11.
#
# What one would guess: the user guide says that SMOTE puts a new row at a random place on the line between two rows of the class;
# RandomOverSampler(shrinkage=...), a "smoothed bootstrap", adds noise to a row that is as often below zero as above. Either way
# the mean of a column stays what it is, up to chance. Categories are not for SMOTE, says the guide; of integers it says nothing,
# and they and Booleans are accepted beside floats. So what is new in them is a fraction or is rounded.
#
# What it does: the new rows are cast to the type that each column had. For integers that cuts them toward zero: between 0 and 1
# there is no 1 but where both rows have it, and 1 with noise is 0 half of the time. For Booleans all that is not just 0 is True:
# between the two there is no False but where both rows have it, and with noise there is none at all. So a flag that has nothing
# to do with the class comes to tell the classes apart, a model learns it, and no warning is given. Counts shrink likewise. Floats
# have no such bias, and can be rounded afterwards. ADASYN, BorderlineSMOTE, SVMSMOTE and the numbers in SMOTENC are cast too.
#
# Output seen, the share of True or 1 in a flag, and the mean size of a count from -2 to 2 (0.50 and 1.20 in both classes):
#   SMOTE, floats:               0.49, 1.17
#   SMOTE, integers:             0.31, 0.93
#   SMOTE, Booleans:             0.66, 1.17
#   RandomOverSampler, floats:   0.52, 1.29
#   RandomOverSampler, integers: 0.26, 0.82
#   RandomOverSampler, Booleans: 1.00, 1.29
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	imbalanced-learn==0.14.2 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys
import warnings

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE, RandomOverSampler

ROWS, RARE = 2000, 200

warnings.simplefilter("error")  # so that a warning would show
random = np.random.default_rng(0)
target = (np.arange(ROWS) < RARE).astype(int)
table = pd.DataFrame(random.normal(size=(ROWS, 8))).add_prefix("x")
table["flag"] = np.arange(ROWS) % 2  # half of the rows of each class
table["count"] = np.arange(ROWS) // 2 % 5 - 2  # a fifth of the rows each

changed = False
for sampler in (SMOTE(random_state=0), RandomOverSampler(random_state=0, shrinkage=0.5)):
    for kind, flags, counts in (("floats", float, float), ("integers", int, int), ("Booleans", bool, float)):
        filled, _ = sampler.fit_resample(table.astype({"flag": flags, "count": counts}), target)
        new = filled[ROWS:]
        share, size = new["flag"].mean(), new["count"].abs().mean()
        print(f"{f'{type(sampler).__name__}, {kind}:':28} {share:.2f}, {size:.2f}")
        changed |= not {"floats": 0.45 < share < 0.55, "integers": share < 0.35, "Booleans": share > 0.6}[kind]
        changed |= (size < 1) != (kind == "integers")
if changed:
    sys.exit("changed: the mean of the new rows no longer depends on the type of the column")
PY
