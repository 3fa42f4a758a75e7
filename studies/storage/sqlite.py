"""A SQLite file as a storage: its connections, its locks, and what it says without Optuna.

Who only looks leaves nothing behind and needs no right to write. SQLite by itself would make two files beside a
database with a write-ahead log, which then are the looker's own and can keep its owner from writing; and where it
may not make them, it would read nothing. So a file that nobody has open is read without locks, and what was read
counts only if the file is the same afterwards.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from mlpsearch.models.errors import StorageError, innermost
from mlpsearch.studies.storage.reconnecting import Disturbed, repeated

BUSY_SECONDS = 120  # how long a transaction waits for another process that holds the database

GONE = "is gone: it was moved away or deleted"

_BESIDE = ("", "-wal", "-shm", "-journal")  # the files of a database: their names after its own

C = TypeVar("C", bound=sqlite3.Connection)
State = tuple[tuple[int, int, int] | None, ...]


class _Unlocked(sqlite3.Connection):
    """A connection without locks to a file that nobody has open: a transaction fails where somebody came."""

    path: Path
    state: State

    def commit(self) -> None:
        """End the transaction. Raises Disturbed where the file has changed since the connection was made."""
        super().commit()
        self._require_peace()

    def rollback(self) -> None:
        """End the transaction. Raises Disturbed likewise: what went wrong may have gone wrong because of that."""
        super().rollback()
        self._require_peace()

    def _require_peace(self) -> None:
        if _state(self.path) != self.state:
            raise Disturbed(f"{self.path}: was written to while it was read")


def file_error(path: Path, problem: str) -> StorageError:
    """Return the error of a storage in a file; problem: what is wrong with it, as the message ends."""
    return StorageError(f"{path}: {problem}", url=f"sqlite:///{path}")


def reader(path: Path) -> sqlite3.Connection:
    """Return a connection that reads only, and makes no file. Raises StorageError where there is no file."""
    state = _state(path)
    file, log, index, journal = state
    if file is None:
        raise file_error(path, GONE)
    in_use = journal is not None or (log is not None and index is not None)
    if in_use:
        return _connected(path, "mode=ro", sqlite3.Connection)
    # What a crash, or who copied the file, has left in the log counts as well.
    has_log = log is not None and log[1] > 0
    options = "mode=ro&vfs=unix-none" if has_log else "immutable=1"
    connection = _connected(path, options, _Unlocked)
    connection.path, connection.state = path, state
    if has_log:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")  # which needs no index in a file
    return connection


def writer(path: Path) -> sqlite3.Connection:
    """Return a connection that may write. Raises StorageError where there is no file."""
    if not path.exists():
        raise file_error(path, GONE)
    connection = _connected(path, "mode=rw", sqlite3.Connection)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(path: Path, options: str, factory: type[C]) -> C:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,  # sqlite3 shall not begin transactions of its own
        check_same_thread=False,  # Connections gives one to one thread at a time
        factory=factory,
    )


@dataclass(frozen=True, slots=True)
class File:
    """A file as a storage has it open: where it is gone, every transaction is a StorageError.

    Also where another file has its name now, for the ids that a process knows are those of the first.
    read_only: whether it is never written.  identity: what tells the file from another.
    """

    path: Path
    read_only: bool
    identity: tuple[int, int] | None

    name = "sqlite"
    errors = sqlite3.Error

    @property
    def kept(self) -> int:
        """How many connections stay open: how to connect to read only depends on who has the file open then."""
        return 0 if self.read_only else 5

    def connect(self) -> sqlite3.Connection:
        """Return a new connection. Raises StorageError where the file is gone or was replaced."""
        self._require_same()
        return reader(self.path) if self.read_only else writer(self.path)

    def begin(self, connection: sqlite3.Connection, *, read_only: bool) -> None:
        """Begin a transaction, which locks the file unless it only reads. Raises what `connect` raises."""
        self._require_same()
        connection.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")

    def trouble(self) -> str | None:
        """Say what became of the file: None where it is there, and no other."""
        now = identity(self.path)
        if now is None:
            return GONE
        return None if now == self.identity else "is another file now: it was replaced while in use"

    def _require_same(self) -> None:
        trouble = self.trouble()
        if trouble is not None:
            raise file_error(self.path, trouble)


def opened(path: Path, *, read_only: bool) -> File:
    """Return a file as a storage has it open."""
    path = path.absolute()
    return File(path, read_only, identity(path))


def engine_options(path: Path, *, read_only: bool) -> dict[str, Any]:
    """Return how Optuna shall connect to a file."""
    return {"creator": partial(reader if read_only else writer, path.absolute()), "pool_reset_on_return": None}


def make(path: Path) -> None:
    """Make an empty database, if there is no file."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def is_empty(path: Path) -> bool:
    """Whether a database has no tables. Raises what SQLite says of a file that is none."""
    return rows(path, "SELECT COUNT(*) FROM sqlite_master") == [(0,)]


def rows(path: Path, query: str) -> list[Any]:
    """Return all rows of a query, over a connection of its own; again where the file changed while it was read."""

    def read() -> list[Any]:
        with closing(reader(path)) as connection:
            try:
                return connection.execute(query).fetchall()
            finally:
                connection.commit()

    return repeated(read)


def schema(path: Path) -> str | None:
    """Return the version of the tables, None where there are none."""
    if not path.is_file():
        return None
    with suppress(sqlite3.Error):  # Optuna says what is wrong with it
        for (version,) in rows(path, "SELECT version_num FROM alembic_version"):
            return str(version)
    return None


def require_writable(path: Path) -> None:
    """Raise StorageError where this process may not write to the file, or not make files beside it."""
    for needed in (path, path.absolute().parent):
        if needed.exists() and not os.access(needed, os.W_OK):
            raise file_error(path, f"can only be read here ({needed} cannot be written), and this would write")


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name, None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def exclusive(path: Path, purpose: str) -> Iterator[None]:
    """Hold a lock file beside the database."""
    from filelock import FileLock

    suffix = f".{purpose}.lock" if purpose else ".lock"
    try:
        lock = FileLock(path.with_name(path.name + suffix))
        lock.acquire()
    except OSError as error:
        raise file_error(path, f"cannot be locked ({innermost(error)})") from error
    try:
        yield
    finally:
        lock.release()


def _state(path: Path) -> State:
    return tuple(_seen(path.with_name(path.name + suffix)) for suffix in _BESIDE)


def _seen(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
