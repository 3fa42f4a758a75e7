"""Storages and studies for tests, made quickly: the tables of an empty storage are made once and copied."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.record import StudyRecord, create_or_resume
from studies.spec import Budget, StudySpec, parse_spec
from studies.storage import open_storage

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
    """A small specification, with some of its keys changed; seconds and total_epochs are the budget's."""
    limits = {key: changes.pop(key) for key in ("seconds", "total_epochs") if key in changes}
    budget = Budget(trials=trials, epochs=epochs, **limits)
    document = {**parse_spec(_TEXT, "test").to_json(), **changes, "budget": budget.model_dump(exclude_none=True)}
    return StudySpec.from_json(document)


def new_storage(folder: Path) -> str:
    """The URL of an empty storage, just made in the folder."""
    folder.mkdir(exist_ok=True)
    path = folder / "studies.db"
    path.write_bytes(_empty())
    return f"sqlite:///{path}"


def new_study(folder: Path, specification: StudySpec | None = None) -> StudyRecord:
    """A study with no trials, in a storage of its own."""
    return create_or_resume(new_storage(folder), specification or spec(), trials=None, source=SOURCE)


@cache
def _empty() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "empty.db")
        open_storage(f"sqlite:///{path}", create=True).engine.dispose()
        return path.read_bytes()
