"""Optuna's relational storage with its hot paths in plain SQL.

Optuna makes an object of every row it reads or writes: a trial of 10 reports costs 55 ms of processor time, and a
worker's first look at 10,000 trials × 20 reports ten seconds and 600 MB. What a running trial does all the time is
one or two statements here, on the same tables and with the same results; all else is Optuna's own.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
    json_to_distribution,
)
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Executable, Table, and_, bindparam, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

READ_ONLY = "mlpsearch_read_only"  # the execution option of transactions that only read

_TRIALS: Table = models.TrialModel.__table__
_VALUES: Table = models.TrialValueModel.__table__
_PARAMS: Table = models.TrialParamModel.__table__
_REPORTS: Table = models.TrialIntermediateValueModel.__table__
_USER: Table = models.TrialUserAttributeModel.__table__
_SYSTEM: Table = models.TrialSystemAttributeModel.__table__
_STUDIES: Table = models.StudyModel.__table__
_STUDY_USER: Table = models.StudyUserAttributeModel.__table__

# Statements are built once: SQLAlchemy takes longer to build one than SQLite to answer it.
_COLUMNS = {
    _VALUES: ("objective", "value", "value_type"),
    _PARAMS: ("param_id", "param_name", "param_value", "distribution_json"),
    _REPORTS: ("step", "intermediate_value", "intermediate_value_type"),
    _USER: ("key", "value_json"),
    _SYSTEM: ("key", "value_json"),
}
_TRIAL = select(
    *(_TRIALS.c[name] for name in ("trial_id", "number", "state", "datetime_start", "datetime_complete"))
)
_IS_TRIAL = _TRIALS.c.trial_id == bindparam("trial")
_IS_NEW_OR_KNOWN = and_(
    _TRIALS.c.study_id == bindparam("study"),
    or_(_TRIALS.c.trial_id > bindparam("after"), _TRIALS.c.trial_id.in_(bindparam("known", expanding=True))),
)
_ONE = _TRIAL.where(_IS_TRIAL)
_NEW_OR_KNOWN = _TRIAL.where(_IS_NEW_OR_KNOWN).order_by(_TRIALS.c.trial_id)
_DETAILS = {table: select(*(table.c[name] for name in ("trial_id", *names))) for table, names in _COLUMNS.items()}
_DETAILS_OF_ONE = {table: query.where(table.c.trial_id == bindparam("trial")) for table, query in _DETAILS.items()}
_DETAILS_OF_MANY = {
    table: query.where(table.c.trial_id.in_(select(_TRIALS.c.trial_id).where(_IS_NEW_OR_KNOWN)))
    for table, query in _DETAILS.items()
}
_STATE = select(_TRIALS.c.state).where(_IS_TRIAL)
_HAS_STUDY = select(_STUDIES.c.study_id).where(_STUDIES.c.study_id == bindparam("study"))
_STUDY_ATTRIBUTES = select(_STUDY_USER.c.key, _STUDY_USER.c.value_json).where(
    _STUDY_USER.c.study_id == bindparam("study")
)


def has_newest_schema(path: Path) -> bool:
    """Whether a SQLite file has all tables, as this Optuna makes them.

    Optuna finds out by loading ten modules of migrations, which takes longer than all else that `status` asks for.
    """
    names = (entry.name for entry in files("optuna.storages._rdb.alembic.versions").iterdir())
    newest = max(name.removesuffix(".py").rstrip("_") for name in names if name.endswith(".py"))
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)) as reader:
            return reader.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest,)]
    except sqlite3.Error:
        return False  # Optuna says what is wrong with it


class Backend(RDBStorage):
    """RDBStorage, faster. Same tables, same results, same errors."""

    # ---- reading ---------------------------------------------------------------------------------------------

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return one trial. Raises KeyError where there is none."""
        with self._transaction(read_only=True) as connection:
            found = _with_details(connection, _fetch(connection, _ONE, {"trial": trial_id}), {})
        if not found:
            raise KeyError(models.NOT_FOUND_MSG)
        return found[0]

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return a study's user attributes. Raises KeyError where there is no such study."""
        with self._transaction(read_only=True) as connection:
            rows = _fetch(connection, _STUDY_ATTRIBUTES, {"study": study_id})
            attributes = {key: json.loads(value) for key, value in rows}
            if not attributes:
                _require_study(connection, study_id)
        return attributes

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        known = [key for key in included_trial_ids if key <= trial_id_greater_than]
        with self._transaction(read_only=True) as connection:
            trials = _frozen_trials(connection, study_id, trial_id_greater_than, known)
            if not trials:
                _require_study(connection, study_id)
        return [trial for trial in trials if states is None or trial.state in states]

    # ---- writing ---------------------------------------------------------------------------------------------

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Report one value of a running trial."""
        stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(intermediate_value)
        row = {"trial_id": trial_id, "step": step, "intermediate_value": stored, "intermediate_value_type": kind}
        self._upsert(_REPORTS, row)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set one user attribute of a trial."""
        self._upsert(_USER, {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)})

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set one system attribute of a trial."""
        self._upsert(_SYSTEM, {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)})

    def _set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None,
    ) -> None:
        if previous_distribution is None:  # then the one in the storage has to be found
            super()._set_trial_param(trial_id, param_name, param_value_internal, distribution, None)
            return
        check_distribution_compatibility(previous_distribution, distribution)
        row = {"trial_id": trial_id, "param_name": param_name, "param_value": param_value_internal}
        self._upsert(_PARAMS, row | {"distribution_json": distribution_to_json(distribution)})

    def _upsert(self, table: Table, row: dict[str, Any]) -> None:
        """Insert or update one row of an unfinished trial."""
        trial_id = row["trial_id"]
        with self._transaction() as connection:
            state = connection.scalar(_STATE, {"trial": trial_id})
            if state is None:
                raise KeyError(models.NOT_FOUND_MSG)
            if not state.is_finished():
                connection.execute(_upsert_into(table, self.engine.name), row)
        self.check_trial_is_updatable(trial_id, state)  # not within: it reads the trial for its message

    @contextmanager
    def _transaction(self, *, read_only: bool = False) -> Iterator[Connection]:
        try:
            with (
                self.engine.connect().execution_options(**{READ_ONLY: read_only}) as connection,
                connection.begin(),
            ):
                yield connection
        except SQLAlchemyError as error:
            raise StorageInternalError("the database refused a transaction") from error


@cache
def _upsert_into(table: Table, dialect: str) -> Executable:
    """Return the statement that inserts a row, or updates the one of its trial and step, name or key."""
    insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    key = {"trial_id", "step", "param_name", "key"} & {*table.c.keys()}
    given = {"trial_id", *_COLUMNS[table]} - {"param_id"}
    changed = {name: insert.excluded[name] for name in sorted(given - key)}
    return insert.values({name: bindparam(name) for name in sorted(given)}).on_conflict_do_update(
        index_elements=sorted(key), set_=changed
    )


def _require_study(connection: Connection, study_id: int) -> None:
    if connection.scalar(_HAS_STUDY, {"study": study_id}) is None:
        raise KeyError(models.NOT_FOUND_MSG)


def _frozen_trials(connection: Connection, study_id: int, after: int, known: list[int]) -> list[FrozenTrial]:
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

    values, reports = _values(rows(_VALUES)), _reports(rows(_REPORTS))
    params, spaces = _params(rows(_PARAMS))
    users, systems = _attributes(rows(_USER)), _attributes(rows(_SYSTEM))
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
    value_of = models.TrialValueModel.stored_repr_to_value
    values: dict[int, list[float]] = defaultdict(list)
    for key, _, value, kind in sorted(rows, key=lambda row: row[:2]):  # by trial and objective
        values[key].append(value_of(value, kind))
    return values


def _reports(rows: Iterable[Any]) -> dict[int, dict[int, float]]:
    value_of = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value
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
