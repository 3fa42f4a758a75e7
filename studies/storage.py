"""The storage of studies: one URL, opened so that many processes can share it.

Stock Optuna on SQLite loses trials with parallel workers: its row locks do nothing there, and a transaction that
reads first and writes later works on what another process has changed in between. Three settings make it safe:
write-ahead logging, a busy timeout, and BEGIN IMMEDIATE on every transaction that may write, in every process.
"""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import StorageError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from sqlalchemy import Engine

DEFAULT = "mlpsearch.db"
ENVIRONMENT = "MLPSEARCH_STORAGE"

HEARTBEAT_SECONDS = 5
GRACE_SECONDS = 30  # a worker that was silent this long is taken for dead
BUSY_SECONDS = 120  # how long a transaction waits for another process that holds the database

_SQLITE = "sqlite:///"


def storage_url(given: str | None) -> str:
    """Return the URL to use: `given`, else the environment's MLPSEARCH_STORAGE, else the file mlpsearch.db.

    What has no "://" is the path of a SQLite file. Raises StorageError for what cannot hold a study.
    """
    text = given or os.environ.get(ENVIRONMENT) or DEFAULT
    url = text if "://" in text else f"{_SQLITE}{text}"
    if not url.startswith(_SQLITE):
        scheme = url.partition("://")[0]
        raise StorageError(f"storage {scheme}://…: must be a file or sqlite:///FILE")
    if sqlite_path(url).name in ("", ":memory:"):
        raise StorageError(f"storage {text}: must name a file; studies in memory would be lost")
    if "?" in url or "%" in url:  # SQLAlchemy would read options and escapes there, and open another file
        raise StorageError(f"storage {text}: the path of a storage must not have ? or % in it")
    return url


def sqlite_path(url: str) -> Path:
    """Return the file of a sqlite:/// URL."""
    return Path(url.removeprefix(_SQLITE))


def artifact_folder(url: str) -> Path:
    """Return the folder of weights and checkpoints: beside the file, named after it."""
    return sqlite_path(url).with_suffix(".artifacts")


def exists(url: str) -> bool:
    """Whether there is a storage at this URL."""
    return sqlite_path(url).is_file()


@dataclass(frozen=True, slots=True)
class Storage:
    """An open storage.

    optuna: for everything that Optuna's interface offers.  engine: for counting without loading every trial.
    """

    url: str
    optuna: "BaseStorage"
    engine: "Engine"

    def record_heartbeat(self, trial_id: int) -> None:
        """Note that the worker of this trial lives."""
        self.optuna.record_heartbeat(trial_id)  # type: ignore[attr-defined]

    def stale_trial_ids(self, study_id: int) -> set[int]:
        """Return the running trials that have had no heartbeat for GRACE_SECONDS."""
        return set(self.optuna._get_stale_trial_ids(study_id))  # type: ignore[attr-defined]


def open_storage(url: str, *, create: bool = False) -> Storage:
    """Return the storage, cached for reading and safe for many processes.

    create: make it where there is none; else that is a StorageError, as is a file that cannot be opened or was
    written by a newer Optuna.
    """
    path = sqlite_path(url)
    if not create and not exists(url):
        raise StorageError(f"{path}: no such storage; `mlpsearch run STUDY` makes one")
    try:
        with exclusive(url):  # two processes that make the tables at once would collide
            return _open_sqlite(url)
    except StorageError:
        raise
    except Exception as error:
        raise StorageError(f"{path}: cannot be opened as a storage ({innermost(error)})") from error


def _open_sqlite(url: str) -> Storage:
    import optuna
    from optuna.storages import get_storage
    from sqlalchemy import event

    from studies.backend import Backend, has_newest_schema

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # what is worth saying, mlpsearch says
    known = has_newest_schema(sqlite_path(url))
    with warnings.catch_warnings():  # heartbeats are marked experimental; tests pin what we use of them
        warnings.simplefilter("ignore")
        backend = Backend(
            url,
            engine_kwargs={"connect_args": {"timeout": BUSY_SECONDS}},
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            skip_compatibility_check=known,
            skip_table_creation=known,
        )
    event.listen(backend.engine, "connect", _on_connect)
    event.listen(backend.engine, "begin", _on_begin)
    backend.engine.dispose()  # the connection that made the tables came before the settings
    return Storage(url, get_storage(backend), backend.engine)


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # sqlite3 shall not begin transactions of its own
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")


def _on_begin(connection: Any) -> None:
    from studies.backend import READ_ONLY

    # Who only reads sees one state of the database and waits for nobody.
    reads = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextmanager
def exclusive(url: str) -> Iterator[None]:
    """Hold the storage's lock: for steps that read and write and must not interleave with another process's.

    It is a file lock beside the database, so it ends with its process however that ends.
    """
    from filelock import FileLock

    path = sqlite_path(url)
    try:
        lock = FileLock(path.with_name(path.name + ".lock"))
        lock.acquire()
    except OSError as error:
        raise StorageError(f"{path}: cannot be locked ({innermost(error)})") from error
    try:
        yield
    finally:
        lock.release()


def is_storage_failure(error: BaseException) -> bool:
    """Whether the database failed: its disk is full, or another process held it for longer than BUSY_SECONDS."""
    optuna = sys.modules.get("optuna")  # not imported, so not the culprit
    return optuna is not None and isinstance(error, optuna.exceptions.StorageInternalError)


def stored_names(url: str) -> list[str]:
    """Return the names of mlpsearch's studies, sorted, in a moment: Optuna takes half a second to import.

    Raises StorageError for a file that is no storage.
    """
    import sqlite3

    path = sqlite_path(url)
    try:
        with closing(
            sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True, timeout=BUSY_SECONDS)
        ) as reader:
            rows = reader.execute(
                "SELECT studies.study_name FROM studies JOIN study_user_attributes AS attributes"
                " ON attributes.study_id = studies.study_id WHERE attributes.key = 'id' AND NOT EXISTS"
                " (SELECT * FROM study_user_attributes AS others WHERE others.study_id = studies.study_id"
                " AND others.key = 'plan') ORDER BY study_name"
            ).fetchall()
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be opened as a storage ({innermost(error)})") from error
    return [name for (name,) in rows]


def innermost(error: BaseException) -> str:
    """Return an error's innermost cause in one line: SQLAlchemy's own messages run over several."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).splitlines() or [type(error).__name__])[0]
