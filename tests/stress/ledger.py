"""What a storage says of its trials, read with plain SQL: by other code than that which is tested."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.patience import PATIENCE_SECONDS


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
    """Looks at the only study of a database, which may not be there yet. storage: a file, or a server's URL."""

    def __init__(self, storage: Path | str):
        self._storage = storage

    def rows(self) -> list[Row]:
        """All trials, by number; a server that is away is waited for."""
        if isinstance(self._storage, Path) and not self._storage.is_file():
            return []
        while True:
            try:
                with self.connection() as connection:
                    return self._rows(connection)
            except (sqlite3.OperationalError, psycopg.errors.UndefinedTable) as error:
                if "no such table" in str(error) or isinstance(error, psycopg.Error):  # they are still being made
                    return []
                raise
            except psycopg.OperationalError:
                time.sleep(0.2)

    def _rows(self, connection: Any) -> list[Row]:
        # One state of affairs for all that is read.
        is_file = isinstance(connection, sqlite3.Connection)
        connection.execute("BEGIN" if is_file else "BEGIN ISOLATION LEVEL REPEATABLE READ")
        trials = connection.execute("SELECT trial_id, number, state FROM trials ORDER BY number").fetchall()
        values = dict(connection.execute("SELECT trial_id, value FROM trial_values").fetchall())
        params = _grouped(connection, "SELECT trial_id, param_name, param_value FROM trial_params")
        reports = _grouped(connection, "SELECT trial_id, step, intermediate_value FROM trial_intermediate_values")
        attributes = _grouped(connection, "SELECT trial_id, key, value_json FROM trial_user_attributes")
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

    def integrity(self) -> str:
        """What SQLite's own check of the file says: "ok" if it is sound. A server checks its data itself."""
        if not isinstance(self._storage, Path):
            return "ok"
        with self.connection() as connection:
            return str(connection.execute("PRAGMA integrity_check").fetchone()[0])

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A connection that begins no transaction by itself."""
        with closing(self._connect()) as connection:
            yield connection

    def _connect(self) -> Any:
        if isinstance(self._storage, Path):
            return sqlite3.connect(self._storage, timeout=PATIENCE_SECONDS, isolation_level=None)
        return psycopg.connect(self._storage.replace("+psycopg", ""), autocommit=True)


def _grouped(connection: Any, query: str) -> dict[int, dict[Any, Any]]:
    found: dict[int, dict[Any, Any]] = {}
    for trial_id, key, value in connection.execute(query):
        assert key not in found.setdefault(trial_id, {}), f"trial id {trial_id} has {key} twice"
        found[trial_id][key] = value
    return found
