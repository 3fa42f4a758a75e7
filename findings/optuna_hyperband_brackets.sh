#!/usr/bin/env bash
# Optuna's TPE under HyperbandPruner models the trials of all brackets, not those of its own.
#
# Versions: optuna 5.0.0, numpy 2.4.6, Python 3.11.
#
# What one would guess: the docstring of optuna.pruners.HyperbandPruner says that trials are collected by bracket, that each
# bracket needs more than 10 trials before TPE adapts, and that four brackets so take at least 4 x 10 trials for startup.
#
# What it does: the sampler is given a study whose public get_trials() holds its own bracket alone. But TPESampler asks
# the private _get_trials(), which the bracket's study leaves as it is, so that it holds all trials. TPE begins at the
# eleventh trial of the study, as without Hyperband, while its bracket has ended four trials.
#
# Output seen:
#   HyperbandPruner: 4 brackets; TPE begins at trial 10, when its bracket has ended 4 trials
#   HyperbandPruner: of 30 trials that TPE modelled, 15 came when their bracket had ended fewer than 10
#   NopPruner: TPE begins at trial 10, when the study has ended 10 trials
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0 numpy==2.4.6
"$folder/venv/bin/python" -I - <<'PY'
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Watched(optuna.samplers.TPESampler):
    """TPE with its default of 10 startup trials; notes what the study it is given shows, and whether it models."""

    def __init__(self):
        super().__init__(seed=0)
        self.seen = []

    def sample_relative(self, study, trial, search_space):
        params = super().sample_relative(study, trial, search_space)
        ended = sum(t.state.is_finished() for t in study.get_trials(deepcopy=False))
        if params:  # empty during startup
            self.seen.append((trial.number, ended))
        return params


def objective(trial):
    value = trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1)
    for step in range(1, 28):
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def modelled(pruner):
    sampler = Watched()
    optuna.create_study(study_name="study", sampler=sampler, pruner=pruner).optimize(objective, n_trials=40)
    return sampler.seen


seen = modelled(optuna.pruners.HyperbandPruner(min_resource=1, max_resource=27, reduction_factor=3))
early = sum(ended < 10 for _, ended in seen)
print(f"HyperbandPruner: 4 brackets; TPE begins at trial {seen[0][0]}, when its bracket has ended {seen[0][1]} trials")
print(f"HyperbandPruner: of {len(seen)} trials that TPE modelled, {early} came when their bracket had ended fewer than 10")
plain = modelled(optuna.pruners.NopPruner())
print(f"NopPruner: TPE begins at trial {plain[0][0]}, when the study has ended {plain[0][1]} trials")
if seen[0][0] != 10 or seen[0][1] >= 10 or plain[0] != (10, 10):
    sys.exit("changed: TPE no longer begins by the trials of all brackets")
PY
