"""Optuna's own tests of storages, over each of ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.storages import BaseStorage
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
        opened.close()


class TestOnPostgreSQL(StorageTestCase):
    """A database of a server."""

    @pytest.fixture
    def storage(self, server: Server, tmp_path: Path) -> Iterator[BaseStorage]:
        with on(server):
            opened = open_storage(new_storage(tmp_path))
            yield opened.optuna
            opened.close()
