#!/usr/bin/env bash
# Optuna's SuccessiveHalvingPruner takes no notice of trials that reported without asking should_prune().
#
# Versions: optuna 5.0.0, numpy 2.4.6, Python 3.11.
#
# What one would guess: the docstring of optuna.pruners.SuccessiveHalvingPruner says that a trial goes on only if its value is
# in the top fraction of all trials that have reached the rung. So a bad trial is stopped where twenty good ones have
# reported values at that step. MedianPruner does so.
#
# What it does: the pruner compares with what should_prune() itself wrote into the trials' system attributes, as a side effect
# of the question. Reported values that nobody asked about do not count: those of trials that were never to be pruned (a
# baseline, a run by hand), or that add_trial() brought from elsewhere. The first trial that asks has no rival and goes on.
#
# Output seen, whether the bad trial is stopped:
#   SuccessiveHalvingPruner: True when the good trials had asked, False when they only reported, False when added
#   MedianPruner: True when the good trials had asked, True when they only reported, True when added
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


def good_trial(study, how):
    """Add a trial of four steps that ends with 0.9."""
    if how == "added":
        values = dict.fromkeys(range(1, 5), 0.9)
        study.add_trial(optuna.trial.create_trial(value=0.9, intermediate_values=values))
        return
    trial = study.ask()
    for step in range(1, 5):
        trial.report(0.9, step)
        if how == "asked":
            trial.should_prune()
    study.tell(trial, 0.9)


def bad_one_is_stopped(pruner, how):
    study = optuna.create_study(direction="maximize", pruner=pruner)
    for _ in range(20):
        good_trial(study, how)
    bad = study.ask()
    bad.report(0.1, 1)
    return bool(bad.should_prune())


found = {}
for name, make in (
    ("SuccessiveHalvingPruner", lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)),
    ("MedianPruner", optuna.pruners.MedianPruner),
):
    asked, reported, added = found[name] = [bad_one_is_stopped(make(), how) for how in ("asked", "reported", "added")]
    print(f"{name}: {asked} when the good trials had asked, {reported} when they only reported, {added} when added")
if found != {"SuccessiveHalvingPruner": [True, False, False], "MedianPruner": [True, True, True]}:
    sys.exit("changed: another choice of rivals")
PY
