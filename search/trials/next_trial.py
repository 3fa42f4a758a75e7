"""What a study's next trial tries: a start, a planned run, a point of the grid, or what its sampler says."""

from collections import Counter
from collections.abc import Iterator, Sequence

from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.search.strategy.points import FIXED, first_untried, tried
from mlpsearch.search.trials.planned_runs import PlannedRuns
from mlpsearch.search.trials.room import counting
from mlpsearch.studies.record import OF_TRIAL, PLANNED_FOLD, PLANNED_SEED, StudyRecord
from mlpsearch.studies.spec.space import distributions
from mlpsearch.studies.spec.starting_points import StartPoint

START = "start"  # the attribute of a trial that says which of the study's starting points it tries
GRID = "mlpsearch:grid"  # the system attribute of a trial whose point is the next one of the grid
MAX_START_TRIALS = 2  # that fail, of one start: it may be what fails, and shall not hold up all others


def start_of(trial: FrozenTrial, starts: Sequence[StartPoint]) -> int | None:
    """Return which of the study's starting points a trial tries, None where it is none."""
    # Older versions gave each start to the trial of its number.
    start = trial.user_attrs.get(START, trial.number)
    if not (type(start) is int and 0 <= start < len(starts)):
        return None
    fixed, params = trial.system_attrs.get(FIXED), starts[start].params
    if START in trial.user_attrs and isinstance(fixed, dict):  # in a grid it has values of all fields
        fixed = {name: value for name, value in fixed.items() if name in params}
    return start if fixed == params else None


def origin_of(trial: FrozenTrial, starts: Sequence[StartPoint]) -> str:
    """Return where a trial's point is from: "sampler", the origin of a starting point, or "queue"."""
    start = start_of(trial, starts)
    if start is not None:
        return starts[start].origin
    return "queue" if trial.system_attrs.get(FIXED) and GRID not in trial.system_attrs else "sampler"


class NothingMissing(Exception):  # noqa: N818 - an event, not a mistake
    """Every planned run, or point of the grid, has a trial."""


def next_trial(record: StudyRecord, planned: PlannedRuns | None) -> FrozenTrial:
    """Return the trial to be added. A start or run whose trial failed comes again.

    planned: the study's runs, where it is a confirmation. Raises NothingMissing where none of them lacks a trial,
    and where no point of a grid does.
    """
    if planned is not None:
        return _planned(planned)
    trials = counting(record)
    starts = _missing_starts(trials, record)
    if record.spec.sampler == "grid":
        return _next_of_grid(record, trials, starts)
    start = next(starts, None)
    if start is None:
        return create_trial(state=TrialState.WAITING)
    return create_trial(
        state=TrialState.WAITING,
        system_attrs={FIXED: record.starts[start].params},
        user_attrs={START: start},
    )


def _next_of_grid(record: StudyRecord, trials: list[FrozenTrial], starts: Iterator[int]) -> FrozenTrial:
    """The first point that was not tried, of those with a start's values as long as there are such."""
    space = distributions(record.spec)
    taken = tried(trials, space)
    for start in (*starts, None):
        values = first_untried(space, taken, {} if start is None else record.starts[start].params)
        if values is not None:
            return create_trial(
                state=TrialState.WAITING,
                system_attrs={FIXED: values} | ({GRID: True} if start is None else {}),
                user_attrs={} if start is None else {START: start},
            )
    raise NothingMissing


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


def _missing_starts(trials: list[FrozenTrial], record: StudyRecord) -> Iterator[int]:
    """The starts that no trial tries or tried, but those that failed too often.

    trials: those that failed before the last resumption left out.
    """
    starts = [(start_of(trial, record.starts), trial) for trial in trials]
    begun = {start for start, trial in starts if trial.state != TrialState.FAIL}
    failed = Counter(start for start, _ in starts if start not in begun)
    left = (start for start in range(len(record.starts)) if start not in begun)
    return (start for start in left if failed[start] < MAX_START_TRIALS)
