#!/usr/bin/env bash
# joblib's Memory takes a defaultdict for any other one where its keys cannot be sorted, and hands back the other's result.
#
# Versions: joblib 1.6.0, Python 3.11. Known upstream in part: a mend for OrderedDict was proposed years ago.
#
# What one would guess: Memory is documented to run a function once for the same arguments, and again for others; it tells them
# apart by a cryptographic hash of all that is in them. Mappings are no exception to that, and the list of gotchas has nothing on
# them. Keys of mixed types, such as None for a missing label beside text, are provided for: a plain dict with them works.
#
# What it does: to have one hash for all orders, it sorts the entries, and where that is a TypeError (None beside text, a number
# beside text, classes) it sorts by the keys' hashes. A dict is asked for its entries anew then. But a defaultdict, an OrderedDict
# and each subclass of dict (but Counter) hand over an iterator, as for pickle. The sort that failed has used it up, so nothing is
# left to be hashed: all such mappings, and an empty one, are the same argument. So counts by label are right until a label is
# missing, and from then on the first such call answers for all. For mappings that can be sorted the order does not count, also
# where the function's result follows it, as the columns of a table do; two OrderedDicts that are not equal have one hash.
#
# Output seen, the sum of the values by a memoized function, called in turn with {"a": 1, "b": 2}, {"a": 5, "b": 6}; with
# {None: 1, "b": 2}, {None: 5, "c": 6}, {}; and the list of the keys of {"a": 1, "b": 2}, {"b": 2, "a": 1}:
#   dict:         3, 11;  3, 11, 0;  ab, ab
#   Counter:      3, 11;  3, 11, 0;  ab, ab
#   defaultdict:  3, 11;  3, 3, 3;   ab, ab
#   OrderedDict:  3, 11;  3, 3, 3;   ab, ab
#   a subclass:   3, 11;  3, 3, 3;   ab, ab
#   the two OrderedDicts are equal: False
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check joblib==1.6.0
"$folder/venv/bin/python" -I - "$folder" <<'PY'
import sys
from collections import Counter, OrderedDict, defaultdict

import joblib

memory = joblib.Memory(f"{sys.argv[1]}/cache", verbose=0)


class Settings(dict):
    pass


@memory.cache
def total(counts):
    return sum(counts.values())


@memory.cache
def columns(table):
    return "".join(table)


def in_turn(function, make, arguments):
    return [function(make(argument)) for argument in arguments]


SORTABLE = [{"a": 1, "b": 2}, {"a": 5, "b": 6}]
MIXED = [{None: 1, "b": 2}, {None: 5, "c": 6}, {}]
ORDERS = [{"a": 1, "b": 2}, {"b": 2, "a": 1}]

changed = False
for name, make, is_right in (
    ("dict", dict, True),
    ("Counter", Counter, True),
    ("defaultdict", lambda entries: defaultdict(int, entries), False),
    ("OrderedDict", OrderedDict, False),
    ("a subclass", Settings, False),
):
    total.clear(warn=False)
    columns.clear(warn=False)
    sums, mixed, orders = in_turn(total, make, SORTABLE), in_turn(total, make, MIXED), in_turn(columns, make, ORDERS)
    texts = [", ".join(map(str, answers)) for answers in (sums, mixed, orders)]
    print(f"{name + ':':13} {texts[0]};  {texts[1] + ';':9}  {texts[2]}")
    changed |= mixed != ([3, 11, 0] if is_right else [3, 3, 3]) or orders != ["ab", "ab"]
print("the two OrderedDicts are equal:", OrderedDict(ORDERS[0]) == OrderedDict(ORDERS[1]))
if changed:
    sys.exit("changed: joblib tells these mappings apart")
PY
