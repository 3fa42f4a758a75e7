"""Transactions in plain SQL on the driver's own connections.

SQLAlchemy takes five to ten times as long around a statement as SQLite takes to answer it, and a trial of 30
reports asks two hundred. Its pool still keeps the connections.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]+)")


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


@contextmanager
def transaction(engine: Engine, *, read_only: bool = False) -> Iterator[Transaction]:
    """Begin a transaction, commit it at the end of the body, roll it back where that raises.

    read_only: it sees one state of the database, and waits for nobody who writes. Others lock a SQLite file first.
    Raises what `database_errors` names.
    """
    connection = engine.raw_connection()
    driver: Any = connection.driver_connection
    is_server = engine.name != "sqlite"
    try:
        if not is_server:
            driver.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")
        elif read_only:
            from mlpsearch.studies.storage.postgres import repeatable_read

            driver.isolation_level = repeatable_read()
        yield Transaction(driver, engine.name)
        driver.commit()
    except BaseException:
        if is_server and driver.closed:
            connection.invalidate()
        else:
            driver.rollback()
        raise
    finally:
        if is_server and read_only and not driver.closed:
            driver.isolation_level = None
        connection.close()


def database_errors(engine: Engine) -> tuple[type[Exception], ...]:
    """Return what a transaction raises where the database refuses it, or is away."""
    return (SQLAlchemyError, engine.dialect.loaded_dbapi.Error)


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
