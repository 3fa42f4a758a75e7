"""Whether a trial that waits may be trained: somebody may have queued it with Optuna, which checks nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from optuna.distributions import check_distribution_compatibility
from optuna.trial import FrozenTrial

from mlpsearch.models.config import TYPES
from mlpsearch.search.strategy.points import FIXED
from mlpsearch.search.trials.planned_runs import run_of
from mlpsearch.studies.record import OF_TRIAL, PLANNED_FOLD, PLANNED_SEED, PlannedRun
from mlpsearch.studies.spec.dimensions import as_float, extent, fits, inside
from mlpsearch.studies.spec.messages import key_path, nearest, show
from mlpsearch.studies.spec.space import distributions
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.ownership import Ownership
from mlpsearch.studies.storage.spans import EARLIER

# Attributes that only mlpsearch may set.
_OURS = (PLANNED_SEED, PLANNED_FOLD, OF_TRIAL, EARLIER, "failures", "deaths")


def misfit(trial: FrozenTrial, spec: StudySpec, plan: list[PlannedRun] | None, own: Ownership) -> str | None:
    """Return why a WAITING trial cannot be one of the study's, in a sentence; None where it can.

    Some of the searched fields may be given; the others will be sampled.  plan: of a confirmation.
    """
    if plan is not None:
        return None if _is_planned(trial, plan) else "a confirmation trains the runs of its plan only"
    return next(_mistakes(trial, spec, own), None)


def is_whole(params: Mapping[str, Any], spec: StudySpec) -> bool:
    """Whether a trial has a value for each searched field, from its range or choices, and no other."""
    return params.keys() == spec.search.keys() and not any(_wrong(name, params[name], spec) for name in params)


def _is_planned(trial: FrozenTrial, plan: list[PlannedRun]) -> bool:
    key, params = run_of(trial), trial.system_attrs.get(FIXED)
    fold = trial.user_attrs.get(PLANNED_FOLD)
    return any((run.key, run.params, run.fold) == (key, params, fold) for run in plan)


def _mistakes(trial: FrozenTrial, spec: StudySpec, own: Ownership) -> Iterator[str]:
    fixed = trial.system_attrs.get(FIXED, {})
    if not isinstance(fixed, dict):
        yield f"{FIXED} = {show(fixed)}: must be a table of hyperparameters"
        return
    for name, value in [*fixed.items(), *trial.params.items()]:
        if wrong := _wrong(name, value, spec):
            yield wrong
    yield from _of_another_space(trial, spec)
    if not own.has(trial):  # else a worker has begun it
        if trial.intermediate_values:
            yield "it comes with accuracies of epochs that nobody trained here"
        for name in _OURS:
            if name in trial.user_attrs:
                yield f"attribute {name}: is set by mlpsearch alone"


def _wrong(name: str, value: Any, spec: StudySpec) -> str | None:
    """What is wrong with the value of one hyperparameter."""
    key = key_path(name)
    if name not in spec.search:
        return f"{key} = {show(value)}: is not under [search]{nearest(name, spec.search)}"
    if isinstance(value, float) and TYPES[name] is int and value.is_integer():
        value = int(value)  # as Optuna would
    is_single = isinstance(value, bool | int | float | str)
    if is_single and fits(name, value) and inside(spec.search[name], as_float(name, value)):
        return None
    return f"{key} = {show(value)}: must be {extent(spec.search[name])}, as search.{name} says"


def _of_another_space(trial: FrozenTrial, spec: StudySpec) -> Iterator[str]:
    """Values that a trial has already must come from the study's own distributions."""
    space = distributions(spec)
    for name, distribution in trial.distributions.items():
        try:
            check_distribution_compatibility(distribution, space[name])
        except (KeyError, ValueError):
            yield f"{key_path(name)}: comes from another range or other choices than search.{name}"
