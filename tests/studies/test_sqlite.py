"""What is said of a SQLite file without Optuna, and how it is read without leaving anything behind."""

import sqlite3
from contextlib import closing
from pathlib import Path

from optuna.storages import RDBStorage

from studies import sqlite
from studies.backend import newest_schema


def test_a_storage_of_the_newest_schema_is_known_without_optunas_migrations(tmp_path: Path) -> None:
    path = tmp_path / "studies.db"
    assert sqlite.schema(path) is None
    path.write_text("no database, but longer than the header of one would be: " + 100 * ".")
    assert sqlite.schema(path) is None
    path.unlink()
    RDBStorage(f"sqlite:///{path}").engine.dispose()
    assert sqlite.schema(path) == newest_schema()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    assert sqlite.schema(path) == "v99.0.0.a"
