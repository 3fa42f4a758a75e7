"""Optuna's relational storage with its hot paths in plain SQL, and exact where many processes share it.

Optuna makes an object of every row it reads or writes: a trial of 10 reports costs 55 ms of processor time, and a
worker's first look at 10,000 trials × 20 reports ten seconds and 600 MB. What a running trial does all the time is
one or two statements here, on the same tables and with the same results; all else is Optuna's own.

Every method is one transaction that locks the row it goes by, on SQLite the whole file, and is repeated when a
server was away.
"""

import json
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
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
from optuna.storages._rdb import models as optuna_tables
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import create_engine, event
from sqlalchemy.orm import scoped_session, sessionmaker

from mlpsearch.studies.storage.listing import Listing, refreshed
from mlpsearch.studies.storage.ownership import Ownership
from mlpsearch.studies.storage.reconnecting import repeated
from mlpsearch.studies.storage.rows import (
    DISTRIBUTION,
    PARAMS,
    REPORTS,
    SYSTEM,
    USER,
    VALUES,
    trial_of,
    trials_of,
    utc_now,
)
from mlpsearch.studies.storage.spans import EARLIER, fell_silent, last_seen, to_json
from mlpsearch.studies.storage.sqlite import GONE, begin, begin_reading, file_error, identity
from mlpsearch.studies.storage.statements import (
    ADD_STUDY_ATTRIBUTE,
    ADD_TRIAL,
    BEAT,
    DIRECTIONS,
    HAS_STUDY,
    HEARTBEAT,
    HEARTBEATS,
    LOCKED_STATE,
    LOCKED_STUDY,
    NOW,
    NUMBER,
    SERVER_SECONDS,
    SET_COMPLETE,
    SET_START,
    SET_STATE,
    SET_STUDY_ATTRIBUTE,
    START,
    STUDY_ATTRIBUTE,
    STUDY_ATTRIBUTES,
    STUDY_ID,
    STUDY_NAME,
    TRIAL_ID,
    USED,
    upsert_into,
)
from mlpsearch.studies.storage.transaction import Transaction, database_errors, moment, transaction


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


def newest_schema() -> str:
    """Return the version of the tables as this Optuna makes them.

    Optuna finds out by loading ten modules of migrations, which takes longer than all else that `status` asks for.
    """
    names = (entry.name for entry in files("optuna.storages._rdb.alembic.versions").iterdir())
    return max(name.removesuffix(".py").rstrip("_") for name in names if name.endswith(".py"))


class Backend(RDBStorage):
    """RDBStorage, faster. Same tables, same results, same errors.

    file: of a SQLite database. Where another has taken its name since, every transaction is a StorageError: the
    ids that a process knows are those of the first.  read_only: whether it never writes.
    known: whether it has all tables as this Optuna makes them.
    """

    def __init__(self, url: str, *, file: Path | None, read_only: bool, known: bool, **options: Any):
        if known:
            self._connect(url, **options)
        else:
            super().__init__(url, skip_table_creation=read_only, **options)
        self._file = file
        self._read_only = read_only
        self._prepare()

    def _connect(
        self, url: str, *, engine_kwargs: dict[str, Any], heartbeat_interval: int, grace_period: int
    ) -> None:
        """Make what RDBStorage makes, but no manager of versions: that imports alembic, a tenth of `status`."""
        self.url, self.engine_kwargs = url, engine_kwargs
        self.heartbeat_interval, self.grace_period = heartbeat_interval, grace_period
        self.heartbeat_stale_trial_callback = self.failed_trial_callback = None
        self.skip_compatibility_check = True
        self._version_manager = None  # type: ignore[assignment]
        self.engine = create_engine(url, **engine_kwargs)
        self.scoped_session = scoped_session(sessionmaker(bind=self.engine))

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        self._prepare()

    def _prepare(self) -> None:
        if self._file is not None:
            self._identity = identity(self._file)
            event.listen(self.engine, "checkout", self._require_same_file)
            event.listen(self.engine, "begin", begin_reading if self._read_only else begin)

    def _require_same_file(self, *_: Any) -> None:
        trouble = self.trouble()
        if self._file is not None and trouble is not None:
            raise file_error(self._file, trouble)

    def trouble(self) -> str | None:
        """Say what became of the file: None where it is there, and no other; a server's is never looked at."""
        if self._file is None:
            return None
        now = identity(self._file)
        if now is None:
            return GONE
        return None if now == self._identity else "is another file now: it was replaced while in use"

    # ---- reading ---------------------------------------------------------------------------------------------

    def refreshed(self, study_id: int, known: Listing) -> Listing:
        """Return a study's trials as they are now, given what was known of them. Raises KeyError for no study."""
        with self._transaction(read_only=True) as connection:
            return refreshed(connection, study_id, known)

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return a study's name. Raises KeyError where there is no such study."""
        with self._transaction(read_only=True) as connection:
            name = connection.scalar(STUDY_NAME, {"study": study_id})
        if name is None:
            raise KeyError(optuna_tables.NOT_FOUND_MSG)
        return str(name)

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return a study's id. Raises KeyError where there is no study of this name."""
        with self._transaction(read_only=True) as connection:
            study_id = connection.scalar(STUDY_ID, {"name": study_name})
        if study_id is None:
            raise KeyError(optuna_tables.NOT_FOUND_MSG)
        return int(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return what a study's values shall become. Raises KeyError where there is no such study."""
        with self._transaction(read_only=True) as connection:
            rows = connection.execute(DIRECTIONS, {"study": study_id})
        if not rows:  # each study has one
            raise KeyError(optuna_tables.NOT_FOUND_MSG)
        return [StudyDirection[direction] for (direction,) in rows]

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """Return a trial's id. Raises KeyError where there is no such trial."""
        with self._transaction(read_only=True) as connection:
            trial_id = connection.scalar(TRIAL_ID, {"study": study_id, "number": trial_number})
        if trial_id is None:
            raise KeyError(f"no trial {trial_number} in study {study_id}")
        return int(trial_id)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return one trial. Raises KeyError where there is none."""
        with self._transaction(read_only=True) as connection:
            return trial_of(connection, trial_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return a study's user attributes. Raises KeyError where there is no such study."""
        with self._transaction(read_only=True) as connection:
            rows = connection.execute(STUDY_ATTRIBUTES, {"study": study_id})
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
            trials = trials_of(connection, study_id, trial_id_greater_than, known)
            if not trials:
                _require_study(connection, study_id)
        return [trial for trial in trials if states is None or trial.state in states]

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        # While a server was away nobody could record a heartbeat.
        if self.engine.name == "postgresql" and self._server_seconds() < (self.grace_period or 0):
            return []
        with self._transaction(read_only=True) as connection:
            beats = connection.execute(HEARTBEATS, {"study": study_id})
            now = moment(connection.scalar(NOW)) if beats else None
        utc = now.replace(tzinfo=None) if now else datetime.max
        return [trial_id for trial_id, beat in beats if fell_silent(moment(beat), utc)]

    def _server_seconds(self) -> float:
        with self._transaction(read_only=True) as connection:
            return float(connection.scalar(SERVER_SECONDS) or 0)

    # ---- writing ---------------------------------------------------------------------------------------------

    def add_trial(
        self,
        study_id: int,
        most: int,
        template_of: Callable[[int], FrozenTrial],
        own: Ownership | None = None,
    ) -> bool:
        """Add a WAITING trial if fewer than `most` are not FAIL; return whether that was so.

        template_of: says, given the trial's number, which attributes it has. It may read, but not write.
        own: tells the trials that count, besides those that wait; without it all count.
        Raises KeyError where there is no such study.
        """
        with self._transaction() as connection:
            _require_study(connection, study_id, LOCKED_STUDY)
            number = connection.scalar(NUMBER, {"study": study_id}) or 0
            if _used(connection, study_id, own) >= most:
                return False
            template = template_of(number)
            connection.execute(ADD_TRIAL, {"study": study_id, "number": number})
            trial_id = connection.scalar(TRIAL_ID, {"study": study_id, "number": number})
            _set_attributes(connection, trial_id, template.user_attrs, template.system_attrs)
        return True

    def change_trial(self, trial_id: int, decide: Callable[[FrozenTrial], TrialChange | None]) -> bool:
        """Change a trial as `decide` says of it as it is now; return whether it said anything.

        A trial that becomes RUNNING starts now, with a heartbeat: one without could never be found dead. One that
        stays RUNNING gets a heartbeat. Where its worker is heard of after a long silence, for its machine slept,
        the trial starts anew. The span of an attempt that did not end the trial is kept.
        Raises KeyError where there is no such trial.
        """
        with self._transaction() as connection:
            connection.scalar(LOCKED_STATE, {"trial": trial_id})
            trial = trial_of(connection, trial_id)
            change = decide(trial)
            if change is not None:
                self._apply(connection, trial, change)
        return change is not None

    def change_study_attr(
        self, study_id: int, key: str, change: Callable[[Any], Any], missing: Any = None
    ) -> None:
        """Set a study's user attribute to what `change` makes of its value as it is now.

        It may be called again on its own result. missing: its value where it has none yet. Raises KeyError where
        there is no such study, or without `missing` no such attribute.
        """
        with self._transaction() as connection:
            _require_study(connection, study_id, LOCKED_STUDY)
            value = connection.scalar(STUDY_ATTRIBUTE, {"study": study_id, "name": key})
            if value is None and missing is None:
                raise KeyError(key)
            changed = json.dumps(change(missing if value is None else json.loads(value)))
            statement = ADD_STUDY_ATTRIBUTE if value is None else SET_STUDY_ATTRIBUTE
            connection.execute(statement, {"study": study_id, "name": key, "value_json": changed})

    def _apply(self, connection: Transaction, trial: FrozenTrial, change: TrialChange) -> None:
        trial_id = trial._trial_id
        times, spans = self._times(connection, trial, change)
        if change.state == TrialState.RUNNING:
            connection.execute(BEAT, {"trial": trial_id})
        _set_attributes(connection, trial_id, {**change.attributes, **spans}, change.system)
        if change.value is not None:
            stored, kind = optuna_tables.TrialValueModel.value_to_stored_repr(change.value)
            value_row = {"trial_id": trial_id, "objective": 0, "value": stored, "value_type": kind.name}
            connection.execute(upsert_into(VALUES), value_row)
        connection.execute(SET_STATE, {"trial": trial_id, "state": change.state.name})
        for statement, when in times.items():
            connection.execute(statement, {"trial": trial_id, "moment": when})

    def _times(
        self, connection: Transaction, trial: FrozenTrial, change: TrialChange
    ) -> tuple[dict[str, datetime], dict[str, Any]]:
        """The times that a change sets, by statement, and the attribute of earlier spans where it adds one."""
        now, times, spans = utc_now(connection), {}, {}
        starts, until = change.state == TrialState.RUNNING, now
        if trial.state == TrialState.RUNNING and trial.datetime_start is not None:
            start = moment(connection.scalar(START, {"trial": trial._trial_id})) or now
            heartbeat = moment(connection.scalar(HEARTBEAT, {"trial": trial._trial_id}))
            slept = fell_silent(heartbeat, now) and not change.lost
            until = last_seen(start, heartbeat, now) if slept or change.lost else now
            if slept or change.state == TrialState.WAITING:
                spans[EARLIER] = [*trial.user_attrs.get(EARLIER, []), to_json((start, until))]
            starts = slept
        if starts:
            times[SET_START] = now
        if change.state.is_finished():
            times[SET_COMPLETE] = until if change.lost else now
        return times, spans

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Report the value of one step, in place of what it had. Raises UpdateFinishedTrialError once it ended."""
        stored, kind = optuna_tables.TrialIntermediateValueModel.intermediate_value_to_stored_repr(
            intermediate_value
        )
        row = {"step": step, "intermediate_value": stored, "intermediate_value_type": kind.name}
        self._upsert(REPORTS, {"trial_id": trial_id} | row)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set one user attribute to a JSON value. Raises UpdateFinishedTrialError for a trial that has ended."""
        self._upsert(USER, {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)})

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set one system attribute to a JSON value. Raises UpdateFinishedTrialError for a trial that has ended."""
        self._upsert(SYSTEM, {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)})

    def _set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None,  # noqa: ARG002 - asked anew: it may be a deleted study's
    ) -> None:
        def check(connection: Transaction) -> None:
            found = connection.scalar(DISTRIBUTION, {"trial": trial_id, "name": param_name})
            if found is not None:
                check_distribution_compatibility(json_to_distribution(found), distribution)

        row = {"trial_id": trial_id, "param_name": param_name, "param_value": param_value_internal}
        self._upsert(PARAMS, row | {"distribution_json": distribution_to_json(distribution)}, check)

    def _upsert(
        self, table: str, row: dict[str, Any], check: Callable[[Transaction], None] = lambda _: None
    ) -> None:
        """Insert or update one row of an unfinished trial; check: raises for one that may not be."""
        trial_id = row["trial_id"]
        with self._transaction() as connection:
            name = connection.scalar(LOCKED_STATE, {"trial": trial_id})
            if name is None:
                raise KeyError(optuna_tables.NOT_FOUND_MSG)
            state = TrialState[name]
            if not state.is_finished():
                check(connection)
                connection.execute(upsert_into(table), row)
        self.check_trial_is_updatable(trial_id, state)  # not within: it reads the trial for its message

    @contextmanager
    def _transaction(self, *, read_only: bool = False) -> Iterator[Transaction]:
        try:
            with transaction(self.engine, read_only=read_only) as connection:
                yield connection
        except database_errors(self.engine) as error:
            raise StorageInternalError("the database refused a transaction") from error


def _repeated(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*arguments: Any, **options: Any) -> Any:
        return repeated(lambda: method(*arguments, **options))

    return call


for _name in (
    *(name for name in vars(RDBStorage) if name.startswith(("get_", "set_", "delete_", "create_", "record_"))),
    *("_create_new_trial", "_set_trial_param", "_get_trials", "_get_best_trial_id", "_get_stale_trial_ids"),
    *("add_trial", "change_trial", "change_study_attr", "refreshed"),
):
    setattr(Backend, _name, _repeated(getattr(Backend, _name)))


def _used(connection: Transaction, study_id: int, own: Ownership | None) -> int:
    """How many trials take a place in the budget: those that wait, and its own of the others that did not fail."""
    condition, parameters = ("1 = 1", {}) if own is None else (own.condition, own.parameters)
    return int(connection.scalar(USED.replace("{own}", condition), {"study": study_id, **parameters}) or 0)


def _set_attributes(
    connection: Transaction, trial_id: int, user: Mapping[str, Any], system: Mapping[str, Any]
) -> None:
    for table, attributes in ((USER, user), (SYSTEM, system)):
        for key, value in attributes.items():
            attribute = {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
            connection.execute(upsert_into(table), attribute)


def _require_study(connection: Transaction, study_id: int, query: str = HAS_STUDY) -> None:
    if connection.scalar(query, {"study": study_id}) is None:
        raise KeyError(optuna_tables.NOT_FOUND_MSG)
