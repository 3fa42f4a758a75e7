"""What a study's next trial tries: one of its starting points, a planned run, or what its sampler says."""

from collections import Counter
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.search.strategy.points import FIXED
from mlpsearch.search.trials.planned_runs import PlannedRuns, own_or_waiting
from mlpsearch.studies.record import OF_TRIAL, PLANNED_FOLD, PLANNED_SEED, StudyRecord
from mlpsearch.studies.spec.starting_points import StartPoint

START = "start"  # the attribute of a trial that says which of the study's starting points it tries
MAX_START_TRIALS = 2  # that fail, of one start: it may be what fails, and shall not hold up all others


def start_of(trial: FrozenTrial, starts: Sequence[StartPoint]) -> int | None:
    """Return which of the study's starting points a trial tries, None where it is none."""
    # Older versions gave each start to the trial of its number.
    start = trial.user_attrs.get(START, trial.number)
    is_start = type(start) is int and 0 <= start < len(starts)
    return start if is_start and trial.system_attrs.get(FIXED) == starts[start].params else None


def origin_of(trial: FrozenTrial, starts: Sequence[StartPoint]) -> str:
    """Return where a trial's point is from: "sampler", the origin of a starting point, or "queue"."""
    start = start_of(trial, starts)
    if start is not None:
        return starts[start].origin
    return "queue" if trial.system_attrs.get(FIXED) else "sampler"


class NothingMissing(Exception):  # noqa: N818 - an event, not a mistake
    """Every planned run has a trial."""


def next_trial(record: StudyRecord, planned: PlannedRuns | None) -> FrozenTrial:
    """Return the trial to be added. A start or run whose trial failed comes again.

    planned: the study's runs, where it is a confirmation. Raises NothingMissing where none of them lacks a trial.
    """
    if planned is not None:
        return _planned(planned)
    start = _missing_start(own_or_waiting(record), record)
    if start is None:
        return create_trial(state=TrialState.WAITING)
    return create_trial(
        state=TrialState.WAITING,
        system_attrs={FIXED: record.starts[start].params},
        user_attrs={START: start},
    )


def _planned(runs: PlannedRuns) -> FrozenTrial:
    run = next(iter(runs.missing()), None)
    if run is None:
        raise NothingMissing
    return create_trial(
        state=TrialState.WAITING,
        system_attrs={FIXED: run.params},
        user_attrs={OF_TRIAL: run.trial, PLANNED_SEED: run.seed}
        | ({} if run.fold is None else {PLANNED_FOLD: run.fold}),
    )


def _missing_start(trials: list[FrozenTrial], record: StudyRecord) -> int | None:
    """The first start that no trial tries or tried, but those that failed too often since the last resumption."""
    starts = [(start_of(trial, record.starts), trial) for trial in trials]
    tried = {start for start, trial in starts if trial.state != TrialState.FAIL}
    since = record.resumed_at
    failed = Counter(start for start, trial in starts if start not in tried and trial.number >= since)
    left = (start for start in range(len(record.starts)) if start not in tried)
    return next((start for start in left if failed[start] < MAX_START_TRIALS), None)
