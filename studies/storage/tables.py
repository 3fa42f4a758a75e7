"""Optuna's tables in a new SQLite file, as this Optuna makes them.

Optuna itself loads alembic and all its migrations for that, which takes a fifth of the start of a command.
"""

from pathlib import Path

import optuna
from optuna.storages._rdb import models as optuna_tables
from sqlalchemy import create_engine

from mlpsearch.studies.storage import sqlite

_OF_ALEMBIC = """CREATE TABLE alembic_version (
\tversion_num VARCHAR(32) NOT NULL, 
\tCONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""  # noqa: W291 - as alembic writes it
_VERSION = "INSERT INTO version_info (version_info_id, schema_version, library_version) VALUES (1, ?, ?)"
_REVISION = "INSERT INTO alembic_version (version_num) VALUES (?)"


def make_tables(path: Path, schema: str) -> None:
    """Make all tables in a file that has none, in one transaction. schema: their version."""
    engine = create_engine("sqlite://", **sqlite.engine_options(path, read_only=False))
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            optuna_tables.BaseModel.metadata.create_all(connection, checkfirst=False)
            version = (optuna_tables.SCHEMA_VERSION, optuna.version.__version__)
            connection.exec_driver_sql(_VERSION, version)
            connection.exec_driver_sql(_OF_ALEMBIC)
            connection.exec_driver_sql(_REVISION, (schema,))
            connection.commit()
    finally:
        engine.dispose()
