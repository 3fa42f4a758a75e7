"""A PostgreSQL server that is away for a while: nothing is lost, and nothing is done twice."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models.errors import StorageError
from mlpsearch.studies.storage import reconnecting
from mlpsearch.studies.storage.backend import Backend
from mlpsearch.studies.storage.opening import Storage, exclusive, open_storage
from mlpsearch.studies.storage.trial_changes import TrialChange
from tests.postgres import Server, lose_answers


@pytest.fixture
def url(server_url: str) -> str:
    return server_url


def waiting(_: int) -> FrozenTrial:
    return create_trial(state=TrialState.WAITING, user_attrs={"a": 1})


CALLS: dict[str, Callable[[Storage, int, int], Any]] = {
    "read a trial": lambda storage, _, trial: storage.optuna.get_trial(trial).number,
    "read all": lambda storage, study, _: len(storage.optuna.get_all_trials(study)),
    "read a study": lambda storage, study, _: storage.optuna.get_study_user_attrs(study),
    "list": lambda storage, *_: len(storage.optuna.get_all_studies()),
    "set": lambda storage, study, _: storage.optuna.set_study_user_attr(study, "a", 1),
    "report": lambda storage, _, trial: storage.optuna.set_trial_intermediate_value(trial, 1, 0.5),
    "add": lambda storage, study, _: storage.optuna.add_trial(study, 5, waiting),
    "change": lambda storage, _, trial: storage.optuna.change_trial(
        trial, lambda _: TrialChange(TrialState.WAITING)
    ),
    "beat": lambda storage, _, trial: storage.optuna.record_heartbeat(trial),
    "stale": lambda storage, study, _: storage.stale_trial_ids(study),
}


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_every_call_survives_a_restart(server: Server, storage: Storage, url: str, mode: str) -> None:
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    trial = storage.optuna.create_new_trial(study)
    storage.optuna.record_heartbeat(trial)
    expected = {name: call(storage, study, trial) for name, call in CALLS.items()}
    ours = f"pg_stat_activity WHERE datname = '{url.rpartition('/')[2]}'"
    for name, call in CALLS.items():
        ((ended,),) = server.execute(f"SELECT count(pg_terminate_backend(pid)) FROM {ours}")
        assert ended
        answer = call(storage, study, trial)
        assert answer == {"read all": 2, "read a study": {"a": 1}}.get(name, expected[name]), name
    server.stop(mode)
    starting = threading.Timer(1.0, server.start)
    starting.start()
    try:
        with exclusive(url):
            assert storage.optuna.get_trial(trial).intermediate_values == {1: 0.5}
    finally:
        starting.join()
    assert len(storage.optuna.get_all_trials(study)) == 3


def test_a_server_that_stays_away_ends_in_one_line(
    server: Server, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnecting, "PATIENCE_SECONDS", 0.3)
    server.stop()
    try:
        with pytest.raises(StorageError, match=r"^the storage's server cannot be reached \([^\n]*\)$"):
            storage.optuna.get_all_studies()
    finally:
        server.start()
    assert storage.optuna.get_all_studies() == []


def test_a_commit_whose_answer_was_lost_is_not_done_twice(
    storage: Storage, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server goes right after each commit, once."""
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    losses = lose_answers(monkeypatch)
    assert not storage.optuna.add_trial(study, 1, waiting)  # it was added, and there is room for no other
    (trial,) = storage.optuna.get_all_trials(study)
    key = trial._trial_id

    def become(state: TrialState, before: TrialState) -> bool:
        """As the queue decides: what has become so already is its own doing."""
        seen: list[TrialState] = []

        def decide(now: FrozenTrial) -> TrialChange | None:
            seen.append(now.state)
            return TrialChange(state, 0.5) if now.state in (before, TrialState.RUNNING) else None

        return storage.optuna.change_trial(key, decide) or seen == [before, state]

    assert become(TrialState.RUNNING, TrialState.WAITING)
    storage.optuna.set_trial_intermediate_value(key, 1, 0.25)
    storage.optuna.set_trial_user_attr(key, "a", 2)
    assert become(TrialState.COMPLETE, TrialState.RUNNING)
    assert len(losses) == 5
    (trial,) = open_storage(url).optuna.get_all_trials(study)
    assert (trial.state, trial.value, trial.intermediate_values) == (TrialState.COMPLETE, 0.5, {1: 0.25})
    assert trial.user_attrs == {"a": 2}


def test_nobody_is_silent_while_the_server_has_just_started(
    server: Server, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = storage.optuna.create_new_study([StudyDirection.MAXIMIZE], "s")
    trial = storage.optuna.create_new_trial(study)
    storage.optuna.record_heartbeat(trial)
    with storage.connections.transaction() as connection:
        connection.execute("UPDATE trial_heartbeats SET heartbeat = heartbeat - interval '1 hour'")
    server.restart()
    assert storage.stale_trial_ids(study) == set()
    monkeypatch.setattr(Backend, "_server_seconds", lambda _: 31.0)
    assert storage.stale_trial_ids(study) == {trial}
