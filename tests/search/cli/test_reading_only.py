"""Commands that only look need no right to write, wait for nobody, and leave nothing behind."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial

from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.storage.opening import open_storage, sqlite_path
from tests.search.dashboard.makers import study_to_see
from tests.studies.stores import SOURCE, spec

LOOKING = (
    ("list",),
    ("status",),
    ("status", "mine", "--json"),
    ("report", "mine", "-o", "{out}/report.html"),
    ("compare", "mine", "other"),
    ("export", "mine", "--trials", "{out}/trials.csv"),
)
STOPPING = ("stop", "mine")  # cannot, where nothing may be written

_SCRIPT = """
import json, os, sys
from click.testing import CliRunner
from mlpsearch.search.cli import cli

answers = []
for storage, command in json.loads(sys.argv[1]):
    os.environ["MLPSEARCH_STORAGE"] = storage
    result = CliRunner().invoke(cli, command)
    problem = None if result.exception is None else f"{type(result.exception).__name__}: {result.exception}"
    answers.append([result.exit_code, problem, result.stdout])
print(json.dumps(answers))
"""


def all_of(asked: list[tuple[Path, tuple[str, ...]]], out: Path, **more: Any) -> list[list[Any]]:
    """Run commands on storages in one other process: (exit code, what was raised, stdout) of each."""
    arguments = [[str(database), [word.format(out=out) for word in command]] for database, command in asked]
    said = subprocess.run(
        [sys.executable, "-P", "-c", _SCRIPT, json.dumps(arguments)],
        env=os.environ | {"HOME": str(out), "MLPSEARCH_CACHE": str(out / "cache")},
        capture_output=True,
        text=True,
        cwd=out,
        check=False,
        **more,
    )
    assert said.returncode == 0, said.stderr
    answers: list[list[Any]] = json.loads(said.stdout)
    return answers


STATES = ("at rest", "crashed", "copied", "in use")


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, Path]]:
    """Storages in all states, each with a study of five trials, the last of which may be in the log only."""
    with ExitStack() as stack:
        yield {state: stack.enter_context(_database(folder / state, state)) for state in STATES}


@contextmanager
def _database(folder: Path, state: str) -> Iterator[Path]:
    folder.mkdir()
    record = study_to_see(folder / "first")
    path, new = sqlite_path(record.url), folder / "new" / "studies.db"
    record.storage.close()
    record = replace(record, storage=open_storage(record.url))
    create_or_resume(record.url, spec(name="other"), trials=None, source=SOURCE).storage.close()
    record.storage.optuna.create_new_trial(record.study_id, create_trial(state=TrialState.WAITING))
    if state == "at rest":
        record.storage.close()
    new.parent.mkdir()
    for suffix in {"at rest": [""], "copied": ["", "-wal"]}.get(state, ["", "-wal", "-shm"]):
        shutil.copy(f"{path}{suffix}", f"{new}{suffix}")
    yield path if state == "in use" else new
    record.storage.close()


def left(database: Path) -> dict[str, bytes]:
    """What lies in the folder; the index of the log is nobody's data."""
    files = [path for path in database.parent.rglob("*") if path.is_file()]
    return {path.name: b"" if path.name.endswith("-shm") else path.read_bytes() for path in files}


def be_bound_by_permissions() -> None:
    """Give up what root may beyond others: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, from the next program on."""
    process = ctypes.CDLL(None)
    for capability in (1, 2):
        assert process.prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP


@dataclass(frozen=True)
class Looked:
    """What came of the commands that only look, on one storage.

    answers: of each.  before, after: what lay in the storage's folder.
    """

    database: Path
    answers: list[list[Any]]
    before: dict[str, bytes]
    after: dict[str, bytes]


@pytest.fixture(scope="module", params=[False, True], ids=["writable", "read-only"])
def looked(request: pytest.FixtureRequest) -> Iterator[dict[str, Looked]]:
    """What came of all commands on the storages of all states, run in one process; then nothing may be written."""
    folder = Path(tempfile.mkdtemp(prefix="looked-at-", dir="/tmp"))  # pytest's are closed to other users
    folder.chmod(0o755)
    out = folder / "out"
    out.mkdir(mode=0o777)
    out.chmod(0o777)
    more = {"preexec_fn": be_bound_by_permissions} if request.param and os.getuid() == 0 else {}
    with databases(folder) as made:
        if request.param:
            for database in made.values():
                for path in (*database.parent.rglob("*"), database.parent):
                    path.chmod(0o555 if path.is_dir() else 0o444)
        before = {state: left(database) for state, database in made.items()}
        commands = (*LOOKING, STOPPING) if request.param else LOOKING
        answers = iter(all_of([(database, one) for database in made.values() for one in commands], out, **more))
        yield {
            state: Looked(database, [next(answers) for _ in commands], before[state], left(database))
            for state, database in made.items()
        }
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.mark.parametrize("state", STATES)
def test_looking_needs_no_right_to_write_and_leaves_nothing_behind(looked: dict[str, Looked], state: str) -> None:
    one = looked[state]
    assert [answer[:2] for answer in one.answers[: len(LOOKING)]] == [[0, None]] * len(LOOKING)
    assert json.loads(one.answers[2][2])["trials"]["waiting"] == 1
    assert one.after == one.before
    for code, problem, _ in one.answers[len(LOOKING) :]:
        assert code == 1
        assert problem.startswith(f"StorageError: {one.database}: can only be read here (")
        assert "\n" not in problem
