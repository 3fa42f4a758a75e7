"""Files lie beside their database, unless a test says otherwise."""

import pytest

from mlpsearch.studies.files.file_store import ENVIRONMENT


@pytest.fixture(autouse=True)
def _no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT, "")
