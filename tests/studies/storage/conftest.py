"""An empty storage, on SQLite or wherever the test has its storages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpsearch.studies.storage.opening import Storage, open_storage
from tests.postgres import Server
from tests.studies.stores import new_storage, on


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Its URL."""
    return new_storage(tmp_path)


@pytest.fixture
def server_url(server: Server, tmp_path: Path) -> Iterator[str]:
    """The URL of one on a PostgreSQL server."""
    with on(server):
        yield new_storage(tmp_path)


@pytest.fixture
def storage(url: str) -> Iterator[Storage]:
    """It, opened."""
    opened = open_storage(url)
    yield opened
    opened.close()
