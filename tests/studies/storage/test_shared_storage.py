"""What every storage must do: what we rely on in Optuna that it does not promise, and many processes at once."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import IntDistribution
from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.studies.storage.opening import Storage, exclusive, exists, open_storage, stored_names
from mlpsearch.studies.storage.spans import GRACE_SECONDS
from mlpsearch.studies.storage.transaction import Transaction
from mlpsearch.studies.storage.trial_changes import TrialChange
from tests.patience import PATIENCE_SECONDS
from tests.studies.stores import missing_storage

pytestmark = pytest.mark.usefixtures("database")


def silence(storage: Storage, seconds: int) -> None:
    past = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=seconds)
    with storage.connections.transaction() as connection:
        connection.execute("UPDATE trial_heartbeats SET heartbeat = :past", {"past": past})


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
    storage.optuna.record_heartbeat(trial)
    storage.optuna.record_heartbeat(trial)
    assert storage.stale_trial_ids(1) == set()
    for seconds, stale in ((GRACE_SECONDS - 5, set()), (GRACE_SECONDS + 5, {trial})):
        silence(storage, seconds)
        assert open_storage(url).stale_trial_ids(1) == stale
    storage.optuna.record_heartbeat(trial)
    assert storage.stale_trial_ids(1) == set()


def test_only_running_trials_are_stale(storage: Storage) -> None:
    trial = a_running_trial(storage)
    storage.optuna.record_heartbeat(trial)
    silence(storage, 10**8)
    assert storage.stale_trial_ids(1) == {trial}
    storage.optuna.set_trial_state_values(trial, TrialState.WAITING)
    assert storage.stale_trial_ids(1) == set()


def test_finished_trials_are_read_once(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without that a poll of the dashboard takes seconds."""
    trial = a_running_trial(storage)
    storage.optuna.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
    execute, queries = Transaction.execute, list[str]()

    def counted(self: Transaction, query: str, *parameters: Any) -> list[Any]:
        queries.append(query)
        return execute(self, query, *parameters)

    monkeypatch.setattr(Transaction, "execute", counted)
    (ended,) = storage.optuna.get_all_trials(1, deepcopy=False)
    assert ended.value == 0.5
    assert any("trial_values" in query for query in queries)
    queries.clear()
    (again,) = storage.optuna.get_all_trials(1, deepcopy=False)
    assert again is ended
    assert queries
    assert not any("trial_values" in query for query in queries)


def test_a_known_schema_is_opened_and_looked_at_while_the_locks_are_held(url: str) -> None:
    """To open a test split takes minutes, and to make a storage happens once."""

    def look() -> list[str]:
        assert open_storage(url).optuna.get_all_studies() == []
        assert open_storage(url, read_only=True).optuna.get_all_studies() == []
        return stored_names(url)

    with exclusive(url), exclusive(url, "opening"), ThreadPoolExecutor(1) as another:
        assert another.submit(look).result(120) == []


def test_a_storage_goes_to_another_process_with_all_its_settings(storage: Storage) -> None:
    trial = a_running_trial(storage)
    sent = pickle.loads(pickle.dumps(storage))
    assert sent.connections.database == storage.connections.database
    sent.optuna.set_trial_state_values(trial, TrialState.COMPLETE, [0.5])
    assert storage.optuna.get_trial(trial).value == 0.5
    sent.close()


def test_a_storage_that_is_only_read_is_not_written(storage: Storage, url: str) -> None:
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    looking = open_storage(url, read_only=True)
    assert [one.study_name for one in looking.optuna.get_all_studies()] == ["s"]
    with pytest.raises(StorageInternalError):
        looking.optuna.set_study_user_attr(study, "a", 1)
    with pytest.raises(StorageInternalError):
        looking.optuna.add_trial(study, 1, waiting)
    assert storage.optuna.get_study_user_attrs(study) == {}
    looking.close()


# ---- what Optuna has not: adding by count, and changing what was looked at ----


def waiting(number: int) -> FrozenTrial:
    return create_trial(
        state=TrialState.WAITING, user_attrs={"n": number}, system_attrs={"fixed_params": {"x": 1}}
    )


def test_trials_are_added_up_to_a_number_that_failed_ones_do_not_count_for(storage: Storage) -> None:
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    assert [storage.optuna.add_trial(study, 2, waiting) for _ in range(3)] == [True, True, False]
    first, _ = storage.optuna.get_all_trials(study)
    assert storage.optuna.change_trial(first._trial_id, lambda _: TrialChange(TrialState.FAIL))
    assert [storage.optuna.add_trial(study, 2, waiting) for _ in range(2)] == [True, False]
    trials = storage.optuna.get_all_trials(study)
    assert [(trial.number, trial.user_attrs) for trial in trials] == [(n, {"n": n}) for n in range(3)]
    assert all(trial.system_attrs == {"fixed_params": {"x": 1}} for trial in trials)
    assert all(trial.datetime_start is None for trial in trials)
    with pytest.raises(KeyError):
        storage.optuna.add_trial(study + 1, 2, waiting)


def test_threads_that_add_at_once_add_no_more(url: str) -> None:
    storages = [open_storage(url) for _ in range(4)]
    study = storages[0].optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    together = threading.Barrier(4)

    def slowly(number: int) -> FrozenTrial:
        time.sleep(0.05)  # time enough for another to add one as well, if it could
        return waiting(len(storages[0].optuna.get_all_trials(study)))  # what it says may go by what there is

    def add(storage: Storage) -> int:
        together.wait()
        return sum(storage.optuna.add_trial(study, 5, slowly) for _ in range(5))

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(add, storages)) == 5
    trials = open_storage(url).optuna.get_all_trials(study)
    assert [(trial.number, trial.user_attrs["n"]) for trial in trials] == [(n, n) for n in range(5)]


def test_a_trial_is_changed_as_one_says_who_sees_it(storage: Storage, url: str) -> None:
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    storage.optuna.add_trial(study, 1, waiting)
    (trial,) = storage.optuna.get_all_trials(study)
    seen: list[FrozenTrial] = []

    def change(*answer: TrialChange) -> bool:
        def decide(now: FrozenTrial) -> TrialChange | None:
            seen.append(now)
            return next(iter(answer), None)

        return storage.optuna.change_trial(trial._trial_id, decide)

    before = datetime.now()
    assert not change()
    assert change(TrialChange(TrialState.RUNNING, attributes={"worker": "w", "n": 7}))
    assert storage.stale_trial_ids(study) == set()
    silence(storage, GRACE_SECONDS + 5)
    assert storage.stale_trial_ids(study) == {trial._trial_id}  # it had a heartbeat
    assert change(TrialChange(TrialState.WAITING))
    assert change(TrialChange(TrialState.RUNNING))
    assert storage.stale_trial_ids(study) == set()  # a new one
    assert change(TrialChange(TrialState.COMPLETE, 0.5))
    states = [one.state.name for one in seen]
    assert states == ["WAITING", "WAITING", "RUNNING", "WAITING", "RUNNING"]
    assert seen[2].user_attrs == {"worker": "w", "n": 7}
    (ended,) = open_storage(url).optuna.get_all_trials(study)
    assert (ended.state, ended.value) == (TrialState.COMPLETE, 0.5)
    assert ended.datetime_start is not None
    assert ended.datetime_complete is not None
    assert before <= ended.datetime_start <= ended.datetime_complete <= datetime.now()
    with pytest.raises(KeyError):
        storage.optuna.change_trial(trial._trial_id + 1, lambda _: None)


def test_of_threads_that_change_a_trial_at_once_each_sees_what_the_last_made_of_it(url: str) -> None:
    storages = [open_storage(url) for _ in range(4)]
    study = storages[0].optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    trial = storages[0].optuna.create_new_trial(study, waiting(0))

    def count(now: FrozenTrial) -> TrialChange:
        return TrialChange(TrialState.WAITING, attributes={"n": now.user_attrs["n"] + 1})

    def act(storage: Storage) -> None:
        for _ in range(5):
            assert storage.optuna.change_trial(trial, count)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(act, storages))
    assert storages[0].optuna.get_trial(trial).user_attrs == {"n": 20}


# ---- many processes ----

_RACE = """
import sys
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from mlpsearch.studies.storage.trial_changes import TrialChange
from mlpsearch.studies.storage.opening import exclusive, open_storage

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
    url = missing_storage(tmp_path)
    assert not exists(url)
    processes = [script(_RACE, url) for _ in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=PATIENCE_SECONDS) for process in processes]
    assert [(process.returncode, errors) for process, (_, errors) in zip(processes, answers, strict=True)] == (
        [(0, "")] * 2
    )
    assert sorted(int(number) for numbers, _ in answers for number in numbers.split()) == list(range(20))


_HOLD = """
import sys, time
from mlpsearch.studies.storage.trial_changes import TrialChange
from mlpsearch.studies.storage.opening import exclusive

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
    assert got.wait(PATIENCE_SECONDS)
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
