"""Optuna's tables: a new SQLite file gets them here, all else is left to Optuna.

Optuna loads SQLAlchemy and alembic for that, and all its migrations, which takes as long as the rest of a command.
"""

import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any

import optuna

_VERSION = "v3.2.0.a"  # of the tables in tables.sql
_SCHEMA = 12  # which Optuna has not changed since it has migrations
_TABLES = Path(__file__).with_name("tables.sql")


def newest_version() -> str:
    """Return the version of the tables as this Optuna makes them."""
    names = (entry.name for entry in files("optuna.storages._rdb.alembic.versions").iterdir())
    return max(name.removesuffix(".py").rstrip("_") for name in names if name.endswith(".py"))


def make_tables(connection: sqlite3.Connection) -> None:
    """Make all tables in a file that has none, as this Optuna does; none where those of tables.sql are others."""
    if newest_version() != _VERSION:
        return
    with closing(connection):
        connection.execute("BEGIN IMMEDIATE")
        for statement in _TABLES.read_text("utf-8").split(";\n"):
            connection.execute(statement)
        connection.execute("INSERT INTO version_info VALUES (1, ?, ?)", (_SCHEMA, optuna.__version__))
        connection.execute("INSERT INTO alembic_version VALUES (?)", (_VERSION,))
        connection.commit()


def leave_to_optuna(url: str, engine_options: dict[str, Any], *, read_only: bool) -> None:
    """Have Optuna make what tables are missing, unless read_only, or raise what it has against those there are."""
    storage = optuna.storages.RDBStorage(url, engine_options, skip_table_creation=read_only)
    storage.engine.dispose()
