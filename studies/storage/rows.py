"""Optuna's trials out of the rows of its tables, in plain SQL: an object for each row would cost too much."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.storages._rdb import models as optuna_tables
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.studies.storage.transaction import Transaction, moment

VALUES, PARAMS, REPORTS = "trial_values", "trial_params", "trial_intermediate_values"
USER, SYSTEM = "trial_user_attributes", "trial_system_attributes"

COLUMNS = {
    VALUES: ("objective", "value", "value_type"),
    PARAMS: ("param_id", "param_name", "param_value", "distribution_json"),
    REPORTS: ("step", "intermediate_value", "intermediate_value_type"),
    USER: ("key", "value_json"),
    SYSTEM: ("key", "value_json"),
}
_IS_NEW_OR_KNOWN = "study_id = :study AND (trial_id > :after OR trial_id IN :known)"
_SERVER_TIME = "SELECT clock_timestamp()"
_TRIAL = "SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials"
_ONE = f"{_TRIAL} WHERE trial_id = :trial"
_NEW_OR_KNOWN = f"{_TRIAL} WHERE {_IS_NEW_OR_KNOWN} ORDER BY trial_id"
# How a parameter was distributed in a trial of the same study.
DISTRIBUTION = (
    "SELECT distribution_json FROM trial_params JOIN trials ON trials.trial_id = trial_params.trial_id"
    " WHERE study_id = (SELECT study_id FROM trials WHERE trial_id = :trial) AND param_name = :name LIMIT 1"
)
_DETAILS = {
    table: f"SELECT trial_id, {', '.join(names)} FROM {table} WHERE trial_id"  # noqa: S608 - of our own names
    for table, names in COLUMNS.items()
}
_DETAILS_OF_ONE = {table: f"{query} = :trial" for table, query in _DETAILS.items()}
_DETAILS_OF_MANY = {
    table: f"{query} IN (SELECT trial_id FROM trials WHERE {_IS_NEW_OR_KNOWN})"  # noqa: S608
    for table, query in _DETAILS.items()
}


def utc_now(connection: Transaction) -> datetime:
    """Return the time by the server's clock, for a file by this machine's."""
    if connection.database != "postgresql":
        return datetime.now(UTC).replace(tzinfo=None)
    now: datetime = connection.scalar(_SERVER_TIME)
    return now.astimezone(UTC).replace(tzinfo=None)


def trial_of(connection: Transaction, trial_id: int) -> FrozenTrial:
    """Return one trial. Raises KeyError where there is none."""
    found = _with_details(connection, connection.execute(_ONE, {"trial": trial_id}), {})
    if not found:
        raise KeyError(optuna_tables.NOT_FOUND_MSG)
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
    model = optuna_tables.TrialValueModel
    value_of, kinds = model.stored_repr_to_value, model.TrialValueType
    values: dict[int, list[float]] = defaultdict(list)
    for key, _, value, kind in sorted(rows, key=lambda row: row[:2]):  # by trial and objective
        values[key].append(value_of(value, kinds[kind]))
    return values


def _reports(rows: Iterable[Any]) -> dict[int, dict[int, float]]:
    model = optuna_tables.TrialIntermediateValueModel
    value_of, kinds = model.stored_repr_to_intermediate_value, model.TrialIntermediateValueType
    reports: dict[int, dict[int, float]] = defaultdict(dict)
    for key, step, value, kind in rows:
        reports[key][step] = value_of(value, kinds[kind])
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


def _local(utc: datetime | None) -> datetime | None:
    """Naive UTC, as the tables have it, in naive local time, as Optuna gives it."""
    return None if utc is None else utc.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
