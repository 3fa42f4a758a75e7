"""What a study's next trial tries: one of the specification's starts, a planned run, or what its sampler says."""

from collections import Counter

from optuna.trial import FrozenTrial, TrialState, create_trial

from search.waiting import FIXED, OF_TRIAL, RUN
from studies.record import PLANNED_SEED, PlannedRun, StudyRecord
from studies.spec import StudySpec

START = "start"  # the attribute of a trial that says which of the specification's starts it tries
MAX_START_TRIALS = 2  # that fail, of one start: it may be what fails, and shall not hold up all others


def start_of(trial: FrozenTrial, spec: StudySpec) -> int | None:
    """Return which of the specification's starts a trial tries, None where it is none."""
    # Older versions gave each start to the trial of its number.
    start = trial.user_attrs.get(START, trial.number)
    is_start = type(start) is int and 0 <= start < len(spec.start)
    return start if is_start and trial.system_attrs.get(FIXED) == spec.start[start] else None


def next_trial(record: StudyRecord, plan: list[PlannedRun] | None) -> FrozenTrial:
    """Return the trial to be added. A start or run whose trial failed comes again.

    plan: the study's, of which a run must be left.
    """
    everybodys = record.storage.optuna.get_all_trials(record.study_id, deepcopy=False)
    trials = [trial for trial in everybodys if trial.state == TrialState.WAITING or record.own.has(trial)]
    if plan is not None:
        return _planned(trials, plan)
    start = _missing_start(trials, record)
    if start is None:
        return create_trial(state=TrialState.WAITING)
    return create_trial(
        state=TrialState.WAITING,
        system_attrs={FIXED: record.spec.start[start]},
        user_attrs={START: start},
    )


def _planned(trials: list[FrozenTrial], plan: list[PlannedRun]) -> FrozenTrial:
    """The first run that no trial does or did."""
    done = {trial.user_attrs.get(RUN) for trial in trials if trial.state != TrialState.FAIL}
    index, run = next((index, run) for index, run in enumerate(plan) if index not in done)
    return create_trial(
        state=TrialState.WAITING,
        system_attrs={FIXED: run.params},
        user_attrs={RUN: index, OF_TRIAL: run.trial, PLANNED_SEED: run.seed},
    )


def _missing_start(trials: list[FrozenTrial], record: StudyRecord) -> int | None:
    """The first start that no trial tries or tried, but those that failed too often since the last resumption."""
    starts = [(start_of(trial, record.spec), trial) for trial in trials]
    tried = {start for start, trial in starts if trial.state != TrialState.FAIL}
    since = record.resumed_at
    failed = Counter(start for start, trial in starts if start not in tried and trial.number >= since)
    left = (start for start in range(len(record.spec.start)) if start not in tried)
    return next((start for start in left if failed[start] < MAX_START_TRIALS), None)
