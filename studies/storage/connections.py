"""The connections to a database, which the threads of a process share, and the transactions on them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from mlpsearch.studies.storage.reconnecting import repeated
from mlpsearch.studies.storage.transaction import Transaction

T = TypeVar("T")


class Database(Protocol):
    """What connections are made to: a SQLite file, or a database of a PostgreSQL server.

    name: "sqlite" or "postgresql".  kept: how many connections stay open while none is needed.
    errors: what the driver raises.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def kept(self) -> int: ...  # noqa: D102
    @property
    def errors(self) -> type[Exception]: ...  # noqa: D102

    def connect(self) -> Any:
        """Return a new connection."""

    def begin(self, connection: Any, *, read_only: bool) -> None:
        """Begin a transaction, or have the next statement begin one."""

    def trouble(self) -> str | None:
        """Say what became of a file: None where it is there, and no other, and of a server."""


class Connections:
    """Connections to one database, made when they are needed. Pickled, they go without the open ones."""

    def __init__(self, database: Database):
        self.database = database
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Connections, (self.database,)

    def __del__(self) -> None:  # the driver warns of connections that nobody closes
        try:  # noqa: SIM105 - as a process ends there is no `suppress` any more
            self.close()
        except KeyboardInterrupt:  # which Python would print, and lose as well
            pass

    def close(self) -> None:
        """Close those that nobody uses; what is asked later makes new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def transaction(self, *, read_only: bool = False) -> Iterator[Transaction]:
        """Begin a transaction, commit it at the end of the body, roll it back where that raises.

        read_only: it sees one state of the database, and waits for nobody who writes. Others lock a SQLite file
        first. Raises the database's errors.
        """
        connection = self._taken()
        try:
            self.database.begin(connection, read_only=read_only)
            yield Transaction(connection, self.database.name)
            connection.commit()
        except BaseException:
            if not _is_closed(connection):
                connection.rollback()
            raise
        finally:
            self._give_back(connection)

    def read(self, question: Callable[[Transaction], T]) -> T:
        """Return what is said in a transaction that only reads; it is asked again while the server is away."""
        return self._asked(question, read_only=True)

    def write(self, deed: Callable[[Transaction], T]) -> T:
        """Return what is said in a transaction that may write; it is done again while the server is away."""
        return self._asked(deed, read_only=False)

    def _asked(self, question: Callable[[Transaction], T], *, read_only: bool) -> T:
        def answer() -> T:
            with self.transaction(read_only=read_only) as transaction:
                return question(transaction)

        return repeated(answer)

    def _taken(self) -> Any:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self.database.connect()

    def _give_back(self, connection: Any) -> None:
        with self._lock:
            if len(self._idle) < self.database.kept and not _is_closed(connection):
                self._idle.append(connection)
                return
        connection.close()


def _is_closed(connection: Any) -> bool:
    """Whether the server has closed it; a file does not."""
    return bool(getattr(connection, "closed", False))
