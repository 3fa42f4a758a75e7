"""Trials in Optuna's tables, in plain SQL: added and changed, within a transaction that locks them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.studies.storage.ownership import Ownership
from mlpsearch.studies.storage.rows import (
    COLUMNS,
    NOT_FOUND,
    PARAMS,
    REPORTS,
    SYSTEM,
    USER,
    VALUES,
    stored,
    to_utc,
    trial_of,
)
from mlpsearch.studies.storage.spans import EARLIER, fell_silent, last_seen, to_json
from mlpsearch.studies.storage.study_rows import lock
from mlpsearch.studies.storage.transaction import Transaction, moment, utc_now

_LOCKED_STATE = "SELECT state FROM trials WHERE trial_id = :trial FOR UPDATE"
_START = "SELECT datetime_start FROM trials WHERE trial_id = :trial"
_HEARTBEAT = "SELECT heartbeat FROM trial_heartbeats WHERE trial_id = :trial"
_BEAT = (
    "INSERT INTO trial_heartbeats (trial_id, heartbeat)"
    " SELECT trial_id, CURRENT_TIMESTAMP FROM trials WHERE trial_id = :trial"
    " ON CONFLICT (trial_id) DO UPDATE SET heartbeat = CURRENT_TIMESTAMP"
)
_SET_STATE = "UPDATE trials SET state = :state WHERE trial_id = :trial"
_SET_START = "UPDATE trials SET datetime_start = :moment WHERE trial_id = :trial"
_SET_COMPLETE = "UPDATE trials SET datetime_complete = :moment WHERE trial_id = :trial"
_NUMBER = "SELECT COUNT(*) FROM trials WHERE study_id = :study"
_USED = "SELECT COUNT(*) FROM trials WHERE study_id = :study AND state <> 'FAIL' AND (state = 'WAITING' OR {own})"
_ADD = (
    "INSERT INTO trials (study_id, number, state, datetime_start, datetime_complete)"
    " VALUES (:study, :number, :state, :start, :complete)"
)
_ID = "SELECT MAX(trial_id) FROM trials WHERE study_id = :study AND number = :number"
# How a parameter is distributed in the trials of a trial's study.
_DISTRIBUTION = (
    "SELECT distribution_json FROM trial_params JOIN trials ON trials.trial_id = trial_params.trial_id"
    " WHERE study_id = (SELECT study_id FROM trials WHERE trial_id = :trial) AND param_name = :name LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class TrialChange:
    """What a trial becomes. value: of one that ends.

    attributes, system: user and system attributes that it gets besides.
    lost: whether its worker is gone, so that its attempt ended at the last heartbeat, not now.
    """

    state: TrialState
    value: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    system: Mapping[str, Any] = field(default_factory=dict)
    lost: bool = False


# ---- adding ------------------------------------------------------------------------------------------------


def add(connection: Transaction, study_id: int, template: FrozenTrial | None) -> int:
    """Add a trial like the template, or a running one; return its id. Raises KeyError where there is no study."""
    lock(connection, study_id)
    number = connection.scalar(_NUMBER, {"study": study_id}) or 0
    times = {
        "start": to_utc(template.datetime_start) if template else utc_now(connection),
        "complete": to_utc(template.datetime_complete) if template else None,
    }
    state = template.state if template else TrialState.RUNNING
    connection.execute(_ADD, {"study": study_id, "number": number, "state": state.name, **times})
    trial_id = int(connection.scalar(_ID, {"study": study_id, "number": number}))
    if template is not None:
        set_values(connection, trial_id, template.values or ())
        for name, value in template.params.items():
            distribution = template.distributions[name]
            set_param(connection, trial_id, name, distribution.to_internal_repr(value), distribution)
        for step, value in template.intermediate_values.items():
            set_report(connection, trial_id, step, value)
        _set_attributes(connection, trial_id, template.user_attrs, template.system_attrs)
    return trial_id


def add_if_room(
    connection: Transaction,
    study_id: int,
    most: int,
    template_of: Callable[[int], FrozenTrial],
    own: Ownership | None,
) -> bool:
    """Add a trial as `template_of` says of its number, if fewer than `most` take a place in the budget.

    These are all that wait, and of the others its own that did not fail; without `own` all are its own.
    Raises KeyError where there is no such study.
    """
    lock(connection, study_id)
    condition, parameters = ("1 = 1", {}) if own is None else (own.condition, own.parameters)
    used = connection.scalar(_USED.replace("{own}", condition), {"study": study_id, **parameters})
    if used >= most:
        return False
    add(connection, study_id, template_of(connection.scalar(_NUMBER, {"study": study_id})))
    return True


# ---- changing ----------------------------------------------------------------------------------------------


def change(connection: Transaction, trial_id: int, decide: Callable[[FrozenTrial], TrialChange | None]) -> bool:
    """Change a trial as `decide` says of it as it is now; return whether it said anything.

    Raises KeyError where there is no such trial.
    """
    connection.scalar(_LOCKED_STATE, {"trial": trial_id})
    trial = trial_of(connection, trial_id)
    decided = decide(trial)
    if decided is not None:
        _apply(connection, trial, decided)
    return decided is not None


def change_if_unfinished(
    connection: Transaction, trial_id: int, deed: Callable[[Transaction], object]
) -> TrialState:
    """Do this unless the trial has ended; return the state that it had. Raises KeyError where there is none."""
    name = connection.scalar(_LOCKED_STATE, {"trial": trial_id})
    if name is None:
        raise KeyError(NOT_FOUND)
    state = TrialState[name]
    if not state.is_finished():
        deed(connection)
    return state


def set_state(connection: Transaction, trial_id: int, state: TrialState) -> None:
    """Set the state of a trial, and when it began, if it runs now, or ended, if it has."""
    now = {"trial": trial_id, "moment": utc_now(connection)}
    connection.execute(_SET_STATE, {"trial": trial_id, "state": state.name})
    if state == TrialState.RUNNING:
        connection.execute(_SET_START, now)
    if state.is_finished():
        connection.execute(_SET_COMPLETE, now)


def set_values(connection: Transaction, trial_id: int, values: Sequence[float]) -> None:
    """Set what a trial reached, one number for each objective."""
    for objective, value in enumerate(values):
        number, kind = stored(value)
        row = {"trial_id": trial_id, "objective": objective, "value": number, "value_type": kind}
        connection.execute(_upsert_into(VALUES), row)


def set_report(connection: Transaction, trial_id: int, step: int, value: float) -> None:
    """Set what a trial reached at one step."""
    number, kind = stored(value)
    row = {"trial_id": trial_id, "step": step, "intermediate_value": number, "intermediate_value_type": kind}
    connection.execute(_upsert_into(REPORTS), row)


def set_param(
    connection: Transaction, trial_id: int, name: str, value: float, distribution: BaseDistribution
) -> None:
    """Set one parameter of a trial. Raises ValueError where trials of its study have it otherwise distributed."""
    found = connection.scalar(_DISTRIBUTION, {"trial": trial_id, "name": name})
    if found is not None:
        check_distribution_compatibility(json_to_distribution(found), distribution)
    row = {"trial_id": trial_id, "param_name": name, "param_value": value}
    connection.execute(_upsert_into(PARAMS), row | {"distribution_json": distribution_to_json(distribution)})


def set_attribute(connection: Transaction, table: str, trial_id: int, key: str, value: Any) -> None:
    """Set one attribute to a JSON value. table: USER or SYSTEM."""
    connection.execute(_upsert_into(table), {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)})


def beat(connection: Transaction, trial_id: int) -> None:
    """Record that the worker of a trial lives, if there is such a trial."""
    connection.execute(_BEAT, {"trial": trial_id})


def _apply(connection: Transaction, trial: FrozenTrial, change: TrialChange) -> None:
    trial_id = trial._trial_id
    times, spans = _times(connection, trial, change)
    if change.state == TrialState.RUNNING:
        beat(connection, trial_id)
    _set_attributes(connection, trial_id, {**change.attributes, **spans}, change.system)
    if change.value is not None:
        set_values(connection, trial_id, [change.value])
    connection.execute(_SET_STATE, {"trial": trial_id, "state": change.state.name})
    for statement, when in times.items():
        connection.execute(statement, {"trial": trial_id, "moment": when})


def _times(
    connection: Transaction, trial: FrozenTrial, change: TrialChange
) -> tuple[dict[str, datetime], dict[str, Any]]:
    """The times that a change sets, by statement, and the attribute of earlier spans where it adds one."""
    now, times, spans = utc_now(connection), {}, {}
    starts, until = change.state == TrialState.RUNNING, now
    if trial.state == TrialState.RUNNING and trial.datetime_start is not None:
        start = moment(connection.scalar(_START, {"trial": trial._trial_id})) or now
        heartbeat = moment(connection.scalar(_HEARTBEAT, {"trial": trial._trial_id}))
        slept = fell_silent(heartbeat, now) and not change.lost
        until = last_seen(start, heartbeat, now) if slept or change.lost else now
        if slept or change.state == TrialState.WAITING:
            spans[EARLIER] = [*trial.user_attrs.get(EARLIER, []), to_json((start, until))]
        starts = slept
    if starts:
        times[_SET_START] = now
    if change.state.is_finished():
        times[_SET_COMPLETE] = until if change.lost else now
    return times, spans


def _set_attributes(
    connection: Transaction, trial_id: int, user: Mapping[str, Any], system: Mapping[str, Any]
) -> None:
    for table, attributes in ((USER, user), (SYSTEM, system)):
        for key, value in attributes.items():
            set_attribute(connection, table, trial_id, key, value)


@cache
def _upsert_into(table: str) -> str:
    """Return the statement that inserts a row, or updates the one of its trial and step, name or the like."""
    given = ["trial_id", *(name for name in COLUMNS[table] if name != "param_id")]
    key = [name for name in given if name in ("trial_id", "step", "param_name", "key", "objective")]
    changed = ", ".join(f"{name} = excluded.{name}" for name in given if name not in key)
    values = ", ".join(f":{name}" for name in given)
    return (
        f"INSERT INTO {table} ({', '.join(given)}) VALUES ({values})"  # noqa: S608 - of our own names
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
    )
