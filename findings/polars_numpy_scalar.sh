#!/usr/bin/env bash
# A Polars Series of integers times numpy.float32(0.5) is a Series of zeros: the number is cut to an integer first.
#
# Versions: polars 2.1.0, numpy 2.4.6, Python 3.11.
#
# What one would guess: a float scalar of NumPy counts as a float. An expression takes it so (pl.col("x") * numpy.float32(0.5) is
# Float32), a DataFrame does, NumPy does with an array of integers, and a Series does with 0.5 and numpy.float64(0.5). The
# documentation asks for a "numeric literal" (Expr.mul()) and names no difference between the three.
#
# What it does: the operators of a Series ask whether the number is a Python float. numpy.float64 is one, by inheritance;
# numpy.float32 and numpy.float16 are not, and become int(0.5) = 0 without a word, for +, -, * and %; the remainder of a division
# by that 0 is null. The operator / is right, since it makes floats of the Series first. So are float(number) and a Series that is
# cast beforehand. The mean of an array of float32, or one of its elements, is a number of the kind that is cut.
#
# Output seen, for the integers 1, 2 and 255:
#   Series, * 0.5:                   Float64 [0.5, 1.0, 127.5]
#   Series, * numpy.float64(0.5):    Float64 [0.5, 1.0, 127.5]
#   Series, * numpy.float32(0.5):    UInt8 [0, 0, 0]
#   Series, * numpy.float16(0.5):    UInt8 [0, 0, 0]
#   Series, + numpy.float32(0.5):    UInt8 [1, 2, 255]
#   Series, % numpy.float32(0.5):    UInt8 [None, None, None]
#   Series, / numpy.float32(0.5):    Float64 [2.0, 4.0, 510.0]
#   expression, * numpy.float32(0.5): Float32 [0.5, 1.0, 127.5]
#   DataFrame, * numpy.float32(0.5): Float32 [0.5, 1.0, 127.5]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check polars==2.1.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import operator
import sys

import numpy as np
import polars as pl

series = pl.Series("x", [1, 2, 255], dtype=pl.UInt8)
frame = series.to_frame()
SIGNS = {"*": operator.mul, "+": operator.add, "%": operator.mod, "/": operator.truediv}
half = [0.5, 1.0, 127.5]
changed = False
for name, given, sign, kind, expected in (
    ("Series", series, "*", float, (pl.Float64, half)),
    ("Series", series, "*", np.float64, (pl.Float64, half)),
    ("Series", series, "*", np.float32, (pl.UInt8, [0, 0, 0])),
    ("Series", series, "*", np.float16, (pl.UInt8, [0, 0, 0])),
    ("Series", series, "+", np.float32, (pl.UInt8, [1, 2, 255])),
    ("Series", series, "%", np.float32, (pl.UInt8, [None, None, None])),
    ("Series", series, "/", np.float32, (pl.Float64, [2.0, 4.0, 510.0])),
    ("expression", pl.col("x"), "*", np.float32, (pl.Float32, half)),
    ("DataFrame", frame, "*", np.float32, (pl.Float32, half)),
):
    found = SIGNS[sign](given, kind(0.5))
    if isinstance(found, pl.Expr):
        found = frame.select(found)
    if isinstance(found, pl.DataFrame):
        found = found.to_series()
    number = "0.5" if kind is float else f"numpy.{kind.__name__}(0.5)"
    print(f"{f'{name}, {sign} {number}:':32} {found.dtype} {found.to_list()}")
    changed |= (found.dtype, found.to_list()) != expected
if changed:
    sys.exit("changed: Polars takes scalars of NumPy in another way")
PY
