"""Counting a study's trials in the database itself: a study of 10,000 trials is counted, not loaded.

Plain SQL over the tables of Optuna's storage, whose layout its schema version pins.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from optuna.trial import TrialState
from sqlalchemy import DateTime, text

from studies.storage import Storage

_SPANS = text(
    "SELECT datetime_start, datetime_complete FROM trials"
    " WHERE study_id = :study AND datetime_start IS NOT NULL AND state <> 'WAITING' ORDER BY datetime_start"
).columns(datetime_start=DateTime, datetime_complete=DateTime)


@dataclass(frozen=True, slots=True)
class TrialKey:
    """A trial: its number in the study, and its id in the storage."""

    number: int
    trial_id: int


class Counts:
    """Counts over the trials of one study; every call asks the database anew."""

    def __init__(self, storage: Storage, study_id: int):
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
            "SELECT number, trial_id FROM trials WHERE study_id = :study AND state = :state ORDER BY number",
            state=state.name,
        )
        return [TrialKey(number, trial_id) for number, trial_id in rows]

    def best(self) -> TrialKey | None:
        """Return the complete trial with the highest value, the first of equals."""
        rows = self._rows(
            "SELECT trials.number, trials.trial_id FROM trials"
            " JOIN trial_values ON trial_values.trial_id = trials.trial_id"
            " WHERE trials.study_id = :study AND trials.state = 'COMPLETE'"
            " ORDER BY trial_values.value DESC, trials.number LIMIT 1"
        )
        return TrialKey(*rows[0]) if rows else None

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
        with self._engine.begin() as connection:
            spans = connection.execute(_SPANS, {"study": self._study_id}).all()
        now, total, until = datetime.now(), timedelta(), datetime.min
        for start, complete in spans:
            end = complete or now
            total += max(timedelta(), end - max(start, until))
            until = max(until, end)
        return total.total_seconds()

    def _rows(self, query: str, **values: Any) -> list[Any]:
        with self._engine.begin() as connection:
            return list(connection.execute(text(query), {"study": self._study_id} | values))
