"""Counting a study's trials in the database itself: a study of 10,000 trials is counted, not loaded.

Plain SQL over the tables of Optuna's storage, whose layout its schema version pins.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from optuna.trial import TrialState

from mlpsearch.models.errors import StorageError, innermost
from mlpsearch.studies.storage.opening import Storage, without_password
from mlpsearch.studies.storage.ownership import Ownership
from mlpsearch.studies.storage.spans import (
    EARLIER,
    GRACE_SECONDS,
    Span,
    covered,
    fell_silent,
    from_json,
    last_seen,
)
from mlpsearch.studies.storage.transaction import Transaction, moment, utc_now

_SPANS = (
    "SELECT datetime_start, datetime_complete, heartbeat FROM trials"
    " LEFT JOIN trial_heartbeats ON trial_heartbeats.trial_id = trials.trial_id"
    " WHERE study_id = :study AND datetime_start IS NOT NULL AND state <> 'WAITING' AND {own}"
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TrialKey:
    """A trial: its number in the study, and its id in the storage."""

    number: int
    trial_id: int


class Counts:
    """Counts over a study's own trials; every call asks the database anew.

    own: tells its own trials from others; without it all are its own. WAITING trials count, whoever added them.
    """

    def __init__(self, storage: Storage, study_id: int, own: Ownership | None = None):
        self._url = storage.url
        self._connections = storage.connections
        self._conditions = ("1 = 1", "1 = 0") if own is None else (own.condition, own.refused)
        self._parameters = {"study": study_id, **({} if own is None else own.parameters)}

    def by_state(self) -> dict[TrialState, int]:
        """Return how many trials are in each state."""
        return self._by_state(
            "SELECT state, COUNT(*) FROM trials"
            " WHERE study_id = :study AND (state = 'WAITING' OR {own}) GROUP BY state"
        )

    def foreign(self) -> dict[TrialState, int]:
        """Return how many trials of others are in each state; none is WAITING."""
        return self._by_state(
            "SELECT state, COUNT(*) FROM trials"
            " WHERE study_id = :study AND state <> 'WAITING' AND NOT {own} GROUP BY state"
        )

    def _by_state(self, query: str) -> dict[TrialState, int]:
        counts = {str(state): int(count) for state, count in self._rows(query)}
        return {state: counts.get(state.name, 0) for state in TrialState}

    def begun(self) -> int:
        """Return how many trials there are but those that failed; so many end, if no more are added."""
        counts = self.by_state()
        return sum(counts.values()) - counts[TrialState.FAIL]

    def in_state(self, state: TrialState) -> list[TrialKey]:
        """Return the trials in one state, by number."""
        rows = self._rows(
            "SELECT number, trial_id FROM trials WHERE study_id = :study AND CAST(state AS TEXT) = :state"
            " AND (state = 'WAITING' OR {own}) ORDER BY number",
            state=state.name,
        )
        return [TrialKey(number, trial_id) for number, trial_id in rows]

    def waiting(self, most: int) -> list[TrialKey]:
        """Return the WAITING trials that a budget of `most` trials has room for, those that were begun first.

        In one look: a trial that moves from one state to another meanwhile is counted once.
        """
        rows = self._rows(
            "SELECT number, trial_id, (SELECT COUNT(*) FROM trials WHERE study_id = :study"
            " AND state IN ('RUNNING', 'COMPLETE', 'PRUNED') AND {own}) FROM trials"
            " WHERE study_id = :study AND state = 'WAITING'"
            " ORDER BY CASE WHEN {own} THEN 0 ELSE 1 END, number"
        )
        return [
            TrialKey(number, trial_id)
            for place, (number, trial_id, used) in enumerate(rows)
            if used + place < most
        ]

    def unfinished(self) -> set[int]:
        """Return the numbers of all trials that have not ended, whoever added them."""
        rows = self._rows(
            "SELECT number FROM trials WHERE study_id = :study AND state NOT IN ('COMPLETE', 'PRUNED', 'FAIL')"
        )
        return {number for (number,) in rows}

    def without_heartbeat(self) -> set[int]:
        """Return the ids of the running trials that never had a heartbeat, and are older than GRACE_SECONDS.

        Optuna takes such a trial for alive for ever. Workers never leave one, but a copy of a study has them.
        """
        rows = self._rows(
            "SELECT trial_id, datetime_start FROM trials WHERE study_id = :study AND state = 'RUNNING'"
            " AND NOT EXISTS (SELECT 1 FROM trial_heartbeats AS beats WHERE beats.trial_id = trials.trial_id)"
            " AND {own}"
        )
        if not rows:
            return set()
        latest = self._ask(utc_now) - timedelta(seconds=GRACE_SECONDS)
        starts = {trial_id: moment(start) for trial_id, start in rows}
        return {trial_id for trial_id, start in starts.items() if start is None or start < latest}

    def refused(self, count: int) -> list[tuple[int, str]]:
        """Return the numbers of the trials that were queued and refused last, with the reasons; newest first."""
        rows = self._rows(
            "SELECT number, value_json FROM trials JOIN trial_user_attributes AS attributes"
            " ON attributes.trial_id = trials.trial_id AND attributes.key = 'error'"
            " WHERE study_id = :study AND state = 'FAIL' AND {refused}"
            " ORDER BY number DESC LIMIT :count",
            count=count,
        )
        return [(number, str(json.loads(reason))) for number, reason in rows]

    def best(self, count: int = 1, after: int = 0, *, lowest: bool = False) -> list[TrialKey]:
        """Return the complete trials of the highest values, best first; of equals the earlier one is better.

        Values are shares: what is not from 0 to 1 is none.  after: how many of the best are left out.
        lowest: whether less is better, as of losses, which have no largest value.
        """
        valid, order = (">= 0", "ASC") if lowest else ("BETWEEN 0 AND 1", "DESC")
        query = (
            "SELECT trials.number, trials.trial_id FROM trials"
            " JOIN trial_values ON trial_values.trial_id = trials.trial_id"
            " WHERE trials.study_id = :study AND trials.state = 'COMPLETE'"
            " AND trial_values.value {valid} AND {own}"
            " ORDER BY trial_values.value {order}, trials.number LIMIT :count OFFSET :after"
        )
        query = query.replace("{valid}", valid).replace("{order}", order)
        rows = self._rows(query, count=count, after=after)
        return [TrialKey(number, trial_id) for number, trial_id in rows]

    def last_ended(self, count: int) -> list[tuple[TrialState, TrialKey]]:
        """Return the trials that ended last, newest first."""
        rows = self._rows(
            "SELECT state, number, trial_id FROM trials"
            " WHERE study_id = :study AND state IN ('COMPLETE', 'PRUNED', 'FAIL') AND {own}"
            " ORDER BY datetime_complete DESC, number DESC LIMIT :count",
            count=count,
        )
        return [(TrialState[state], TrialKey(number, trial_id)) for state, number, trial_id in rows]

    def ended_after(self, number: int) -> int:
        """Return how many trials of a higher number ended complete or pruned."""
        rows = self._rows(
            "SELECT COUNT(*) FROM trials WHERE study_id = :study AND number > :number"
            " AND state IN ('COMPLETE', 'PRUNED') AND {own}",
            number=number,
        )
        return int(rows[0][0])

    def epochs(self) -> int:
        """Return the epochs reported by all trials together."""
        rows = self._rows(
            "SELECT COUNT(*) FROM trial_intermediate_values AS reports"
            " JOIN trials ON trials.trial_id = reports.trial_id WHERE trials.study_id = :study AND {own}"
        )
        return int(rows[0][0])

    def seconds(self) -> float:
        """Return the wall-clock seconds during which at least one trial ran: breaks between runs cost nothing."""
        return covered(self._spans())

    def heartbeat_age(self) -> float | None:
        """Return the seconds since the newest heartbeat of a worker; None where there never was one."""
        ((newest,),) = self._rows(
            "SELECT MAX(heartbeat) FROM trial_heartbeats AS beats"
            " JOIN trials ON trials.trial_id = beats.trial_id WHERE study_id = :study AND {own}"
        )
        heartbeat = moment(newest)
        return None if heartbeat is None else max(0.0, (self._ask(utc_now) - heartbeat).total_seconds())

    def _spans(self) -> list[Span]:
        rows = self._rows(_SPANS)
        now = self._ask(utc_now) if any(complete is None for _, complete, _ in rows) else datetime.min
        spans = [
            (start, moment(complete) or _running_until(start, moment(heartbeat), now))
            for begun, complete, heartbeat in rows
            if (start := moment(begun)) is not None
        ]
        for (earlier,) in self._rows(
            "SELECT value_json FROM trial_user_attributes AS attributes"
            " JOIN trials ON trials.trial_id = attributes.trial_id"
            " WHERE trials.study_id = :study AND attributes.key = :key AND {own}",
            key=EARLIER,
        ):
            spans += map(from_json, json.loads(earlier))
        return spans

    def _rows(self, query: str, **values: Any) -> list[Any]:
        """The rows of a query; {own} and {refused} in it are the conditions on a trial."""
        own, refused = self._conditions
        whole = query.replace("{own}", own).replace("{refused}", refused)
        parameters = self._parameters | values
        return self._ask(lambda connection: connection.execute(whole, parameters))

    def _ask(self, question: Callable[[Transaction], T]) -> T:
        try:
            return self._connections.read(question)
        except self._connections.database.errors as error:
            url = without_password(self._url)
            raise StorageError(f"{url}: cannot be read ({innermost(error)})", url=url) from error


def _running_until(start: datetime, heartbeat: datetime | None, now: datetime) -> datetime:
    """When a running trial was last known to run: now, unless its worker's heartbeat stopped."""
    return last_seen(start, heartbeat, now) if fell_silent(heartbeat, now) else now
