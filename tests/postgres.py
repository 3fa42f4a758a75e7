"""A real PostgreSQL server, started by the tests: in a folder of its own, with a password, on a free port."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
import pytest

from mlpsearch.studies.storage.connections import Connections

REQUIRE = "MLPSEARCH_REQUIRE_POSTGRES"  # set where the tests shall fail rather than skip without a server
USER = "tester"
PASSWORD = "s3cret/with @ and %"  # in a URL all but letters are escaped
ESCAPED = "s3cret%2Fwith%20%40%20and%20%25"

# Puts out whoever still is in a database, and takes the rows out of all tables but those of the schema's version:
# in a fraction of the time that a new database takes.
_EMPTY = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
DO $$ DECLARE found record; BEGIN
    PERFORM set_config('session_replication_role', 'replica', true);  -- keys of other tables do not matter
    FOR found IN SELECT tablename AS name FROM pg_tables
        WHERE schemaname = 'public' AND tablename NOT IN ('alembic_version', 'version_info')
    LOOP EXECUTE format('DELETE FROM %I', found.name); END LOOP;
    FOR found IN SELECT sequencename AS name FROM pg_sequences WHERE schemaname = 'public'
    LOOP PERFORM setval(format('%I', found.name), 1, false); END LOOP;
END $$;
SELECT version_num FROM alembic_version
"""
_SETTINGS = {"fsync": "off", "listen_addresses": "127.0.0.1", "max_connections": "100", "shared_buffers": "32MB"}


@dataclass(slots=True, eq=False)
class Server:
    """A running server. folder: of its data and its socket, owned by the user that it runs as."""

    programs: Path
    folder: Path
    port: int
    owner: dict[str, Any] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)
    _made: dict[str, str] = field(default_factory=dict)  # each database to remove, and what it is a copy of
    _emptied: dict[str, list[str]] = field(default_factory=dict)  # by what they are copies of

    def url(self, database: str, *, password: str | None = ESCAPED) -> str:
        """The URL of a database of this server."""
        user = USER if password is None else f"{USER}:{password}"
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """Make a database, or take one that is as good as new, and return its name; `clean` removes it."""
        if spare := self._emptied.get(template):
            name = spare.pop()
        else:
            name = f"test_{next(self._numbers)}"
            self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._made[name] = template
        return name

    def keep(self, database: str) -> None:
        """Keep a database of empty tables; its copies are emptied in place of being removed."""
        del self._made[database]
        self._emptied[database] = []

    @contextmanager
    def clean(self) -> Iterator[None]:
        """Remove or empty in the end what databases were made within, and end the connections to them."""
        connections, connect = list[Any](), psycopg.connect

        def noted(*address: Any, **options: Any) -> Any:
            connections.append(connect(*address, **options))
            return connections[-1]

        try:
            with patch.object(psycopg, "connect", noted):
                yield
        finally:
            for connection in connections:
                connection.close()
            while self._made:
                self._remove(*self._made.popitem())

    def _remove(self, database: str, template: str) -> None:
        versions = "SELECT version_num FROM alembic_version"
        if template in self._emptied and self.execute(_EMPTY, database) == self.execute(versions, template):
            self._emptied[template].append(database)
        else:
            self.execute(f"DROP DATABASE {database} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run a statement outside of transactions, or several in one; return what the last one finds."""
        address = self.url(database).replace("+psycopg", "")
        with closing(psycopg.connect(address, autocommit=True)) as connection:
            cursor = connection.execute(statement.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description else []

    def restart(self, mode: str = "fast", away: float = 0.0) -> None:
        """Restart it; mode: as pg_ctl has it, "immediate" is a crash.  away: seconds until it comes back."""
        self.stop(mode)
        time.sleep(away)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "-w", "-t", "120", "-D", str(self.folder / "data"), "-l", log)

    def stop(self, mode: str = "fast") -> None:
        """Stop it; mode: as pg_ctl has it, "immediate" is a crash."""
        self._run("pg_ctl", "stop", "-w", "-t", "120", "-D", str(self.folder / "data"), "-m", mode)

    def make(self) -> None:
        """Make its data."""
        secret = self.folder / "password"
        secret.write_text(PASSWORD + "\n", encoding="utf-8")
        secret.chmod(0o644)
        words = (
            "--no-locale",
            "--encoding=UTF8",
            "--auth=scram-sha-256",
            f"--username={USER}",
            f"--pwfile={secret}",
            "--no-sync",
        )
        self._run("initdb", "-D", str(self.folder / "data"), *words)
        settings = _SETTINGS | {"port": str(self.port), "unix_socket_directories": str(self.folder)}
        with (self.folder / "data" / "postgresql.auto.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _run(self, program: str, *words: str) -> None:
        said = self.folder / "said"  # no pipe: the server would keep it open
        with said.open("w", encoding="utf-8") as file:
            done = subprocess.run(
                [str(self.programs / program), *words],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                # Another zone than that of the times in the tables.
                env={"PATH": os.environ["PATH"], "TZ": "Asia/Kolkata", "LC_ALL": "C"},
                check=False,
                **self.owner,
            )
        log = self.folder / "log"
        log_end = log.read_text(encoding="utf-8")[-2000:] if log.exists() else ""
        assert done.returncode == 0, f"{program}: {said.read_text(encoding='utf-8')}\n{log_end}"


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server, and stop it in the end. Skips the test where there are no programs for it."""
    programs = find_programs()
    if programs is None:
        reason = "no PostgreSQL server on this machine: initdb and pg_ctl were not found"
        if os.environ.get(REQUIRE):
            pytest.fail(f"{reason}, and {REQUIRE} is set")
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # short, for the name of a socket must be
    server = Server(programs, folder, _free_port(), _owner())
    try:
        if server.owner:
            os.chown(folder, server.owner["user"], server.owner["group"])
        server.make()
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop("immediate")
        shutil.rmtree(folder)


def find_programs() -> Path | None:
    """The folder of initdb and pg_ctl: in the PATH, where pg_config says, or where Debian puts them."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    if shutil.which("pg_config"):
        said = subprocess.run(
            ["pg_config", "--bindir"], capture_output=True, text=True, check=False
        ).stdout.strip()
        folders.append(Path(said))
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _number(path.parent.name))[::-1]
    return next((one for one in folders if (one / "initdb").exists() and (one / "pg_ctl").exists()), None)


def _number(version: str) -> float:
    return float(version) if version.replace(".", "", 1).isdigit() else 0.0


def _owner() -> dict[str, Any]:
    """For subprocess, a user that may run a server: initdb refuses root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    return {}


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def lose_answers(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Let the server go right after every other commit; return the list that each such loss is noted in."""
    transaction = Connections.transaction
    losses: list[None] = []
    is_next = cycle((True, False))

    @contextmanager
    def losing(connections: Connections, *, read_only: bool = False) -> Iterator[Any]:
        with transaction(connections, read_only=read_only) as connection:
            yield connection
        if not read_only and next(is_next):
            losses.append(None)
            raise psycopg.errors.AdminShutdown("terminating connection due to administrator command")

    monkeypatch.setattr(Connections, "transaction", losing)
    return losses
