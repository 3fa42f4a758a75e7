"""The storage of studies: one URL, opened so that many processes can share it.

A PostgreSQL database is made for that. Stock Optuna on SQLite loses trials with parallel workers: its row locks do
nothing there, and a transaction that reads first and writes later works on what another process has changed in
between. Three settings make it safe: write-ahead logging, a busy timeout, and BEGIN IMMEDIATE on every transaction
that may write, in every process.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlpsearch.models.errors import StorageError, about, innermost
from mlpsearch.models.paths import expanded
from mlpsearch.studies.storage.reconnecting import repeated
from mlpsearch.studies.storage.spans import GRACE_SECONDS, HEARTBEAT_SECONDS

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from mlpsearch.studies.storage.backend import Backend
    from mlpsearch.studies.storage.cache import Cache

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
    optuna: for everything that Optuna's interface offers.  backend: for what it does not.
    """

    url: str = field(repr=False)
    optuna: "Cache"
    backend: "Backend"

    @property
    def engine(self) -> "Engine":
        """For counting without loading every trial."""
        return self.backend.engine

    def stale_trial_ids(self, study_id: int) -> set[int]:
        """Return the running trials that have had no heartbeat for GRACE_SECONDS."""
        return set(self.backend._get_stale_trial_ids(study_id))

    def trouble(self) -> str | None:
        """Say what became of the storage's file: None where it is there, and no other; a server has none."""
        return self.backend.trouble()


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
    from mlpsearch.studies.storage.backend import newest_schema
    from mlpsearch.studies.storage.postgres import engine_options, schema

    def opened(*, known: bool) -> Storage:
        options = engine_options(url, read_only=read_only)
        return _storage(url, "postgresql+psycopg://", options, known=known, read_only=read_only)

    if read_only or schema(url) == newest_schema():
        return opened(known=schema(url) == newest_schema())
    with exclusive(url):  # two processes that make the tables at once would collide
        return opened(known=False)


def _open_sqlite(url: str, read_only: bool) -> Storage:
    from mlpsearch.studies.storage import sqlite
    from mlpsearch.studies.storage.backend import newest_schema

    path = sqlite_path(url)

    def opened() -> Storage:
        known = sqlite.schema(path) == newest_schema()
        options = sqlite.engine_options(path, read_only=read_only)
        return _storage(url, url, options, known=known, read_only=read_only)

    if not read_only:
        sqlite.require_writable(path)
    if read_only or sqlite.schema(path) == newest_schema():
        return opened()
    with exclusive(url):  # two processes that make the tables at once would collide
        sqlite.make(path)
        if sqlite.is_empty(path):
            from mlpsearch.studies.storage.tables import make_tables

            make_tables(path, newest_schema())
        return opened()


def _storage(
    url: str, engine_url: str, engine_options: dict[str, Any], *, known: bool, read_only: bool
) -> Storage:
    """Return the storage; known: whether it has all tables as this Optuna makes them."""
    import optuna

    from mlpsearch.studies.storage.backend import Backend
    from mlpsearch.studies.storage.cache import Cache

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # what is worth saying, mlpsearch says
    with warnings.catch_warnings():  # heartbeats are marked experimental; tests pin what we use of them
        warnings.simplefilter("ignore")
        backend = Backend(
            engine_url,
            engine_kwargs=engine_options,
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            known=known,
            file=None if is_server(url) else sqlite_path(url).absolute(),
            read_only=read_only,
        )
    return Storage(url, Cache(backend), backend)


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
