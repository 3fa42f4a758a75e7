"""Counting a study's trials in the database itself: a study of 10,000 trials is counted, not loaded.

Plain SQL over the tables of Optuna's storage, whose layout its schema version pins.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from optuna.trial import TrialState
from sqlalchemy import Connection, DateTime, text
from sqlalchemy.exc import SQLAlchemyError

from models.errors import StorageError, innermost
from studies.reconnecting import repeated
from studies.rows import utc_now
from studies.spans import EARLIER, Span, covered, fell_silent, from_json, last_seen
from studies.storage import Storage, shown

_SPANS = text(
    "SELECT datetime_start, datetime_complete, heartbeat FROM trials"
    " LEFT JOIN trial_heartbeats ON trial_heartbeats.trial_id = trials.trial_id"
    " WHERE study_id = :study AND datetime_start IS NOT NULL AND state <> 'WAITING'"
).columns(datetime_start=DateTime, datetime_complete=DateTime, heartbeat=DateTime)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TrialKey:
    """A trial: its number in the study, and its id in the storage."""

    number: int
    trial_id: int


class Counts:
    """Counts over the trials of one study; every call asks the database anew."""

    def __init__(self, storage: Storage, study_id: int):
        self._url = storage.url
        self._engine = storage.engine
        self._study_id = study_id

    def by_state(self) -> dict[TrialState, int]:
        """Return how many trials are in each state."""
        rows = self._rows("SELECT state, COUNT(*) FROM trials WHERE study_id = :study GROUP BY state")
        counts = {str(state): int(count) for state, count in rows}
        return {state: counts.get(state.name, 0) for state in TrialState}

    def in_state(self, state: TrialState) -> list[TrialKey]:
        """Return the trials in one state, by number."""
        rows = self._rows(
            "SELECT number, trial_id FROM trials"
            " WHERE study_id = :study AND CAST(state AS TEXT) = :state ORDER BY number",
            state=state.name,
        )
        return [TrialKey(number, trial_id) for number, trial_id in rows]

    def best(self, count: int = 1) -> list[TrialKey]:
        """Return the complete trials of the highest values, best first; of equals the earlier one is better."""
        rows = self._rows(
            "SELECT trials.number, trials.trial_id FROM trials"
            " JOIN trial_values ON trial_values.trial_id = trials.trial_id"
            " WHERE trials.study_id = :study AND trials.state = 'COMPLETE'"
            " ORDER BY trial_values.value DESC, trials.number LIMIT :count",
            count=count,
        )
        return [TrialKey(number, trial_id) for number, trial_id in rows]

    def last_ended(self, count: int) -> list[tuple[TrialState, TrialKey]]:
        """Return the trials that ended last, newest first."""
        rows = self._rows(
            "SELECT state, number, trial_id FROM trials"
            " WHERE study_id = :study AND state IN ('COMPLETE', 'PRUNED', 'FAIL')"
            " ORDER BY datetime_complete DESC, number DESC LIMIT :count",
            count=count,
        )
        return [(TrialState[state], TrialKey(number, trial_id)) for state, number, trial_id in rows]

    def epochs(self) -> int:
        """Return the epochs reported by all trials together."""
        rows = self._rows(
            "SELECT COUNT(*) FROM trial_intermediate_values AS reports"
            " JOIN trials ON trials.trial_id = reports.trial_id WHERE trials.study_id = :study"
        )
        return int(rows[0][0])

    def seconds(self) -> float:
        """Return the wall-clock seconds during which at least one trial ran: breaks between runs cost nothing."""
        return covered(self._spans())

    def _spans(self) -> list[Span]:
        rows = self._ask(lambda connection: list(connection.execute(_SPANS, {"study": self._study_id})))
        now = self._ask(utc_now) if any(complete is None for _, complete, _ in rows) else datetime.min
        spans = [(start, complete or _running_until(start, heartbeat, now)) for start, complete, heartbeat in rows]
        for (earlier,) in self._rows(
            "SELECT value_json FROM trial_user_attributes AS attributes"
            " JOIN trials ON trials.trial_id = attributes.trial_id"
            " WHERE trials.study_id = :study AND attributes.key = :key",
            key=EARLIER,
        ):
            spans += map(from_json, json.loads(earlier))
        return spans

    def _rows(self, query: str, **values: Any) -> list[Any]:
        parameters = {"study": self._study_id} | values
        return self._ask(lambda connection: list(connection.execute(text(query), parameters)))

    def _ask(self, question: Callable[[Connection], T]) -> T:
        def answer() -> T:
            with self._engine.begin() as connection:
                return question(connection)

        try:
            return repeated(answer)
        except SQLAlchemyError as error:
            raise StorageError(f"{shown(self._url)}: cannot be read ({innermost(error)})") from error


def _running_until(start: datetime, heartbeat: datetime | None, now: datetime) -> datetime:
    """When a running trial was last known to run: now, unless its worker's heartbeat stopped."""
    return last_seen(start, heartbeat, now) if fell_silent(heartbeat, now) else now
