#!/usr/bin/env bash
# diskcache gives back None for NaN, so a function that is memoized answers NaN once and None from then on.
#
# Versions: diskcache 5.6.3, numpy 2.4.6, Python 3.11.
#
# What one would guess: the tutorial says that integers, floats, text and bytes are stored natively, and other types pickled; the
# docstring of Cache.memoize(), that a call with the same arguments as before looks up the result. Neither leaves any value out,
# and of SQLite's weak points the tutorial names network file systems. So a loss of NaN, as a training that diverged ends with, is
# NaN the next time too. Infinity comes back, and so does NaN in a list, or as numpy.float64.
#
# What it does: a float goes into a column of SQLite, which has no NaN and stores NULL for it, without a word; NULL is read as
# None. The entry is there (`in` is true), so get() does not give its default, and a memoized function does not run again. Deque
# and Index do the same. So a search that asks math.isnan(loss) works until it is resumed and is a TypeError then, and to one that
# takes None for "no result yet" a run that diverged was never made.
#
# Output seen:
#   inf:                            put inf, got inf
#   [nan]:                          put [nan], got [nan]
#   numpy.float64:                  put np.float64(nan), got np.float64(nan)
#   nan:                            put nan, got None
#   nan in the cache:               True, get(default=0.5) is None
#   memoized, called three times:   [nan, None, None], run once
#   Deque:                          [0.5, None]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check diskcache==5.6.3 numpy==2.4.6
"$folder/venv/bin/python" -I - "$folder" <<'PY'
import sys

import diskcache
import numpy as np

folder = sys.argv[1]
cache = diskcache.Cache(f"{folder}/cache")
nan = float("nan")
for name, value in (("inf", float("inf")), ("[nan]", [nan]), ("numpy.float64", np.float64(nan)), ("nan", nan)):
    cache[name] = value
    print(f"{name + ':':31} put {value!r}, got {cache[name]!r}")
print(f"{'nan in the cache:':31} {'nan' in cache}, get(default=0.5) is {cache.get('nan', default=0.5)}")

runs = []


@cache.memoize()
def loss(rate):
    runs.append(rate)
    return nan


answers = [loss(10.0) for _ in range(3)]
print(f"{'memoized, called three times:':31} {answers}, run {'once' if len(runs) == 1 else f'{len(runs)} times'}")
queue = diskcache.Deque([0.5, nan], f"{folder}/queue")
print(f"{'Deque:':31} {list(queue)}")
if answers[1:] != [None, None] or len(runs) != 1 or cache["nan"] is not None or list(queue)[1] is not None:
    sys.exit("changed: NaN comes back as NaN, or is refused")
PY
