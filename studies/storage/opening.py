"""The storage of studies: one URL, opened so that many processes can share it.

A PostgreSQL database is made for that. Stock Optuna on SQLite loses trials with parallel workers: its row locks do
nothing there, and a transaction that reads first and writes later works on what another process has changed in
between. Three settings make it safe: write-ahead logging, a busy timeout, and BEGIN IMMEDIATE on every transaction
that may write, in every process.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mlpsearch.models.errors import StorageError, about, innermost
from mlpsearch.models.paths import expanded
from mlpsearch.studies.storage.reconnecting import repeated

if TYPE_CHECKING:
    from mlpsearch.studies.storage.backend import Backend
    from mlpsearch.studies.storage.connections import Connections, Database

Purpose = Literal["", "opening"]  # of a lock

DEFAULT = "mlpsearch.db"
ENVIRONMENT = "MLPSEARCH_STORAGE"

_SQLITE = "sqlite:///"
_BESIDE = (".artifacts", ".lock", "-journal", "-shm", "-wal")  # endings of what is kept beside a SQLite file
_POSTGRESQL = ("postgresql+psycopg://", "postgresql://")  # the same: there is one driver

_NAMES = (
    "SELECT studies.study_name FROM studies JOIN study_user_attributes AS attributes"
    " ON attributes.study_id = studies.study_id WHERE attributes.key = 'id' AND NOT EXISTS"
    " (SELECT * FROM study_user_attributes AS others WHERE others.study_id = studies.study_id"
    " AND others.key = 'plan')"
)


def storage_url(given: str | None) -> str:
    """Return the URL to use: `given`, else the environment's MLPSEARCH_STORAGE, else the file mlpsearch.db.

    What has no "://" is the path of a SQLite file; ~ in a path is the user's home.
    Raises StorageError for what cannot hold a study.
    """
    text = given or os.environ.get(ENVIRONMENT) or DEFAULT
    url = text if "://" in text else f"{_SQLITE}{text}"
    if url.startswith(f"{_SQLITE}~"):
        url = f"{_SQLITE}{expanded(sqlite_path(url))}"
    if is_server(url):
        from mlpsearch.studies.storage.postgres import check_url

        check_url(url)
        return url
    if not url.startswith(_SQLITE):
        scheme = url.partition("://")[0]
        raise StorageError(f"storage {scheme}://…: must be a file, sqlite:///FILE or postgresql+psycopg://…")
    if sqlite_path(url).name in ("", ":memory:"):
        raise StorageError(f"storage {text}: must name a file; studies in memory would be lost", url=url)
    if url.endswith(_BESIDE):
        raise StorageError(
            f"storage {text}: must not end in {', '.join(_BESIDE)}: such files lie beside a storage", url=url
        )
    if "?" in url or "%" in url:  # SQLAlchemy would read options and escapes there, and open another file
        raise StorageError(f"storage {text}: the path of a storage must not have ? or % in it", url=url)
    return url


def is_server(url: str) -> bool:
    """Whether the URL is that of a PostgreSQL database; the others are files."""
    return url.startswith(_POSTGRESQL)


def without_password(url: str) -> str:
    """Return the URL as it may be printed and kept: without passwords."""
    if not is_server(url):
        return url
    from mlpsearch.studies.storage.postgres import masked

    return masked(url)


def sqlite_path(url: str) -> Path:
    """Return the file of a sqlite:/// URL."""
    return Path(url.removeprefix(_SQLITE))


def exists(url: str) -> bool:
    """Whether there is a storage at this URL. Raises StorageError for a server that cannot be asked."""
    with _clear_errors(url):
        if not is_server(url):
            return sqlite_path(url).is_file()
        from mlpsearch.studies.storage.postgres import schema

        return repeated(lambda: schema(url), opening=True) is not None


@dataclass(frozen=True, slots=True)
class Storage:
    """An open storage.

    url: with the password, if it has one: print `without_password(url)`.
    optuna: by Optuna's interface, and with what workers need besides.
    connections: for counting without loading every trial.
    """

    url: str = field(repr=False)
    optuna: "Backend"
    connections: "Connections"

    def stale_trial_ids(self, study_id: int) -> set[int]:
        """Return the running trials that have had no heartbeat for GRACE_SECONDS."""
        return set(self.optuna._get_stale_trial_ids(study_id))

    def trouble(self) -> str | None:
        """Say what became of the storage's file: None where it is there, and no other; a server has none."""
        return self.connections.database.trouble()

    def close(self) -> None:
        """Close its connections; what is asked later makes new ones."""
        self.connections.close()


def open_storage(url: str, *, create: bool = False, read_only: bool = False) -> Storage:
    """Return the storage, cached for reading and safe for many processes.

    create: make it where there is none; else that is a StorageError, as is a file that cannot be opened or was
    written by a newer Optuna.
    read_only: needs no right to write, leaves nothing behind, waits for nobody; else what cannot be written is a
    StorageError.
    """
    if not create and not exists(url):
        raise StorageError(
            f"{_place(url)}: no such storage; `mlpsearch run STUDY` makes one", url=without_password(url)
        )
    with _clear_errors(url):
        if is_server(url):
            return repeated(lambda: _open_postgresql(url, read_only), opening=True)
        return _open_sqlite(url, read_only)


@contextmanager
def _clear_errors(url: str) -> Iterator[None]:
    """Turn whatever goes wrong with opening a storage into a StorageError of one line."""
    with about(url=without_password(url)):
        try:
            yield
        except StorageError:
            raise
        except ModuleNotFoundError as error:
            if error.name != "psycopg":
                raise
            raise StorageError(
                f"{_place(url)}: needs the package psycopg: pip install 'mlpsearch[postgres]'"
            ) from error
        except Exception as error:
            raise StorageError(f"{_place(url)}: cannot be opened as a storage ({innermost(error)})") from error


def _place(url: str) -> str:
    return without_password(url) if is_server(url) else str(sqlite_path(url))


def _open_postgresql(url: str, read_only: bool) -> Storage:
    from mlpsearch.studies.storage.postgres import Database, engine_options, schema
    from mlpsearch.studies.storage.tables import leave_to_optuna, newest_version

    if schema(url) != newest_version():
        options = engine_options(url, read_only=read_only)
        # Two processes that make the tables at once would collide.
        with nullcontext() if read_only else exclusive(url):
            leave_to_optuna("postgresql+psycopg://", options, read_only=read_only)
    return _storage(url, Database(url, read_only))


def _open_sqlite(url: str, read_only: bool) -> Storage:
    from mlpsearch.studies.storage import sqlite
    from mlpsearch.studies.storage.tables import leave_to_optuna, make_tables, newest_version

    path = sqlite_path(url)
    if not read_only:
        sqlite.require_writable(path)
    if sqlite.schema(path) != newest_version():
        with nullcontext() if read_only else exclusive(url):
            if not read_only:
                sqlite.make(path)
                if sqlite.is_empty(path):
                    make_tables(sqlite.writer(path))
            if sqlite.schema(path) != newest_version():
                leave_to_optuna(url, sqlite.engine_options(path, read_only=read_only), read_only=read_only)
    return _storage(url, sqlite.opened(path, read_only=read_only))


def _storage(url: str, database: "Database") -> Storage:
    import optuna

    from mlpsearch.studies.storage.backend import Backend
    from mlpsearch.studies.storage.connections import Connections

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # what is worth saying, mlpsearch says
    connections = Connections(database)
    return Storage(url, Backend(connections), connections)


@contextmanager
def exclusive(url: str, purpose: Purpose = "") -> Iterator[None]:
    """Hold the storage's lock: for steps that read and write and must not interleave with another process's.

    purpose: "opening" for the lock of who opens a test split, which takes long; the other is held for moments.

    On SQLite it is a file lock beside the database, on PostgreSQL an advisory lock. Either ends with its process,
    however that ends; the latter with its connection already, so nothing that must be exact depends on it alone.
    """
    if is_server(url):
        from mlpsearch.studies.storage import postgres

        with postgres.exclusive(url, purpose):
            yield
        return
    from mlpsearch.studies.storage import sqlite

    with sqlite.exclusive(sqlite_path(url), purpose):
        yield


def is_storage_failure(error: BaseException) -> bool:
    """Whether the database failed: its disk is full, or another process held it for too long."""
    optuna = sys.modules.get("optuna")  # not imported, so not the culprit
    return optuna is not None and isinstance(error, optuna.exceptions.StorageInternalError)


def stored_names(url: str) -> list[str]:
    """Return the names of mlpsearch's studies, sorted, in a moment: Optuna takes half a second to import.

    Raises StorageError for a file that is no storage.
    """
    with _clear_errors(url):
        if is_server(url):
            from mlpsearch.studies.storage import postgres

            found = repeated(lambda: postgres.rows(url, _NAMES), opening=True)
        else:
            from mlpsearch.studies.storage import sqlite

            found = sqlite.rows(sqlite_path(url), _NAMES)
    return sorted(name for (name,) in found)
