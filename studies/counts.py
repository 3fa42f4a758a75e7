"""Counting a study's trials in the database itself: a study of 10,000 trials is counted, not loaded.

Plain SQL over the tables of Optuna's storage, whose layout its schema version pins.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from optuna.trial import TrialState
from sqlalchemy import DateTime, Executable, text
from sqlalchemy.exc import SQLAlchemyError

from models.errors import StorageError, innermost
from studies.reconnecting import repeated
from studies.storage import GRACE_SECONDS, Storage, shown

_SPANS = text(
    "SELECT datetime_start, datetime_complete, heartbeat FROM trials"
    " LEFT JOIN trial_heartbeats ON trial_heartbeats.trial_id = trials.trial_id"
    " WHERE study_id = :study AND datetime_start IS NOT NULL AND state <> 'WAITING'"
).columns(datetime_start=DateTime, datetime_complete=DateTime, heartbeat=DateTime)

EARLIER = "earlier"  # the trial attribute with the spans of attempts that were cut off


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

    def begun(self) -> int:
        """Return how many trials there are but those that failed; so many end, if no more are added."""
        counts = self.by_state()
        return sum(counts.values()) - counts[TrialState.FAIL]

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
        total, until = timedelta(), datetime.min
        for start, end in sorted(self._spans()):
            total += max(timedelta(), end - max(start, until))
            until = max(until, end)
        return total.total_seconds()

    def _spans(self) -> list[tuple[datetime, datetime]]:
        now = datetime.now()
        spans = [
            (_local(start), _local(complete) if complete else _last_seen(heartbeat, now))
            for start, complete, heartbeat in self._fetch(_SPANS)
        ]
        for (earlier,) in self._rows(
            "SELECT value_json FROM trial_user_attributes AS attributes"
            " JOIN trials ON trials.trial_id = attributes.trial_id"
            " WHERE trials.study_id = :study AND attributes.key = :key",
            key=EARLIER,
        ):
            spans += [
                (datetime.fromisoformat(start), datetime.fromisoformat(end)) for start, end in json.loads(earlier)
            ]
        return spans

    def _rows(self, query: str, **values: Any) -> list[Any]:
        return self._fetch(text(query), **values)

    def _fetch(self, query: Executable, **values: Any) -> list[Any]:
        def rows() -> list[Any]:
            with self._engine.begin() as connection:
                return list(connection.execute(query, {"study": self._study_id} | values))

        try:
            return repeated(rows)
        except SQLAlchemyError as error:
            raise StorageError(f"{shown(self._url)}: cannot be read ({innermost(error)})") from error


def _last_seen(heartbeat: datetime | None, now: datetime) -> datetime:
    """When a running trial was last known to run: now, unless its worker's heartbeat stopped.

    heartbeat: UTC, as all that is in the database.  now: local time.
    """
    if heartbeat is None:
        return now
    seen = _local(heartbeat)
    return seen if now - seen > timedelta(seconds=GRACE_SECONDS) else now


def _local(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
