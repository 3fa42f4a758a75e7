"""Optuna's storage in plain SQL, fast, and exact where many processes share it.

Optuna's own makes an object of every row it reads or writes: a trial of 10 reports costs 55 ms of processor time,
a worker's first look at 10,000 trials × 20 reports ten seconds and 600 MB, and SQLAlchemy alone as long to load as
all else that a command loads. Here are the same tables, the same results and the same errors.

Every method is one transaction that locks the row it goes by, on SQLite the whole file, and is repeated when a
server was away.
"""

import copy
import threading
import uuid
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.storages._base import DEFAULT_STUDY_NAME_PREFIX
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.studies.storage import study_rows, trial_changes
from mlpsearch.studies.storage.connections import Connections
from mlpsearch.studies.storage.listing import Listing, refreshed
from mlpsearch.studies.storage.ownership import Ownership
from mlpsearch.studies.storage.rows import SYSTEM, USER, trial_of
from mlpsearch.studies.storage.spans import GRACE_SECONDS, HEARTBEAT_SECONDS, fell_silent
from mlpsearch.studies.storage.transaction import Transaction, moment
from mlpsearch.studies.storage.trial_changes import TrialChange

T = TypeVar("T")

_TRIAL_ID = "SELECT MAX(trial_id) FROM trials WHERE study_id = :study AND number = :number"
_HEARTBEATS = (
    "SELECT trials.trial_id, heartbeat FROM trials"
    " JOIN trial_heartbeats ON trial_heartbeats.trial_id = trials.trial_id"
    " WHERE study_id = :study AND state = 'RUNNING'"
)
_NOW = "SELECT CURRENT_TIMESTAMP"
_SERVER_SECONDS = "SELECT EXTRACT(EPOCH FROM now() - pg_postmaster_start_time())"


class Backend(BaseStorage, BaseHeartbeat):
    """What Optuna asks of a storage and, at the end, what mlpsearch asks besides.

    Trials that ended are read once. Nothing else is remembered, for a database may give the ids of a deleted study
    and of its trials to others.
    """

    def __init__(self, connections: Connections):
        self._connections = connections
        self._listings: dict[int, Listing] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Backend, (self._connections,)

    # ---- studies ---------------------------------------------------------------------------------------------

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Make a study; return its id. Raises DuplicatedStudyError where there is one of that name."""
        name = f"{DEFAULT_STUDY_NAME_PREFIX}{uuid.uuid4()}" if study_name is None else study_name
        return self._write(lambda connection: study_rows.add(connection, name, directions))

    def delete_study(self, study_id: int) -> None:
        """Delete a study and its trials. Raises KeyError where there is no such study, as all below do."""
        self._write(lambda connection: study_rows.delete(connection, study_id))

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set one user attribute to a JSON value."""
        self._write(lambda connection: study_rows.set_attribute(connection, study_rows.USER, study_id, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set one system attribute to a JSON value."""
        self._write(
            lambda connection: study_rows.set_attribute(connection, study_rows.SYSTEM, study_id, key, value)
        )

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return a study's id."""
        return self._read(lambda connection: study_rows.id_of(connection, study_name))

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return a study's name."""
        return self._read(lambda connection: study_rows.name_of(connection, study_id))

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return what a study's values shall become."""
        return self._read(lambda connection: study_rows.directions_of(connection, study_id))

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return a study's user attributes."""
        return self._read(lambda connection: study_rows.attributes_of(connection, study_rows.USER, study_id))

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return a study's system attributes."""
        return self._read(lambda connection: study_rows.attributes_of(connection, study_rows.SYSTEM, study_id))

    def get_all_studies(self) -> list[FrozenStudy]:
        """Return all studies, by id."""
        return self._read(study_rows.all_studies)

    # ---- trials ----------------------------------------------------------------------------------------------

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a running trial, or one like the template; return its id."""
        return self._write(lambda connection: trial_changes.add(connection, study_id, template_trial))

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Set one parameter. Raises ValueError where other trials of the study have it otherwise distributed.

        Raises UpdateFinishedTrialError for a trial that has ended, as all that set something do.
        """
        self._change(
            trial_id,
            lambda connection: trial_changes.set_param(
                connection, trial_id, param_name, param_value_internal, distribution
            ),
        )

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set state and values; return whether that was done: one that shall run has to wait."""
        is_done = False

        def change(connection: Transaction) -> None:
            nonlocal is_done
            is_done = state != TrialState.RUNNING or trial_of(connection, trial_id).state == TrialState.WAITING
            if is_done:
                trial_changes.set_values(connection, trial_id, values or ())
                trial_changes.set_state(connection, trial_id, state)

        self._change(trial_id, change)
        return is_done

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Report the value of one step, in place of what it had."""
        self._change(
            trial_id, lambda connection: trial_changes.set_report(connection, trial_id, step, intermediate_value)
        )

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set one user attribute to a JSON value."""
        self._change(
            trial_id, lambda connection: trial_changes.set_attribute(connection, USER, trial_id, key, value)
        )

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set one system attribute to a JSON value."""
        self._change(
            trial_id, lambda connection: trial_changes.set_attribute(connection, SYSTEM, trial_id, key, value)
        )

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """Return a trial's id. Raises KeyError where there is no such trial."""
        trial = {"study": study_id, "number": trial_number}
        trial_id = self._read(lambda connection: connection.scalar(_TRIAL_ID, trial))
        if trial_id is None:
            raise KeyError(f"no trial {trial_number} in study {study_id}")
        return int(trial_id)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return one trial. Raises KeyError where there is none."""
        return self._read(lambda connection: trial_of(connection, trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return a study's trials, by number."""
        listed = self._refreshed(study_id).trials
        trials = [listed[number] for number in sorted(listed)]
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    # ---- heartbeats ------------------------------------------------------------------------------------------

    def get_heartbeat_interval(self) -> int:
        """Return the seconds between two heartbeats of a worker."""
        return HEARTBEAT_SECONDS

    def get_heartbeat_stale_trial_callback(self) -> None:
        """Return nothing to call: the queue gives a dead worker's trial back."""

    def record_heartbeat(self, trial_id: int) -> None:
        """Record that the worker of a trial lives."""
        self._write(lambda connection: trial_changes.beat(connection, trial_id))

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        # While a server was away nobody could record a heartbeat.
        if self._server_seconds() < GRACE_SECONDS:
            return []

        def look(connection: Transaction) -> tuple[list[Any], datetime | None]:
            beats = connection.execute(_HEARTBEATS, {"study": study_id})
            return beats, moment(connection.scalar(_NOW)) if beats else None

        beats, now = self._read(look)
        utc = now.replace(tzinfo=None) if now else datetime.max
        return [trial_id for trial_id, beat in beats if fell_silent(moment(beat), utc)]

    def _server_seconds(self) -> float:
        """How long the server has been running."""
        if self._connections.database.name == "sqlite":
            return float("inf")
        return float(self._read(lambda connection: connection.scalar(_SERVER_SECONDS)) or 0)

    # ---- what Optuna has not ---------------------------------------------------------------------------------

    def add_trial(
        self,
        study_id: int,
        most: int,
        template_of: Callable[[int], FrozenTrial],
        own: Ownership | None = None,
    ) -> bool:
        """Add a trial if fewer than `most` are not FAIL; return whether that was so.

        template_of: says, given the trial's number, what it is like. It may read, but not write.
        own: tells the trials that count, besides those that wait; without it all count.
        """
        return self._write(
            lambda connection: trial_changes.add_if_room(connection, study_id, most, template_of, own)
        )

    def change_trial(self, trial_id: int, decide: Callable[[FrozenTrial], TrialChange | None]) -> bool:
        """Change a trial as `decide` says of it as it is now; return whether it said anything.

        A trial that becomes RUNNING starts now, with a heartbeat: one without could never be found dead. One that
        stays RUNNING gets a heartbeat. Where its worker is heard of after a long silence, for its machine slept,
        the trial starts anew. The span of an attempt that did not end the trial is kept.
        Raises KeyError where there is no such trial.
        """
        return self._write(lambda connection: trial_changes.change(connection, trial_id, decide))

    def change_study_attr(
        self, study_id: int, key: str, change: Callable[[Any], Any], missing: Any = None
    ) -> None:
        """Set a study's user attribute to what `change` makes of its value as it is now.

        It may be called again on its own result. missing: its value where it has none yet. Raises KeyError where
        there is no such study, or without `missing` no such attribute.
        """
        self._write(lambda connection: study_rows.change_attribute(connection, study_id, key, change, missing))

    def generation(self, study_id: int) -> int:
        """Return a number that stays the same for as long as the study of this id is the same."""
        return self._refreshed(study_id).generation

    # ---- transactions ----------------------------------------------------------------------------------------

    def _refreshed(self, study_id: int) -> Listing:
        with self._lock:
            try:
                known = self._listings.get(study_id, Listing())
                now = self._read(lambda connection: refreshed(connection, study_id, known))
            except KeyError:
                self._listings.pop(study_id, None)
                raise
            self._listings[study_id] = now
        return now

    def _change(self, trial_id: int, deed: Callable[[Transaction], None]) -> None:
        state = self._write(lambda connection: trial_changes.change_if_unfinished(connection, trial_id, deed))
        self.check_trial_is_updatable(trial_id, state)  # not within: it reads the trial for its message

    def _read(self, question: Callable[[Transaction], T]) -> T:
        with self._refusals():
            return self._connections.read(question)

    def _write(self, deed: Callable[[Transaction], T]) -> T:
        with self._refusals():
            return self._connections.write(deed)

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except self._connections.database.errors as error:
            raise StorageInternalError("the database refused a transaction") from error
