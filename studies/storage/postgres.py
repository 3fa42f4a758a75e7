"""A PostgreSQL database as a storage: its URL, its connections, its lock, and what it says without Optuna.

The URL is libpq's own, so passwords may come from PGPASSWORD, ~/.pgpass or a service file. SQLAlchemy never gets
to see it, and the driver's messages about it are masked: neither can give a password away.
"""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mlpsearch.models.errors import StorageError
from mlpsearch.studies.storage.reconnecting import repeated

if TYPE_CHECKING:
    from psycopg import Connection

WAIT_SECONDS = 120  # how long a statement waits for another process's lock, and an idle transaction is let be

# The numbers of our advisory locks, in each database, by their purpose.
_LOCKS = {"": int.from_bytes(b"mlpsearc"), "opening": int.from_bytes(b"mlpsopen")}

# Where the network or the other machine is gone, that shall show within a minute. The URL may say otherwise.
_DEFAULTS = {
    "connect_timeout": "10",
    "fallback_application_name": "mlpsearch",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_SETTINGS = {
    "TimeZone": "UTC",  # the tables have times without a zone; Optuna lets the server fill in some of them
    "default_transaction_isolation": "read committed",
    "lock_timeout": f"{WAIT_SECONDS}s",
    # A machine that vanished while it held a lock shall not hold it for hours.
    "idle_in_transaction_session_timeout": f"{WAIT_SECONDS}s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_SET = "SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items())

_SET_READ_ONLY = "SELECT set_config('default_transaction_read_only', 'on', false)"

_SECRET_OPTION = re.compile(r"(?<=[?&])([^=&]*pass?w[^=&]*=)([^&]*)", re.IGNORECASE)  # also a misspelt one


def check_url(url: str) -> None:
    """Raise StorageError for a URL whose password might be taken for something else, and be printed."""
    scheme, _, rest = url.partition("://")
    server = re.split("[/?]", rest, maxsplit=1)[0]
    if rest.count("@") > server.count("@") or server.count("@") > 1:
        raise StorageError(
            f"storage {scheme}://…: may have one @, between password and host; "
            "in a password, @ / ? must be written as %40 %2F %3F"
        )


def masked(url: str) -> str:
    """Return the URL with *** for its passwords."""
    scheme, _, rest = url.partition("://")
    rest = re.sub(r"^([^:@/?]*):([^@/?]*)@", r"\1:***@", rest)
    return f"{scheme}://" + _SECRET_OPTION.sub(r"\1***", rest)


def connect(url: str, *, read_only: bool = False) -> "Connection":
    """Return a new connection, set up as all of ours are. Raises psycopg.Error, with passwords masked."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    address = f"postgresql://{url.partition('://')[2]}"
    try:
        given = conninfo_to_dict(address)
        defaults: dict[str, Any] = {key: _DEFAULTS[key] for key in _DEFAULTS.keys() - given}
        connection = psycopg.connect(address, **defaults)
    except psycopg.Error as error:
        masked_error = type(error)(_without_secrets(str(error), url))
    else:
        connection.execute(_SET)
        if read_only:
            connection.execute(_SET_READ_ONLY)
        connection.commit()  # or the settings would go with the first transaction that is rolled back
        return connection
    raise masked_error  # here, so that it does not remember the other


@dataclass(frozen=True, slots=True)
class Database:
    """A database as a storage has it open; its description has no password.

    read_only: whether it is never written.
    """

    url: str = field(repr=False)
    read_only: bool

    name = "postgresql"
    # The server has a hundred for all. A process needs one, and now and then another: for its heartbeat, and to
    # read while it adds a trial.
    kept = 1

    @property
    def errors(self) -> type[Exception]:
        """What the driver raises."""
        import psycopg

        return psycopg.Error

    def connect(self) -> "Connection":
        """Return a new connection."""
        return connect(self.url, read_only=self.read_only)

    def begin(self, connection: "Connection", *, read_only: bool) -> None:
        """Have the next statement begin a transaction, which sees one state of the database if it only reads."""
        from psycopg import IsolationLevel

        connection.isolation_level = IsolationLevel.REPEATABLE_READ if read_only else None

    def trouble(self) -> str | None:
        """Say nothing: a server's files are its own."""
        return None


def engine_options(url: str, *, read_only: bool = False) -> dict[str, Any]:
    """Return how Optuna shall connect to a database."""
    connector = Database(url, read_only).connect
    return {"creator": connector, "use_native_hstore": False}  # or it would ask the server about hstore


@contextmanager
def exclusive(url: str, purpose: str = "") -> Iterator[None]:
    """Hold the database's advisory lock of this purpose, which ends with its connection."""

    def locked() -> "Connection":
        connection = connect(url)
        try:
            connection.autocommit = True
            connection.execute("SET lock_timeout = 0")
            connection.execute("SELECT pg_advisory_lock(%s)", (_LOCKS[purpose],))
        except BaseException:
            connection.close()
            raise
        return connection

    with closing(repeated(locked)):
        yield


def schema(url: str) -> str | None:
    """Return the version of the tables, None where there are none."""
    with closing(connect(url)) as connection:
        (table,) = connection.execute("SELECT to_regclass('alembic_version')::text").fetchone() or (None,)
        row = None if table is None else connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def rows(url: str, query: str) -> list[Any]:
    """Return all rows of a query, over a connection of its own."""
    with closing(connect(url)) as connection:
        return connection.execute(query.encode()).fetchall()


def _without_secrets(message: str, url: str) -> str:
    rest = url.partition("://")[2]
    found = re.match(r"[^:@/?]*:([^@/?]*)@", rest)
    secrets = [*([found[1]] if found else []), *(option[1] for option in _SECRET_OPTION.findall(rest))]
    for secret in filter(None, secrets):
        message = message.replace(secret, "***").replace(unquote(secret), "***")
    return message
