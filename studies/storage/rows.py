"""Optuna's trials out of the rows of its tables, in plain SQL: an object for each row would cost too much."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.studies.storage.transaction import Transaction, moment

NOT_FOUND = "Record does not exist."  # as Optuna says it

VALUES, PARAMS, REPORTS = "trial_values", "trial_params", "trial_intermediate_values"
USER, SYSTEM = "trial_user_attributes", "trial_system_attributes"

COLUMNS = {
    VALUES: ("objective", "value", "value_type"),
    PARAMS: ("param_id", "param_name", "param_value", "distribution_json"),
    REPORTS: ("step", "intermediate_value", "intermediate_value_type"),
    USER: ("key", "value_json"),
    SYSTEM: ("key", "value_json"),
}
# What stands in place of numbers that a database may not hold.
_NUMBERS = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
_IS_NEW_OR_KNOWN = "study_id = :study AND (trial_id > :after OR trial_id IN :known)"
_TRIAL = "SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials"
_ONE = f"{_TRIAL} WHERE trial_id = :trial"
_NEW_OR_KNOWN = f"{_TRIAL} WHERE {_IS_NEW_OR_KNOWN} ORDER BY trial_id"
_DETAILS = {
    table: f"SELECT trial_id, {', '.join(names)} FROM {table} WHERE trial_id"  # noqa: S608 - of our own names
    for table, names in COLUMNS.items()
}
_DETAILS_OF_ONE = {table: f"{query} = :trial" for table, query in _DETAILS.items()}
_DETAILS_OF_MANY = {
    table: f"{query} IN (SELECT trial_id FROM trials WHERE {_IS_NEW_OR_KNOWN})"  # noqa: S608
    for table, query in _DETAILS.items()
}


def trial_of(connection: Transaction, trial_id: int) -> FrozenTrial:
    """Return one trial. Raises KeyError where there is none."""
    found = _with_details(connection, connection.execute(_ONE, {"trial": trial_id}), {})
    if not found:
        raise KeyError(NOT_FOUND)
    return found[0]


def trials_of(connection: Transaction, study_id: int, after: int, known: list[int]) -> list[FrozenTrial]:
    """Return a study's trials of an id above `after` and the known ones, by id."""
    found = connection.execute(_NEW_OR_KNOWN, {"study": study_id, "after": after, "known": known})
    return _with_details(connection, found, {"study": study_id, "after": after, "known": known})


def _with_details(connection: Transaction, found: list[Any], where: dict[str, Any]) -> list[FrozenTrial]:
    """Return trials, given their rows; where: the parameters by which all of them are selected."""
    if not found:
        return []
    if len(found) == 1:
        details, where = _DETAILS_OF_ONE, {"trial": found[0][0]}
    else:
        details = _DETAILS_OF_MANY

    def rows(table: str) -> list[Any]:
        return connection.execute(details[table], where)

    values, reports = _values(rows(VALUES)), _reports(rows(REPORTS))
    params, spaces = _params(rows(PARAMS))
    users, systems = _attributes(rows(USER)), _attributes(rows(SYSTEM))
    return [
        FrozenTrial(
            trial_id=key,
            number=number,
            state=TrialState[state],
            value=None,
            values=values.get(key),
            datetime_start=_local(moment(start)),
            datetime_complete=_local(moment(complete)),
            params=params.get(key, {}),
            distributions=spaces.get(key, {}),
            user_attrs=users.get(key, {}),
            system_attrs=systems.get(key, {}),
            intermediate_values=reports.get(key, {}),
        )
        for key, number, state, start, complete in found
    ]


def _values(rows: Iterable[Any]) -> dict[int, list[float]]:
    values: dict[int, list[float]] = defaultdict(list)
    for key, _, value, kind in sorted(rows, key=lambda row: row[:2]):  # by trial and objective
        values[key].append(_NUMBERS.get(kind, value))
    return values


def _reports(rows: Iterable[Any]) -> dict[int, dict[int, float]]:
    reports: dict[int, dict[int, float]] = defaultdict(dict)
    for key, step, value, kind in rows:
        reports[key][step] = _NUMBERS.get(kind, value)
    return reports


def _params(rows: Iterable[Any]) -> tuple[dict[int, dict[str, Any]], dict[int, dict[str, Any]]]:
    distribution_of = cache(json_to_distribution)
    params: dict[int, dict[str, Any]] = defaultdict(dict)
    spaces: dict[int, dict[str, Any]] = defaultdict(dict)
    for key, _, name, value, document in sorted(rows, key=lambda row: row[1]):
        spaces[key][name] = distribution_of(document)
        params[key][name] = spaces[key][name].to_external_repr(value)
    return params, spaces


def _attributes(rows: Iterable[Any]) -> dict[int, dict[str, Any]]:
    attributes: dict[int, dict[str, Any]] = defaultdict(dict)
    for key, name, value in rows:
        attributes[key][name] = json.loads(value)
    return attributes


def stored(value: float) -> tuple[float | None, str]:
    """Return a number as the tables have it: the number and its kind."""
    if math.isfinite(value):
        return value, "FINITE"
    return None, "NAN" if math.isnan(value) else "INF_POS" if value > 0 else "INF_NEG"


def to_utc(local: datetime | None) -> datetime | None:
    """Naive local time, as Optuna gives it, in naive UTC, as the tables have it."""
    return None if local is None else local.astimezone(UTC).replace(tzinfo=None)


def _local(utc: datetime | None) -> datetime | None:
    """Naive UTC, as the tables have it, in naive local time, as Optuna gives it."""
    return None if utc is None else utc.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
