"""Statements within a transaction, in plain SQL on the driver's own connection.

SQLAlchemy takes five to ten times as long around a statement as SQLite takes to answer it, and a trial of 30
reports asks two hundred.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType
from typing import Any

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")
_SERVER_TIME = "SELECT clock_timestamp()"


class Transaction:
    """A transaction that goes on. database: "sqlite" or "postgresql".

    Statements are written alike for both: `:name` is a parameter, `IN :name` looks into a list of whole numbers,
    FOR UPDATE locks rows on a server. Values come back as the driver has them: states of trials as text, on
    SQLite moments, too (`moment`).
    """

    def __init__(self, connection: Any, database: str):
        self._connection = connection
        self.database = database

    def execute(self, query: str, parameters: Mapping[str, Any] = _NOTHING) -> list[Any]:
        """Return all rows of a statement, tuples; none where it gives none."""
        if self.database == "sqlite":
            parameters = {name: _for_sqlite(value) for name, value in parameters.items()}
        cursor = self._connection.execute(_translated(query, self.database), parameters)
        rows: list[Any] = cursor.fetchall() if cursor.description else []
        return rows

    def scalar(self, query: str, parameters: Mapping[str, Any] = _NOTHING) -> Any:
        """Return the first value of the first row, None where there is none."""
        rows = self.execute(query, parameters)
        return rows[0][0] if rows else None


def utc_now(connection: Transaction) -> datetime:
    """Return the time by the server's clock, for a file by this machine's; naive UTC."""
    if connection.database != "postgresql":
        return datetime.now(UTC).replace(tzinfo=None)
    now: datetime = connection.scalar(_SERVER_TIME)
    return now.astimezone(UTC).replace(tzinfo=None)


def moment(value: Any) -> datetime | None:
    """Return a moment that a database gave, naive UTC; None where it gave none."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _for_sqlite(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(" ", "microseconds")
    return json.dumps(value) if isinstance(value, list) else value


@cache
def _translated(query: str, database: str) -> str:
    if database == "sqlite":
        query = query.replace(" FOR UPDATE", "")
        return re.sub(r"\bIN (:[a-z_]+)", r"IN (SELECT value FROM json_each(\1))", query)
    return _PARAMETER.sub(r"%(\1)s", re.sub(r"\bIN (:[a-z_]+)", r"= ANY(\1)", query))
