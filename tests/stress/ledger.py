"""What a storage says of its trials, read with plain SQL: by other code than that which is tested."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One trial. reports: epoch → validation accuracy.  attributes: its user attributes."""

    trial_id: int
    number: int
    state: str
    value: float | None
    params: dict[str, float]
    reports: dict[int, float]
    attributes: dict[str, Any]

    @property
    def outcome(self) -> tuple[object, ...]:
        """What must not depend on who ran the trial, how often it was cut off, or when."""
        return self.number, self.state, self.value, self.params, self.reports


class Ledger:
    """Looks at the only study of a database, which may not be there yet."""

    def __init__(self, database: Path):
        self._database = database

    def rows(self) -> list[Row]:
        """All trials, by number."""
        if not self._database.is_file():
            return []
        try:
            with self.connection() as connection:
                connection.execute("BEGIN")  # one state of affairs for all that is read
                trials = connection.execute(
                    "SELECT trial_id, number, state FROM trials ORDER BY number"
                ).fetchall()
                values = dict(connection.execute("SELECT trial_id, value FROM trial_values").fetchall())
                params = _grouped(connection, "SELECT trial_id, param_name, param_value FROM trial_params")
                reports = _grouped(
                    connection, "SELECT trial_id, step, intermediate_value FROM trial_intermediate_values"
                )
                attributes = _grouped(connection, "SELECT trial_id, key, value_json FROM trial_user_attributes")
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):  # they are still being made
                return []
            raise
        return [
            Row(
                key,
                number,
                state,
                values.get(key),
                params.get(key, {}),
                reports.get(key, {}),
                {name: json.loads(value) for name, value in attributes.get(key, {}).items()},
            )
            for key, number, state in trials
        ]

    def in_state(self, *states: str) -> list[Row]:
        """The trials in one of these states, by number."""
        return [row for row in self.rows() if row.state in states]

    def ended(self) -> int:
        """How many trials are COMPLETE or PRUNED."""
        return len(self.in_state("COMPLETE", "PRUNED"))

    def study_attributes(self) -> dict[str, Any]:
        """The user attributes of the study."""
        with self.connection() as connection:
            return {
                key: json.loads(value)
                for key, value in connection.execute("SELECT key, value_json FROM study_user_attributes")
            }

    def integrity(self) -> str:
        """What SQLite's own check of the file says: "ok" if it is sound."""
        with self.connection() as connection:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection that begins no transaction by itself."""
        with closing(sqlite3.connect(self._database, timeout=60, isolation_level=None)) as connection:
            yield connection


def _grouped(connection: sqlite3.Connection, query: str) -> dict[int, dict[Any, Any]]:
    found: dict[int, dict[Any, Any]] = {}
    for trial_id, key, value in connection.execute(query):
        assert key not in found.setdefault(trial_id, {}), f"trial id {trial_id} has {key} twice"
        found[trial_id][key] = value
    return found
