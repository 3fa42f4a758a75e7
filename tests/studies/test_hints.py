"""Commands in messages."""

import pytest

from mlpsearch.studies.files import file_store
from mlpsearch.studies.hints import command
from mlpsearch.studies.storage import opening as storage


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(storage.ENVIRONMENT, raising=False)
    monkeypatch.delenv(file_store.ENVIRONMENT, raising=False)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///mlpsearch.db", "mlpsearch resume mine"),
        ("sqlite:///other.db", "mlpsearch resume mine --storage other.db"),
        ("sqlite:////a b/x.db", "mlpsearch resume mine --storage '/a b/x.db'"),
        (
            "postgresql+psycopg://ann:secret@h/d",
            "mlpsearch resume mine --storage 'postgresql+psycopg://ann:***@h/d'",
        ),
    ],
)
def test_another_storage_than_the_default_is_named(url: str, expected: str) -> None:
    assert command(url, "resume", "mine") == expected


def test_the_environments_storage_need_not_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(storage.ENVIRONMENT, "other.db")
    assert command("sqlite:///other.db", "resume", "mine") == "mlpsearch resume mine"
    assert command("sqlite:///mlpsearch.db", "resume", "mine") == "mlpsearch resume mine --storage mlpsearch.db"


def test_the_place_of_files_and_odd_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(file_store.ENVIRONMENT, "/shared/files")
    assert (
        command("sqlite:///mlpsearch.db", "status", "a study")
        == "mlpsearch status 'a study' --artifacts /shared/files"
    )
