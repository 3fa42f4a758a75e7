"""Commands that only look need no right to write, wait for nobody, and leave nothing behind."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
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

_SCRIPT = """
import json, sys
from click.testing import CliRunner
from mlpsearch.search.cli import cli

answers = []
for command in json.loads(sys.argv[1]):
    result = CliRunner().invoke(cli, command)
    problem = None if result.exception is None else f"{type(result.exception).__name__}: {result.exception}"
    answers.append([result.exit_code, problem, result.stdout])
print(json.dumps(answers))
"""


def all_of(commands: tuple[tuple[str, ...], ...], database: Path, out: Path, **more: Any) -> list[list[Any]]:
    """Run commands on a storage in one other process: (exit code, what was raised, stdout) of each."""
    arguments = [[word.format(out=out) for word in command] for command in commands]
    own = {"MLPSEARCH_STORAGE": str(database), "HOME": str(out), "MLPSEARCH_CACHE": str(out / "cache")}
    said = subprocess.run(
        [sys.executable, "-P", "-c", _SCRIPT, json.dumps(arguments)],
        env=os.environ | own,
        capture_output=True,
        text=True,
        cwd=out,
        check=False,
        **more,
    )
    assert said.returncode == 0, said.stderr
    answers: list[list[Any]] = json.loads(said.stdout)
    return answers


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user may look into; pytest's are its own."""
    folder = Path(tempfile.mkdtemp(prefix="looked-at-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "out").mkdir(mode=0o777)
    (folder / "out").chmod(0o777)
    yield folder
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(folder)


STATES = ("at rest", "crashed", "copied", "in use")


@pytest.fixture(params=STATES)
def database(request: pytest.FixtureRequest, folder: Path) -> Iterator[Path]:
    """A storage with a study of five trials, the last of which may be in the log only."""
    record = study_to_see(folder / "first")
    path, new = sqlite_path(record.url), folder / "new" / "studies.db"
    record.storage.engine.dispose()
    record = replace(record, storage=open_storage(record.url))
    create_or_resume(record.url, spec(name="other"), trials=None, source=SOURCE).storage.engine.dispose()
    record.storage.optuna.create_new_trial(record.study_id, create_trial(state=TrialState.WAITING))
    if request.param == "at rest":
        record.storage.engine.dispose()
    new.parent.mkdir()
    for suffix in {"at rest": [""], "copied": ["", "-wal"]}.get(request.param, ["", "-wal", "-shm"]):
        shutil.copy(f"{path}{suffix}", f"{new}{suffix}")
    yield path if request.param == "in use" else new
    record.storage.engine.dispose()


def left(database: Path) -> dict[str, bytes]:
    """What lies in the folder; the index of the log is nobody's data."""
    files = [path for path in database.parent.rglob("*") if path.is_file()]
    return {path.name: b"" if path.name.endswith("-shm") else path.read_bytes() for path in files}


def require_all_seen(answers: list[list[Any]]) -> None:
    assert [answer[:2] for answer in answers] == [[0, None]] * len(LOOKING)
    assert json.loads(answers[2][2])["trials"]["waiting"] == 1


def test_looking_leaves_nothing_behind(database: Path, folder: Path) -> None:
    before = left(database)
    require_all_seen(all_of(LOOKING, database, folder / "out"))
    assert left(database) == before


def be_bound_by_permissions() -> None:
    """Give up what root may beyond others: CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, from the next program on."""
    process = ctypes.CDLL(None)
    for capability in (1, 2):
        assert process.prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP


def test_looking_needs_no_right_to_write(database: Path, folder: Path) -> None:
    for path in database.parent.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    database.parent.chmod(0o555)
    before = left(database)
    other = {"preexec_fn": be_bound_by_permissions} if os.getuid() == 0 else {}
    require_all_seen(all_of(LOOKING, database, folder / "out", **other))
    assert left(database) == before
    ((code, problem, _),) = all_of((("stop", "mine"),), database, folder / "out", **other)
    assert code == 1
    assert problem.startswith(f"StorageError: {database}: can only be read here (")
    assert "\n" not in problem
