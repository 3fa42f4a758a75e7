"""A PostgreSQL and an S3 server for all tests that want one, storages on both databases, places of both kinds."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpsearch.studies.storage.backend import Backend
from tests.postgres import Server, running_server
from tests.s3 import S3, running_s3
from tests.studies.stores import on

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_counts() -> Iterator[None]:
    """The background jobs of a shell ignore it, and so would all that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server, started once."""
    with running_server() as started:
        yield started


@pytest.fixture(params=DATABASES)
def server_or_none(request: pytest.FixtureRequest) -> Server | None:
    """Runs the test twice: for SQLite, with None, and for PostgreSQL, with the server."""
    return request.getfixturevalue("server") if request.param == "postgresql" else None


@pytest.fixture
def database(server_or_none: Server | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs the test twice, with its storages on SQLite and on PostgreSQL."""
    # As if the server were not just started: nobody is silent then.
    monkeypatch.setattr(Backend, "_server_seconds", lambda _: 1e6)
    with on(server_or_none):
        yield


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """An S3 server, started once."""
    with running_s3() as started:
        yield started


@pytest.fixture
def bucket(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> str:
    """A place in a bucket, with nothing in it yet."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server.new_place()


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Runs the test twice, with a folder that is not made yet and with a place in a bucket."""
    return str(tmp_path / "shared") if request.param == "folder" else str(request.getfixturevalue("bucket"))
