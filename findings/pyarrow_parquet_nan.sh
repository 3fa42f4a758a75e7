#!/usr/bin/env bash
# pyarrow's filters lose rows with NaN from a Parquet file, depending on how the file's rows are cut into groups.
#
# Versions: pyarrow 26.0.1, Python 3.11. Known upstream in part: issues 28074 (closed) and 34162 of apache/arrow.
#
# What one would guess: read_table(filters=...) removes "rows which do not match the filter predicate" (its docstring), so it
# answers as table.filter() does on the whole table. Statistics of a row group only spare it the reading of rows that do not match:
# the Parquet format keeps NaN out of the least and the greatest value, and tells readers to ignore them when looking for NaN. To
# pyarrow NaN != 1 is true, as in Python.
#
# What it does: for most filters it takes it that all values of a row group lie between the two. Where these are 1 and 1, it skips
# the group for x != 1, for "not in" and even for is_nan(), though a NaN in it matches; and any group for the negation of a
# comparison that holds between them. is_null(nan_is_null=True) finds no NaN at all. Groups that are not skipped keep theirs, so the
# same rows written with another row_group_size give another answer. With write_statistics=False none is lost.
#
# Output seen, for the rows 1, 1, NaN, 1, 7, 8, NaN, 9 (the table; the file in groups of 4; of 8; of 4 without statistics):
#   x != 1                     [nan, 7, 8, nan, 9]  [7, 8, nan, 9]       [nan, 7, 8, nan, 9]  [nan, 7, 8, nan, 9]
#   x not in [1]               [nan, 7, 8, nan, 9]  [7, 8, nan, 9]       [nan, 7, 8, nan, 9]  [nan, 7, 8, nan, 9]
#   ~(x <= 5)                  [nan, 7, 8, nan, 9]  [7, 8, nan, 9]       [nan, 7, 8, nan, 9]  [nan, 7, 8, nan, 9]
#   ~(x > 0)                   [nan, nan]           []                   []                   [nan, nan]
#   is_null(nan_is_null=True)  [nan, nan]           []                   []                   [nan, nan]
#   is_nan(x)                  [nan, nan]           [nan]                [nan, nan]           [nan, nan]
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" -I - "$folder" <<'PY'
import math
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

folder = Path(sys.argv[1])
table = pa.table({"x": [1.0, 1.0, math.nan, 1.0, 7.0, 8.0, math.nan, 9.0]})
files = []
for rows, statistics in ((4, True), (8, True), (4, False)):
    files.append(folder / f"{rows}-{statistics}.parquet")
    pq.write_table(table, files[-1], row_group_size=rows, write_statistics=statistics)


def shown(found):
    return "[" + ", ".join(f"{value:g}" for value in found["x"].to_pylist()) + "]"


x = pc.field("x")
big, small = "[nan, 7, 8, nan, 9]", "[7, 8, nan, 9]"
both, one, none = "[nan, nan]", "[nan]", "[]"
changed = False
for text, wanted, expected in (
    ("x != 1", x != 1.0, [big, small, big, big]),
    ("x not in [1]", ~x.isin([1.0]), [big, small, big, big]),
    ("~(x <= 5)", ~(x <= 5.0), [big, small, big, big]),
    ("~(x > 0)", ~(x > 0.0), [both, none, none, both]),
    ("is_null(nan_is_null=True)", x.is_null(nan_is_null=True), [both, none, none, both]),
    ("is_nan(x)", pc.is_nan(x), [both, one, both, both]),
):
    answers = [shown(table.filter(wanted)), *(shown(pq.read_table(file, filters=wanted)) for file in files)]
    print(f"{text:26} " + "  ".join(f"{answer:19}" for answer in answers).rstrip())
    changed |= answers != expected
if changed:
    sys.exit("changed: other rows are lost, or none")
PY
