"""Studies to look at."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlpsearch.studies.record import StudyRecord, open_study
from tests.search.dashboard.makers import study_to_see
from tests.search.makers import tested_study


@pytest.fixture(scope="package")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudyRecord]:
    """A finished study for all tests that leave its trials alone."""
    record = study_to_see(tmp_path_factory.mktemp("shared"))
    yield record
    record.storage.close()


@pytest.fixture(scope="package")
def _untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("untouched")
    study_to_see(folder).storage.close()
    return folder


@pytest.fixture
def record(_untouched: Path, tmp_path: Path) -> Iterator[StudyRecord]:
    """A finished study for the test alone."""
    shutil.copytree(_untouched, tmp_path / "seen")
    record = open_study(f"sqlite:///{tmp_path}/seen/studies.db", "mine")
    yield record
    record.storage.close()


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """A study of the digits that was searched, confirmed and tested."""
    monkeypatch.setenv("MLPSEARCH_CACHE", str(tmp_path / "cache"))
    return tested_study(tmp_path)
