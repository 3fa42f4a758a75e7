#!/usr/bin/env bash
# SciPy's binomtest() searches for a p-value even where only the interval is asked for, and p = k / n does not always spare it.
#
# Versions: scipy 1.17.1, numpy 2.4.6, Python 3.11.
#
# What one would guess: scipy.stats.binomtest(k, n).proportion_ci(method="wilson") is the documented way to Wilson's interval
# (the docstring of binomtest shows proportion_ci), which is a few additions and a square root. The p-value is worked out
# when it is read. Where it is not, giving p = k / n makes the test trivial: k is then what is expected.
#
# What it does: binomtest() works out the p-value at once, by a binary search over the binomial distribution, which takes
# nearly all of the time; the interval does not look at the distribution at all. With p = k / n the search is left out only
# where (k / n) * n == k in floating point; for 1,149 of the 10,001 numbers of hits in 10,000 it is not, and the search runs
# to answer 1.0.
#
# Output seen, evaluations of the binomial distribution's pmf:
#   k=560, n=1000, p not given:    10 in binomtest(), 0 in proportion_ci()
#   k=560, n=1000, p=k/n:           1 in binomtest(), 0 in proportion_ci()
#   k=5600, n=10000, p not given:  13 in binomtest(), 0 in proportion_ci()
#   k=5600, n=10000, p=k/n:        14 in binomtest(), 0 in proportion_ci()
#   (k / 10000) * 10000 != k for 1149 of 10001 k
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scipy==1.17.1 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys

from scipy.stats import binom, binomtest

pmf, calls = binom.pmf, []
binom.pmf = lambda *arguments: (calls.append(1), pmf(*arguments))[1]


def evaluations(k, n, p):
    """How often the pmf is evaluated by the test, and by the interval; and the interval."""
    calls.clear()
    result = binomtest(k, n, p)
    test = len(calls)
    interval = result.proportion_ci(method="wilson")
    return test, len(calls) - test, interval


found, intervals = {}, {}
for k, n in ((560, 1000), (5600, 10000)):
    for text, p in (("p not given", 0.5), ("p=k/n", k / n)):
        test, interval, intervals[n, text] = evaluations(k, n, p)
        found[n, text] = test, interval
        print(f"{f'k={k}, n={n}, {text}:':29} {test:3} in binomtest(), {interval} in proportion_ci()")
    assert intervals[n, "p not given"] == intervals[n, "p=k/n"]
missed = sum((k / 10000) * 10000 != k for k in range(10001))
print(f"(k / 10000) * 10000 != k for {missed} of 10001 k")
searched = [test > 5 for test, _ in found.values()]
if searched != [True, False, True, True] or any(interval for _, interval in found.values()) or missed != 1149:
    sys.exit("changed: binomtest() searches in other cases")
PY
