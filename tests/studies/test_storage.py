"""The storage's URL and its errors, and what we rely on in Optuna and SQLite that neither promises."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from optuna.distributions import IntDistribution
from optuna.storages import get_storage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from sqlalchemy import event, text

from models.errors import StorageError
from studies.storage import (
    BUSY_SECONDS,
    DEFAULT,
    ENVIRONMENT,
    GRACE_SECONDS,
    Storage,
    artifact_folder,
    exclusive,
    exists,
    open_storage,
    sqlite_path,
    storage_url,
)
from tests.studies.stores import new_storage


@pytest.fixture
def url(tmp_path: Path) -> str:
    return new_storage(tmp_path)


@pytest.fixture
def storage(url: str) -> Iterator[Storage]:
    opened = open_storage(url)
    yield opened
    opened.engine.dispose()


# ---- the URL ----


def test_what_is_given_comes_before_the_environment_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert storage_url(None) == f"sqlite:///{DEFAULT}"
    monkeypatch.setenv(ENVIRONMENT, "from-environment.db")
    assert storage_url(None) == "sqlite:///from-environment.db"
    assert storage_url("given.db") == "sqlite:///given.db"
    monkeypatch.setenv(ENVIRONMENT, "")
    assert storage_url(None) == f"sqlite:///{DEFAULT}"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("a.db", "a.db"),
        ("/some/a.db", "/some/a.db"),
        ("sqlite:///a.db", "a.db"),
        ("sqlite:////some/a.db", "/some/a.db"),
        ("with space.sqlite3", "with space.sqlite3"),
    ],
)
def test_a_bare_path_is_a_file(given: str, path: str) -> None:
    assert sqlite_path(storage_url(given)) == Path(path)


def test_weights_and_checkpoints_lie_beside_the_file() -> None:
    assert artifact_folder("sqlite:////some/a.db") == Path("/some/a.artifacts")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("postgresql://user:secret@host/db", "storage postgresql://…: must be a file or sqlite:///FILE"),
        ("sqlite://", "storage sqlite://…: must be a file or sqlite:///FILE"),
        ("sqlite:///", "storage sqlite:///: must name a file; studies in memory would be lost"),
        ("sqlite:///:memory:", "storage sqlite:///:memory:: must name a file; studies in memory would be lost"),
        (":memory:", "storage :memory:: must name a file; studies in memory would be lost"),
        ("a.db?timeout=1", "storage a.db?timeout=1: the path of a storage must not have ? or % in it"),
        ("sqlite:///a%20b.db", "storage sqlite:///a%20b.db: the path of a storage must not have ? or % in it"),
    ],
)
def test_what_cannot_hold_a_study_is_refused(given: str, message: str) -> None:
    with pytest.raises(StorageError) as caught:
        storage_url(given)
    assert str(caught.value) == message


# ---- opening ----


def refusal(url: str, *, create: bool = False) -> str:
    with pytest.raises(StorageError) as caught:
        open_storage(url, create=create)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_missing_file_is_made_only_on_request(tmp_path: Path) -> None:
    url = storage_url(str(tmp_path / "a.db"))
    assert refusal(url) == f"{tmp_path}/a.db: no such storage; `mlpsearch run STUDY` makes one"
    assert not exists(url)
    assert list(tmp_path.iterdir()) == []
    open_storage(url, create=True)
    assert exists(url)
    assert open_storage(url).optuna.get_all_studies() == []


@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_no_database_stays_as_it_is(tmp_path: Path, create: bool) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 1000)
    expected = f"{path}: cannot be opened as a storage (file is not a database)"
    assert refusal(storage_url(str(path)), create=create) == expected
    assert path.read_text() == "not a database\n" * 1000


def test_a_newer_schema_is_refused(url: str) -> None:
    with closing(sqlite3.connect(sqlite_path(url))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    message = refusal(url)
    assert message.startswith(f"{sqlite_path(url)}: cannot be opened as a storage (The runtime optuna version")
    assert "no longer compatible with the table schema" in message


def test_a_folder_in_place_of_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    message = refusal(storage_url(str(folder)), create=True)
    assert message == f"{folder}: cannot be opened as a storage (unable to open database file)"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = storage_url(str(tmp_path / "file" / "a.db"))
    assert refusal(url, create=True).startswith(f"{tmp_path}/file/a.db: cannot be locked (")


# ---- what every connection has ----


def test_every_connection_logs_ahead_and_begins_immediately(storage: Storage, url: str) -> None:
    begun: list[str] = []
    event.listen(storage.engine, "before_cursor_execute", lambda c, cu, sql, *rest: begun.append(sql))

    def look() -> tuple[object, ...]:
        with storage.engine.begin() as connection:
            names = ("journal_mode", "synchronous")
            pragmas = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in names]
            other = sqlite3.connect(sqlite_path(url), timeout=0, isolation_level=None)
            with closing(other), pytest.raises(sqlite3.OperationalError, match="database is locked"):
                other.execute("BEGIN IMMEDIATE")
            return (*pragmas, id(connection.connection.dbapi_connection))

    mine = look()
    with ThreadPoolExecutor(1) as another_thread, storage.engine.connect():
        theirs = another_thread.submit(look).result()
    assert (mine[:2], theirs[:2]) == (("wal", 1), ("wal", 1))
    storage.engine.dispose()
    assert look()[:2] == ("wal", 1)
    assert begun[0] == "BEGIN IMMEDIATE"


def test_optuna_reads_within_immediate_transactions(storage: Storage) -> None:
    """A read that another process's write may come between is what loses trials in stock Optuna."""
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    trial = storage.optuna.create_new_trial(study, create_trial(state=TrialState.WAITING))
    statements: list[str] = []
    event.listen(storage.engine, "before_cursor_execute", lambda c, cu, sql, *rest: statements.append(sql))
    storage.optuna.set_trial_state_values(trial, TrialState.RUNNING)
    assert statements[0] == "BEGIN IMMEDIATE"
    assert any(sql.startswith("SELECT") for sql in statements)
    assert any(sql.startswith("UPDATE trials") for sql in statements)
    assert sum(sql.startswith("BEGIN") for sql in statements) == 1


def test_a_busy_database_is_waited_for(storage: Storage, url: str) -> None:
    assert BUSY_SECONDS >= 60
    with storage.engine.begin() as connection:
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == BUSY_SECONDS * 1000
    holder = sqlite3.connect(sqlite_path(url), isolation_level=None)
    with closing(holder), ThreadPoolExecutor(1) as thread:
        holder.execute("BEGIN IMMEDIATE")
        writing = thread.submit(storage.optuna.create_new_study, [StudyDirection.MAXIMIZE], "s")
        time.sleep(0.3)
        assert not writing.done()
        holder.execute("COMMIT")
        writing.result(30)
    assert [study.study_name for study in storage.optuna.get_all_studies()] == ["s"]


# ---- what we rely on in Optuna ----


def a_running_trial(storage: Storage) -> int:
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    trial = storage.optuna.create_new_trial(study, create_trial(state=TrialState.WAITING))
    storage.optuna.set_trial_state_values(trial, TrialState.RUNNING)
    storage.optuna.get_all_trials(study)
    return trial


def test_a_trial_may_go_back_to_waiting_and_keeps_what_it_has(storage: Storage, url: str) -> None:
    trial = a_running_trial(storage)
    storage.optuna.set_trial_param(trial, "depth", 3, IntDistribution(2, 5))
    storage.optuna.set_trial_intermediate_value(trial, 1, 0.25)
    storage.optuna.set_trial_user_attr(trial, "worker", "w")
    assert storage.optuna.set_trial_state_values(trial, TrialState.WAITING)
    kept = open_storage(url).optuna.get_trial(trial)
    assert (kept.state, kept.number) == (TrialState.WAITING, 0)
    assert (kept.params, kept.intermediate_values) == ({"depth": 3}, {1: 0.25})
    assert kept.user_attrs == {"worker": "w"}
    assert storage.optuna.set_trial_state_values(trial, TrialState.RUNNING)
    assert not storage.optuna.set_trial_state_values(trial, TrialState.RUNNING)


def test_one_thread_alone_gets_a_waiting_trial(url: str) -> None:
    storages = [open_storage(url) for _ in range(4)]
    study = storages[0].optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    trials = [
        storages[0].optuna.create_new_trial(study, create_trial(state=TrialState.WAITING)) for _ in range(10)
    ]
    together = threading.Barrier(4)

    def grab(storage: Storage) -> list[int]:
        together.wait()
        return [trial for trial in trials if storage.optuna.set_trial_state_values(trial, TrialState.RUNNING)]

    with ThreadPoolExecutor(4) as threads:
        won = [trial for mine in threads.map(grab, storages) for trial in mine]
    assert sorted(won) == trials


def test_a_trial_without_a_heartbeat_for_long_is_stale(storage: Storage, url: str) -> None:
    trial = a_running_trial(storage)
    assert storage.stale_trial_ids(1) == set()  # never a heartbeat: not known to be watched
    storage.record_heartbeat(trial)
    storage.record_heartbeat(trial)
    assert storage.stale_trial_ids(1) == set()
    for seconds, stale in ((GRACE_SECONDS - 5, set()), (GRACE_SECONDS + 5, {trial})):
        with storage.engine.begin() as connection:
            past = text(f"UPDATE trial_heartbeats SET heartbeat = datetime('now', '-{seconds} seconds')")
            connection.execute(past)
        assert open_storage(url).stale_trial_ids(1) == stale
    storage.record_heartbeat(trial)
    assert storage.stale_trial_ids(1) == set()


def test_only_running_trials_are_stale(storage: Storage) -> None:
    trial = a_running_trial(storage)
    storage.record_heartbeat(trial)
    with storage.engine.begin() as connection:
        connection.execute(text("UPDATE trial_heartbeats SET heartbeat = '2020-01-01 00:00:00.000000'"))
    assert storage.stale_trial_ids(1) == {trial}
    storage.optuna.set_trial_state_values(trial, TrialState.WAITING)
    assert storage.stale_trial_ids(1) == set()


def test_finished_trials_are_read_once(storage: Storage) -> None:
    """optuna.storages.get_storage is marked internal; without its cache a poll of the dashboard takes seconds."""
    assert type(storage.optuna) is type(get_storage("sqlite://"))
    trial = a_running_trial(storage)
    storage.optuna.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
    storage.optuna.get_all_trials(1)
    queries: list[str] = []
    event.listen(storage.engine, "before_cursor_execute", lambda c, cu, sql, *rest: queries.append(sql))
    assert storage.optuna.get_trial(trial).value == 0.5
    assert queries == []


# ---- many processes ----

_RACE = """
import sys
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from studies.storage import exclusive, open_storage

sys.stdin.readline()
storage = open_storage(sys.argv[1], create=True)
with exclusive(storage.url):
    if not storage.optuna.get_all_studies():
        study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
        for _ in range(20):
            storage.optuna.create_new_trial(study, create_trial(state=TrialState.WAITING))
for trial in storage.optuna.get_all_trials(1):
    if storage.optuna.set_trial_state_values(trial._trial_id, TrialState.RUNNING):
        print(trial.number)
"""


def test_processes_make_one_storage_together_and_share_its_trials(tmp_path: Path) -> None:
    url = storage_url(str(tmp_path / "a.db"))
    processes = [script(_RACE, url) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120) for process in processes]
    assert [(process.returncode, errors) for process, (_, errors) in zip(processes, answers, strict=True)] == (
        [(0, "")] * 2
    )
    assert sorted(int(number) for numbers, _ in answers for number in numbers.split()) == list(range(20))


_HOLD = """
import sys, time
from studies.storage import exclusive

with exclusive(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_lock_excludes_other_processes_and_ends_with_its_holder(url: str) -> None:
    holder = script(_HOLD, url)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    got = threading.Event()

    def take() -> None:
        with exclusive(url):
            got.set()

    waiting = threading.Thread(target=take)
    waiting.start()
    assert not got.wait(0.4)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert got.wait(30)
    waiting.join()


def test_the_lock_excludes_other_threads(url: str) -> None:
    inside: list[int] = []
    most: list[int] = []

    def take(number: int) -> None:
        with exclusive(url):
            inside.append(number)
            time.sleep(0.02)
            most.append(len(inside))
            inside.remove(number)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(take, range(8)))
    assert most == [1] * 8


def script(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python process that runs the code."""
    return subprocess.Popen(
        [sys.executable, "-P", "-W", "error", "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
