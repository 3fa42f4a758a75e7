"""How many trials a study has room for: those of its budget, in a small space one a point."""

import math

from optuna.trial import FrozenTrial, TrialState

from mlpsearch.search.strategy.points import given, point_of, size, tried
from mlpsearch.search.trials.planned_runs import own_or_waiting
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.space import distributions


def most_trials(record: StudyRecord) -> int:
    """Return how many trials, but those that fail, a study can have in all.

    No point is tried twice, so a space of fewer points than the budget has trials is used up before it. A point
    that was queued twice makes room for one trial more, one that failed too often for one less.
    """
    most, space = record.budget.trials, distributions(record.spec)
    points = size(space)
    if points == math.inf or points - record.counts.by_state()[TrialState.FAIL] >= most:  # no need to look at them
        return most
    trials = counting(record)
    alive = [point_of(given(trial), space) for trial in trials if trial.state != TrialState.FAIL]
    known = [point for point in alive if point is not None]
    hopeless = len(tried(trials, space).keys() - set(known))
    repeats = len(known) - len(set(known))
    return min(most, int(points) - hopeless + repeats)


def counting(record: StudyRecord) -> list[FrozenTrial]:
    """Return a study's own trials and all that wait, but those that failed before somebody went on with it."""
    since = record.resumed_at
    return [trial for trial in own_or_waiting(record) if trial.state != TrialState.FAIL or trial.number >= since]
