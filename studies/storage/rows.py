"""Optuna's trials out of the rows of its tables, in plain SQL: an object for each row would cost too much."""

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

from optuna.distributions import json_to_distribution
from optuna.storages._rdb import models as optuna_tables
from optuna.trial import FrozenTrial
from sqlalchemy import Connection, Executable, Table, and_, bindparam, or_, select, text

TRIALS: Table = optuna_tables.TrialModel.__table__
VALUES: Table = optuna_tables.TrialValueModel.__table__
PARAMS: Table = optuna_tables.TrialParamModel.__table__
REPORTS: Table = optuna_tables.TrialIntermediateValueModel.__table__
USER: Table = optuna_tables.TrialUserAttributeModel.__table__
SYSTEM: Table = optuna_tables.TrialSystemAttributeModel.__table__

# Statements are built once: SQLAlchemy takes longer to build one than SQLite to answer it.
COLUMNS = {
    VALUES: ("objective", "value", "value_type"),
    PARAMS: ("param_id", "param_name", "param_value", "distribution_json"),
    REPORTS: ("step", "intermediate_value", "intermediate_value_type"),
    USER: ("key", "value_json"),
    SYSTEM: ("key", "value_json"),
}
_TRIAL = select(
    *(TRIALS.c[name] for name in ("trial_id", "number", "state", "datetime_start", "datetime_complete"))
)
_IS_NEW_OR_KNOWN = and_(
    TRIALS.c.study_id == bindparam("study"),
    or_(TRIALS.c.trial_id > bindparam("after"), TRIALS.c.trial_id.in_(bindparam("known", expanding=True))),
)
_SERVER_TIME = text("SELECT clock_timestamp()")
_ONE = _TRIAL.where(TRIALS.c.trial_id == bindparam("trial"))
_NEW_OR_KNOWN = _TRIAL.where(_IS_NEW_OR_KNOWN).order_by(TRIALS.c.trial_id)
# How a parameter was distributed in a trial of the same study.
_OF_THIS_STUDY = select(TRIALS.c.study_id).where(TRIALS.c.trial_id == bindparam("trial")).scalar_subquery()
DISTRIBUTION = (
    select(PARAMS.c.distribution_json)
    .join(TRIALS, TRIALS.c.trial_id == PARAMS.c.trial_id)
    .where(TRIALS.c.study_id == _OF_THIS_STUDY, PARAMS.c.param_name == bindparam("name"))
    .limit(1)
)
_DETAILS = {table: select(*(table.c[name] for name in ("trial_id", *names))) for table, names in COLUMNS.items()}
_DETAILS_OF_ONE = {table: query.where(table.c.trial_id == bindparam("trial")) for table, query in _DETAILS.items()}
_DETAILS_OF_MANY = {
    table: query.where(table.c.trial_id.in_(select(TRIALS.c.trial_id).where(_IS_NEW_OR_KNOWN)))
    for table, query in _DETAILS.items()
}


def utc_now(connection: Connection) -> datetime:
    """Return the time by the server's clock, for a file by this machine's."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC).replace(tzinfo=None)
    moment: datetime = connection.execute(_SERVER_TIME).scalar_one()
    return moment.astimezone(UTC).replace(tzinfo=None)


def trial_of(connection: Connection, trial_id: int) -> FrozenTrial:
    """Return one trial. Raises KeyError where there is none."""
    found = _with_details(connection, _fetch(connection, _ONE, {"trial": trial_id}), {})
    if not found:
        raise KeyError(optuna_tables.NOT_FOUND_MSG)
    return found[0]


def trials_of(connection: Connection, study_id: int, after: int, known: list[int]) -> list[FrozenTrial]:
    """Return a study's trials of an id above `after` and the known ones, by id."""
    found = _fetch(connection, _NEW_OR_KNOWN, {"study": study_id, "after": after, "known": known})
    return _with_details(connection, found, {"study": study_id, "after": after, "known": known})


def _with_details(connection: Connection, found: list[Any], where: dict[str, Any]) -> list[FrozenTrial]:
    """Return trials, given their rows; where: the parameters by which all of them are selected."""
    if not found:
        return []
    if len(found) == 1:
        details, where = _DETAILS_OF_ONE, {"trial": found[0][0]}
    else:
        details = _DETAILS_OF_MANY

    def rows(table: Table) -> list[Any]:
        return _fetch(connection, details[table], where)

    values, reports = _values(rows(VALUES)), _reports(rows(REPORTS))
    params, spaces = _params(rows(PARAMS))
    users, systems = _attributes(rows(USER)), _attributes(rows(SYSTEM))
    return [
        FrozenTrial(
            trial_id=key,
            number=number,
            state=state,
            value=None,
            values=values.get(key),
            datetime_start=_local(start),
            datetime_complete=_local(complete),
            params=params.get(key, {}),
            distributions=spaces.get(key, {}),
            user_attrs=users.get(key, {}),
            system_attrs=systems.get(key, {}),
            intermediate_values=reports.get(key, {}),
        )
        for key, number, state, start, complete in found
    ]


def _fetch(connection: Connection, query: Executable, parameters: dict[str, Any]) -> list[Any]:
    return [tuple(row) for row in connection.execute(query, parameters)]


def _values(rows: Iterable[Any]) -> dict[int, list[float]]:
    value_of = optuna_tables.TrialValueModel.stored_repr_to_value
    values: dict[int, list[float]] = defaultdict(list)
    for key, _, value, kind in sorted(rows, key=lambda row: row[:2]):  # by trial and objective
        values[key].append(value_of(value, kind))
    return values


def _reports(rows: Iterable[Any]) -> dict[int, dict[int, float]]:
    value_of = optuna_tables.TrialIntermediateValueModel.stored_repr_to_intermediate_value
    reports: dict[int, dict[int, float]] = defaultdict(dict)
    for key, step, value, kind in rows:
        reports[key][step] = value_of(value, kind)
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


def _local(moment: datetime | None) -> datetime | None:
    """Naive UTC, as the tables have it, in naive local time, as Optuna gives it."""
    return None if moment is None else moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
