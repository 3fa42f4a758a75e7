#!/usr/bin/env bash
# safetensors saves a NumPy array in Fortran order with the right shape and the wrong numbers, without a word.
#
# Versions: safetensors 0.8.0 and, for comparison, 0.7.0; numpy 2.4.6; Python 3.11. Known upstream: issue 825 of
# safetensors/safetensors.
#
# What one would guess: the docstring of safetensors.numpy.save() asks for tensors that are "contiguous and dense". An array
# in Fortran order is both, in NumPy's own words (flags.f_contiguous). So it comes back equal, or is refused, as
# safetensors.torch does with a tensor whose is_contiguous() is false. Version 0.7.0 gave it back equal.
#
# What it does: 0.8.0 hands the array's memory to the writer as it lies, and the reader takes it for C order. Transposed weights,
# np.asfortranarray() and many results of linear algebra lie so. np.ascontiguousarray() before saving mends it.
#
# Output seen, for [[0, 1, 2], [3, 4, 5]]:
#   safetensors 0.7.0: C order [[0, 1, 2], [3, 4, 5]], Fortran order [[0, 1, 2], [3, 4, 5]]
#   safetensors 0.8.0: C order [[0, 1, 2], [3, 4, 5]], Fortran order [[0, 3, 1], [4, 2, 5]]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
for version in 0.7.0 0.8.0; do
	"$folder/venv/bin/pip" install --quiet --disable-pip-version-check safetensors==$version numpy==2.4.6
	"$folder/venv/bin/python" -I - <<'PY'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load, save

array = np.arange(6, dtype=np.float32).reshape(2, 3)
fortran = np.asfortranarray(array)
assert fortran.flags.f_contiguous
assert np.array_equal(fortran, array)
back = {name: load(save({"w": saved}))["w"] for name, saved in (("C", array), ("Fortran", fortran))}
shown = ", ".join(f"{name} order {loaded.astype(int).tolist()}" for name, loaded in back.items())
print(f"safetensors {safetensors.__version__}: {shown}")
equal = np.array_equal(back["Fortran"], array)
if not np.array_equal(back["C"], array) or equal != (safetensors.__version__ == "0.7.0"):
    sys.exit("changed: Fortran order is saved otherwise")
PY
done
