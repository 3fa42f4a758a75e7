#!/usr/bin/env bash
# Optuna's GPSampler forgets what a pruner stopped: after 500 pruned trials it still proposes as on an empty study.
#
# Versions: optuna 5.0.0, numpy 2.4.6, Python 3.11. Neither torch nor SciPy is there: it comes to need them with
# the tenth completed trial only.
#
# What one would guess: the docstring of optuna.samplers.GPSampler says that the model is fitted given the past trials, and
# that the first n_startup_trials (10) are sampled otherwise. TPESampler learns from pruned trials by what they reported.
#
# What it does: sample_relative() asks for completed and running trials only, and counts completed ones for the startup.
# With a pruner that stops most trials the startup lasts until ten have survived, and the stopped ones never count.
# (Optuna's table of samplers marks pruning as "works, but inefficiently" for this sampler, without the reason.)
#
# Output seen, the next five points where the optimum is 0.25:
#   GPSampler, no trials:                   0.549 0.715 0.603 0.545 0.424
#   GPSampler, 500 pruned:                  0.549 0.715 0.603 0.545 0.424
#   GPSampler, 500 pruned and 9 completed:  0.549 0.715 0.603 0.545 0.424
#   TPESampler, no trials:                  0.549 0.715 0.603 0.545 0.424
#   TPESampler, 500 pruned:                 0.249 0.250 0.249 0.261 0.234
#   TPESampler, 500 pruned and 9 completed: 0.257 0.249 0.243 0.261 0.238
#   GPSampler, 500 pruned and 10 completed: asks for torch, to fit its model
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys

import optuna
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
SPACE = {"x": optuna.distributions.FloatDistribution(0, 1)}


def add_trials(study, state, number):
    """Add trials spread evenly over x, whose value and one report are the distance from 0.25, squared."""
    for index in range(number):
        x = (index + 0.5) / number
        value = (x - 0.25) ** 2
        study.add_trial(
            optuna.trial.create_trial(
                state=state, params={"x": x}, distributions=SPACE, value=value, intermediate_values={1: value}
            )
        )


def proposals(make, pruned, completed):
    study = optuna.create_study(sampler=make(seed=0))
    add_trials(study, TrialState.PRUNED, pruned)
    add_trials(study, TrialState.COMPLETE, completed)
    return [study.ask(SPACE).params["x"] for _ in range(5)]


found = {}
for make in (optuna.samplers.GPSampler, optuna.samplers.TPESampler):
    for text, pruned, completed in (("no trials", 0, 0), ("500 pruned", 500, 0), ("500 pruned and 9 completed", 500, 9)):
        points = found[make.__name__, pruned, completed] = proposals(make, pruned, completed)
        print(f"{make.__name__ + ', ' + text + ':':39}", *(f"{x:.3f}" for x in points))
try:
    proposals(optuna.samplers.GPSampler, 500, 10)
except ModuleNotFoundError as error:
    print(f"GPSampler, 500 pruned and 10 completed: asks for {error.name}, to fit its model")
else:
    sys.exit("changed: GPSampler's startup lasts longer than ten completed trials")
empty = found["GPSampler", 0, 0]
if found["GPSampler", 500, 0] != empty or found["GPSampler", 500, 9] != empty:
    sys.exit("changed: GPSampler takes notice of pruned trials")
if any(abs(x - 0.25) > 0.1 for x in found["TPESampler", 500, 0]):
    sys.exit("changed: TPESampler no longer learns from pruned trials")
PY
