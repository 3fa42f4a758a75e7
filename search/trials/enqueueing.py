"""Points of the user's own, added to a study at any time: the next free worker takes them."""

import secrets
import sys
from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models.config import TYPES
from mlpsearch.models.errors import StudyError
from mlpsearch.search.strategy.points import FIXED, first_untried, given, tried
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.planned_runs import own_or_waiting
from mlpsearch.search.trials.room import counting
from mlpsearch.search.trials.waiting import misfit
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.dimensions import Value, as_float
from mlpsearch.studies.spec.space import distributions

# The system attribute of a trial that tells one call from another, whose answer may get lost.
ENQUEUED = "mlpsearch:enqueued"
_ANY_NUMBER = sys.maxsize  # of trials: one that the budget has no room for waits until it is larger


class _AddedBefore(Exception):  # noqa: N818 - an event, not a mistake
    """The trial is there: it was added, and the answer got lost."""


def enqueue(record: StudyRecord, values: Mapping[str, Value]) -> int:
    """Add a trial that waits to try these values, in one transaction; return its number.

    values: of searched fields; what they leave out is sampled when a worker takes the trial.
    In a grid what they leave out is that of the first point that was not tried.
    Raises StudyError for a field that is not searched, for a value outside its range or choices, and for a whole
    point that a trial of the study has, unless that failed, or a starting point.
    """
    mark, numbers = secrets.token_hex(8), list[int]()
    params = {name: _of_its_type(name, value) for name, value in values.items()}
    trial = create_trial(state=TrialState.WAITING, system_attrs={FIXED: params, ENQUEUED: mark})
    if wrong := misfit(trial, record.spec, None, record.own):
        raise StudyError(f"study {record.name}: {wrong}", study=record.name)

    def template(number: int) -> FrozenTrial:
        numbers.append(number)
        trials = own_or_waiting(record)
        for other in trials:
            if other.system_attrs.get(ENQUEUED) == mark:
                numbers.append(other.number)
                raise _AddedBefore
        _refuse_twin(record, params, trials)
        if record.spec.sampler == "grid":
            trial.system_attrs[FIXED] = _of_grid(record, params)
        return trial

    try:
        record.storage.optuna.add_trial(record.study_id, _ANY_NUMBER, template, record.own)
    except _AddedBefore:
        pass
    except KeyError:
        record.attributes()  # says that the study was deleted
        raise
    return numbers[-1]


def _of_its_type(name: str, value: Value) -> Value:
    """A whole number of a field of floats as a float, and 4.0 as 4 where the field is one of whole numbers."""
    if TYPES.get(name) is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return as_float(name, value)


def _refuse_twin(record: StudyRecord, params: Mapping[str, Any], trials: list[FrozenTrial]) -> None:
    """Raise StudyError where the study has this point, all its values given, already."""
    for start, point in enumerate(record.starts, 1):
        if point.params == params:
            raise StudyError(f"study {record.name}: its starting point {start} is this point", study=record.name)
    if params.keys() != record.spec.search.keys():
        return
    for trial in trials:
        if trial.state != TrialState.FAIL and given(trial) == params:
            raise StudyError(
                f"study {record.name}: trial {trial.number} has this point",
                study=record.name,
                trial=trial.number,
            )


def _of_grid(record: StudyRecord, params: Mapping[str, Any]) -> dict[str, Any]:
    space = distributions(record.spec)
    values = first_untried(space, tried(counting(record), space), params)
    if values is None:
        raise StudyError(
            f"study {record.name}: each point of the grid with these values has a trial", study=record.name
        )
    return values


def why_it_waits(record: StudyRecord, number: int) -> str:
    """Return why no worker can take the trial of that number now, with what helps; empty where one can, or has."""
    counts, budget, ledger = record.counts, record.budget, Ledger(record)
    has_room = number in {key.number for key in counts.waiting(budget.trials)}
    if number not in {key.number for key in counts.in_state(TrialState.WAITING)}:  # looked at last: it was taken
        return ""
    if not has_room:
        more = record.command("submit", "--trials", str(counts.begun()))
        return f"its budget of {budget.trials} trials has no room left; `{more}` makes it larger"
    if (limit := ledger.limit()) is not None:
        return f"its budget.{limit} is used up; a study file with a larger one lets it go on"
    return f"it is stopped; `{record.command('resume')}` goes on" if ledger.is_stopped() else ""
