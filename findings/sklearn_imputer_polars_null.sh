#!/usr/bin/env bash
# scikit-learn's SimpleImputer fills the nulls of a Polars frame in columns of numbers, and leaves them in columns of text.
#
# Versions: scikit-learn 1.9.1, polars 2.1.0, pandas 3.0.0, numpy 2.4.6, Python 3.11.
#
# What one would guess: Polars has one kind of missing value, null, for all types. SimpleImputer takes Polars frames, fills their
# nulls in numbers without being told what is missing, and has strategies for text ("most_frequent" and "constant"). It
# fills the same table in pandas, with the same settings. So it fills a null in a column of text too, or refuses it.
#
# What it does: the default of missing_values is NaN. A frame of numbers becomes floats on the way in, where null is NaN; one with
# text becomes an array of objects, where null is None. None is not NaN, so nothing is found to be missing: the nulls come back as
# they were, with no warning, and OneHotEncoder behind it makes a category of them, also in a frame whose numbers are filled.
# missing_values=None fills text, and refuses a frame of numbers, for the NaN in it. So the two kinds of columns need an imputer each.
#
# Output seen, most_frequent:
#   polars, numbers:                       [1.0, 1.0, 1.0, 2.0]
#   polars, text:                          ['a', None, 'a', 'b']
#   polars, numbers beside text:           [1.0, 1.0, 1.0, 2.0]
#   pandas, numbers:                       [1.0, 1.0, 1.0, 2.0]
#   pandas, text:                          ['a', 'a', 'a', 'b']
#   pandas, numbers beside text:           [1.0, 1.0, 1.0, 2.0]
#   polars, text, missing_values=None:     ['a', 'a', 'a', 'b']
#   polars, numbers, missing_values=None:  ValueError: Input X contains NaN.
#   categories behind the imputer:         ['a', 'b', None]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
	scikit-learn==1.9.1 polars==2.1.0 pandas==3.0.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys
import warnings

import pandas as pd
import polars as pl
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

warnings.simplefilter("error")  # so that a warning would show

NUMBERS, TEXT = [1.0, None, 1.0, 2.0], ["a", None, "a", "b"]
FULL_NUMBERS, FULL_TEXT = [1.0, 1.0, 1.0, 2.0], ["a", "a", "a", "b"]
COLUMNS = {"numbers": {"x": NUMBERS}, "text": {"x": TEXT}, "numbers beside text": {"x": NUMBERS, "y": TEXT}}


def filled(frame, **settings):
    """The first column of the frame, filled."""
    try:
        return SimpleImputer(strategy="most_frequent", **settings).fit_transform(frame)[:, 0].tolist()
    except ValueError as error:
        return f"ValueError: {str(error).splitlines()[0]}"


refused = "ValueError: Input X contains NaN."
changed = False
for library, content, settings, expected in (
    (pl, "numbers", {}, FULL_NUMBERS),
    (pl, "text", {}, TEXT),
    (pl, "numbers beside text", {}, FULL_NUMBERS),
    (pd, "numbers", {}, FULL_NUMBERS),
    (pd, "text", {}, FULL_TEXT),
    (pd, "numbers beside text", {}, FULL_NUMBERS),
    (pl, "text", {"missing_values": None}, FULL_TEXT),
    (pl, "numbers", {"missing_values": None}, refused),
):
    found = filled(library.DataFrame(COLUMNS[content]), **settings)
    text = ", ".join([library.__name__, content, *(f"{name}={value}" for name, value in settings.items())])
    print(f"{text + ':':38} {found}")
    changed |= found != expected
pipeline = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
categories = pipeline.fit(pl.DataFrame({"x": TEXT}))[-1].categories_[0].tolist()
print(f"{'categories behind the imputer:':38} {categories}")
if changed or categories != ["a", "b", None]:
    sys.exit("changed: other nulls are filled")
PY
