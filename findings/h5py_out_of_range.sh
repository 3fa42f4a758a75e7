#!/usr/bin/env bash
# h5py clips a number that is out of a type's range when it is in an array, and wraps it around when it is a NumPy scalar.
#
# Versions: h5py 3.16.0, numpy 2.4.6, Python 3.11.
#
# What one would guess: "datasets work like NumPy arrays", says the quick start. In NumPy integers that do not fit wrap around,
# 300 is 44 as uint8, and a Python integer that does not fit is an OverflowError. A dataset's astype() is documented to read it
# as another type, with HDF5 doing the conversion; that saves memory, and the numbers are those of astype() after reading. At the
# least one rule holds for a dataset: what a value becomes does not depend on whether it is written alone or with others.
#
# What it does: HDF5 converts by clipping, NumPy by wrapping, and h5py leaves the work to one or the other. An array keeps its
# type until HDF5 has it, and is clipped; a NumPy scalar is cast by NumPy first, and wraps. So a loop that writes element by
# element stores other numbers than one assignment of the whole, and dataset.astype("u1")[:] reads others than
# dataset[:].astype("u1"). numpy.asarray(dataset, dtype="u1") clips, and read_direct() too. No warning is given in any case.
# Pixels that a resampling took past 255 stay white one way and turn black the other, and a model is trained on either.
#
# Output seen:
#   stored:                               [-1, 0, 255, 256, 300]
#   read, dataset[:].astype("u1"):        [255, 0, 255, 0, 44]
#   read, dataset.astype("u1")[:]:        [0, 0, 255, 255, 255]
#   read, asarray(dataset, dtype="u1"):   [0, 0, 255, 255, 255]
#   read, read_direct() into uint8:       [0, 0, 255, 255, 255]
#   NumPy, array[:] = values:             [255, 0, 255, 0, 44]
#   h5py, dataset[:] = values:            [0, 0, 255, 255, 255]
#   h5py, dataset[i] = values[i]:         [255, 0, 255, 0, 44]
#   h5py, dataset[i] = values[i:i + 1]:   [0, 0, 255, 255, 255]
#   h5py, dataset[0] = 300:               OverflowError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check h5py==3.16.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys

import h5py
import numpy as np

values = np.array([-1, 0, 255, 256, 300])
places = range(len(values))
WRAPPED, CLIPPED = [255, 0, 255, 0, 44], [0, 0, 255, 255, 255]
changed = False


def show(name, numbers, expected):
    global changed
    print(f"{name + ':':37} {numbers.tolist()}")
    changed |= numbers.tolist() != expected


file = h5py.File("in memory", "w", driver="core", backing_store=False)
wide = file.create_dataset("wide", data=values)
into = np.empty(len(values), "u1")
wide.read_direct(into)
show("stored", wide[:], values.tolist())
show('read, dataset[:].astype("u1")', wide[:].astype("u1"), WRAPPED)
show('read, dataset.astype("u1")[:]', wide.astype("u1")[:], CLIPPED)
show('read, asarray(dataset, dtype="u1")', np.asarray(wide, dtype="u1"), CLIPPED)
show("read, read_direct() into uint8", into, CLIPPED)

array = np.zeros(len(values), "u1")
array[:] = values
show("NumPy, array[:] = values", array, WRAPPED)
narrow = file.create_dataset("narrow", shape=len(values), dtype="u1")
narrow[:] = values
show("h5py, dataset[:] = values", narrow[:], CLIPPED)
for place in places:
    narrow[place] = values[place]
show("h5py, dataset[i] = values[i]", narrow[:], WRAPPED)
for place in places:
    narrow[place] = values[place : place + 1]
show("h5py, dataset[i] = values[i:i + 1]", narrow[:], CLIPPED)
try:
    narrow[0] = 300
    changed = True
except OverflowError as error:
    print(f"{'h5py, dataset[0] = 300:':37} {type(error).__name__}")
if changed:
    sys.exit("changed: one rule for what is out of range")
PY
