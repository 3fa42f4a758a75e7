"""Optuna's own tests of storages, over each of ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.storages import BaseStorage
from optuna.storages._rdb.models import BaseModel
from optuna.testing.pytest_storages import StorageTestCase

from mlpsearch.studies.storage.opening import open_storage
from tests.postgres import Server
from tests.studies.stores import new_storage, on


class TestOnSQLite(StorageTestCase):
    """A file."""

    @pytest.fixture
    def storage(self, tmp_path: Path) -> Iterator[BaseStorage]:
        opened = open_storage(new_storage(tmp_path))
        yield opened.optuna
        opened.engine.dispose()


@pytest.fixture(scope="module")
def url(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with on(server):
        yield new_storage(tmp_path_factory.mktemp("suite"))


class TestOnPostgreSQL(StorageTestCase):
    """One database for all tests, emptied for each: to make one takes longer than a test."""

    @pytest.fixture
    def storage(self, server: Server, url: str) -> Iterator[BaseStorage]:
        tables = ", ".join(
            table.name for table in BaseModel.metadata.sorted_tables if table.name != "version_info"
        )
        server.execute(f"TRUNCATE {tables} RESTART IDENTITY", url.rpartition("/")[2])
        opened = open_storage(url)
        yield opened.optuna
        opened.engine.dispose()
