"""Which trials are ended early: the pruner that a specification names."""

import copy

from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.trial import Trial

from mlpsearch.search.strategy.halving import HalvingPruner, first_rung
from mlpsearch.search.strategy.own_study import OwnHyperband
from mlpsearch.studies.spec.study import StudySpec


def make_pruner(spec: StudySpec) -> BasePruner:
    """The pruner of a study; trials report the study's metric after epoch n as step n, counted from 1."""
    epochs = spec.budget.epochs
    if spec.pruner == "none":
        return NopPruner()
    if spec.pruner == "hyperband":
        return OwnHyperband(min_resource=min(first_rung(epochs), epochs), max_resource=epochs, reduction_factor=3)
    if spec.pruner == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=max(2, round(epochs / 10)))
    return HalvingPruner(epochs, leader=spec.pruner == "leader")


def pruned_when_asked_again(trial: Trial) -> bool:
    """The pruner's answer for the epoch a trial reported last, though it may have been asked about it before.

    Optuna's Hyperband notes the rung a trial has reached before it answers, and takes a trial that was cut off
    in between for one that passed. So it is shown the trial without that rung.
    """
    frozen = copy.deepcopy(trial.storage.get_trial(trial._trial_id))
    rungs = [key for key in frozen.system_attrs if key.startswith("completed_rung_")]
    newest = max(rungs, key=lambda key: int(key.rpartition("_")[2]), default=None)
    last = frozen.intermediate_values[max(frozen.intermediate_values)]
    if newest is not None and frozen.system_attrs[newest] == last:
        del frozen.system_attrs[newest]
    return trial.study.pruner.prune(trial.study, frozen)
