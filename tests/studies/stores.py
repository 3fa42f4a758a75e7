"""Storages and studies for tests, made quickly: the tables of an empty storage are made once and copied.

They are SQLite files, but databases of a PostgreSQL server within `on(server)`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.files.base import FolderFiles
from mlpsearch.studies.files.file_store import file_store_for
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.keys import Budget
from mlpsearch.studies.spec.reading import parse_spec
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import open_storage
from tests.postgres import Server

SOURCE = {"data": None, "fingerprint": "f" * 64}

_TEXT = """
name = "mine"
net = "numpy"
dataset = "digits"
sampler = "random"
pruner = "none"
[budget]
trials = 5
epochs = 3
[search]
hidden_size = { low = 4, high = 16 }
learning_rate = { low = 1e-3, high = 0.1, log = true }
"""


def spec(*, trials: int = 5, epochs: int = 3, **changes: Any) -> StudySpec:
    """A small specification, with some of its keys changed; those of the budget are named like the others."""
    limits = {key: changes.pop(key) for key in ("seconds", "total_epochs", "patience") if key in changes}
    budget = Budget(trials=trials, epochs=epochs, **limits)
    document = {**parse_spec(_TEXT, "test").to_json(), **changes, "budget": budget.model_dump(exclude_none=True)}
    return StudySpec.from_json(document)


_server: Server | None = None


@contextmanager
def on(server: Server | None) -> Iterator[None]:
    """Make new storages on this server, if there is one; in the end they are gone, and all connections to them."""
    global _server
    artifacts = os.environ.get("MLPSEARCH_ARTIFACTS")
    _server = server
    try:
        with server.clean() if server else nullcontext():
            yield
    finally:
        _server = None
        _set_artifacts(artifacts)


def _set_artifacts(place: str | None) -> None:
    os.environ.pop("MLPSEARCH_ARTIFACTS", None)
    if place is not None:
        os.environ["MLPSEARCH_ARTIFACTS"] = place


def new_storage(folder: Path) -> str:
    """The URL of an empty storage, just made; its files will be in the folder."""
    folder.mkdir(exist_ok=True)
    if _server is not None:
        _set_artifacts(str(folder / "studies.artifacts"))
        return _server.url(_server.new_database(_template(_server)))
    path = folder / "studies.db"
    path.write_bytes(_empty())
    return f"sqlite:///{path}"


def missing_storage(folder: Path) -> str:
    """The URL of a storage that is not made yet."""
    return f"sqlite:///{folder / 'missing.db'}" if _server is None else _server.url(_server.new_database())


def new_study(folder: Path, specification: StudySpec | None = None) -> StudyRecord:
    """A study with no trials, in a storage of its own."""
    return create_or_resume(new_storage(folder), specification or spec(), trials=None, source=SOURCE)


@cache
def _template(server: Server) -> str:
    name = server.new_database()
    open_storage(server.url(name), create=True).close()
    server.keep(name)
    return name


def folder_of(record: StudyRecord) -> Path:
    """The folder of a study's files, also where the study was deleted."""
    files = file_store_for(record.url, None).files.within(record.id)
    assert isinstance(files, FolderFiles)
    return files.path


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "empty.db")
        open_storage(f"sqlite:///{path}", create=True).close()
        return path.read_bytes()
