"""A worker on real files: errors of its trials and of its storage, and trials that are lost to others."""

import time
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError

from mlpsearch.models.errors import StorageError, StudyError
from mlpsearch.search.trials.objective import Objective, Outcome
from mlpsearch.search.trials.queue import MAX_FAILED_IN_A_ROW, MAX_FAILURES, Claim, TrialQueue
from mlpsearch.search.workers.worker import Worker, worker_name
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import StudyRecord
from tests.search.behaviours import behave, raising, stops_after, well
from tests.search.makers import (
    checkpoints,
    claim,
    facts,
    never,
    same_study,
    silence,
    states,
)
from tests.studies.stores import new_study, spec


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    return new_study(tmp_path, spec(trials=3, epochs=2))


# ---- errors ----


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("bad luck\nand more of it"), "ValueError: bad luck"),
        (MemoryError(), "MemoryError: MemoryError"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_a_trial_that_raises_is_tried_again_and_then_fails(
    record: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    behave(monkeypatch, raising(error, number=1))
    Worker(record, data, never).run()
    assert states(record) == {"COMPLETE": 3, "FAIL": 1}
    assert facts(record, 1) == {"worker": worker_name(), "failures": MAX_FAILURES, "error": message}
    assert "failures" not in facts(record, 2)


def test_a_trial_that_raises_now_and_then_ends_well(
    record: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, raising(MemoryError(), times=MAX_FAILURES - 1))
    Worker(record, data, never).run()
    assert states(record) == {"COMPLETE": 3}
    assert facts(record, 0)["failures"] == MAX_FAILURES - 1


def test_a_study_whose_trials_all_fail_ends_with_the_reason(
    tmp_path: Path, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(objective: Objective, trial: optuna.Trial, check: Callable[[], bool]) -> Outcome:
        raise ValueError(f"in trial {trial.number}")

    behave(monkeypatch, fail)
    with pytest.raises(StudyError, match="the last 5 trials failed, the newest with: ValueError: in trial 4"):
        Worker(new_study(tmp_path, spec(trials=30)), data, never).run()
    assert MAX_FAILED_IN_A_ROW == 5


def test_a_failed_trial_leaves_no_checkpoint(
    tmp_path: Path, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = new_study(tmp_path, spec(trials=2, epochs=3))

    def raise_late(objective: Objective, trial: optuna.Trial, check: Callable[[], bool]) -> Outcome:
        def fail() -> bool:
            if checkpoints(record):
                raise ValueError("after an epoch and a checkpoint")
            return False

        return well(objective, trial, fail if trial.number == 0 else never)

    behave(monkeypatch, raise_late)
    Worker(record, data, never).run()
    assert states(record) == {"COMPLETE": 2, "FAIL": 1}
    assert checkpoints(record) == []


@pytest.mark.parametrize(
    "error",
    [StorageInternalError("An exception is raised during the commit."), OSError(28, "No space left on device")],
)
def test_a_storage_that_does_not_take_a_trial_is_one_clear_error(
    record: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    behave(monkeypatch, raising(error, number=1))
    with pytest.raises(StorageError) as caught:
        Worker(record, data, never).run()
    assert str(caught.value) == f"{record.url}: trial 1 was cut off ({error})"
    assert states(record) == {"COMPLETE": 1, "RUNNING": 1}  # to be reaped


def test_weights_that_cannot_be_written_are_one_clear_error(
    record: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlpsearch.search.workers.worker.save_weights", full)
    with pytest.raises(StorageError, match=r"trial 0 was cut off \(\[Errno 28\] No space left on device\)"):
        Worker(record, data, never).run()
    assert states(record) == {"RUNNING": 1}


@pytest.mark.parametrize("calls", [1, 2, 3, 5])
def test_a_study_deleted_under_its_worker_is_one_clear_error(
    record: StudyRecord, data: TrainingData, calls: int
) -> None:
    stops = stops_after(calls)
    deleted: list[bool] = []

    def delete_then() -> bool:
        if stops() and not deleted:
            delete_study(same_study(record))
            deleted.append(True)
        return False

    with pytest.raises(StudyError) as caught:
        Worker(record, data, delete_then).run()
    assert str(caught.value) == f"study mine: was deleted from {record.url}"


# ---- lost trials ----


def test_a_worker_that_lost_its_trial_goes_on_with_the_next(
    tmp_path: Path, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpsearch.search.workers.lease.HEARTBEAT_SECONDS", 0.01)
    record = new_study(tmp_path, spec(trials=3, epochs=4))
    other = TrialQueue(same_study(record))
    taken: list[Claim] = []

    def lose_the_first() -> bool:
        if not taken and states(record).get("RUNNING"):
            silence(record)
            while not other.reap():  # a heartbeat came before
                silence(record)
            taken.append(claim(other, "other"))
            time.sleep(0.2)  # a few heartbeats
        if taken and states(record).get("COMPLETE") == 2:
            other.finish(taken[0], 0.125)
        return False

    Worker(record, data, lose_the_first).run()
    assert states(record) == {"COMPLETE": 3}
    trials = record.optuna_study().trials
    assert trials[0].value == 0.125
    assert trials[0].user_attrs["worker"] == "other"
    assert [trial.user_attrs["worker"] for trial in trials[1:]] == [worker_name()] * 2


def test_a_lost_trial_that_ended_elsewhere_stays_as_it_ended(
    record: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker notices only when it wants to end the trial itself: its heartbeat had not come yet."""
    other = TrialQueue(same_study(record))

    def end_elsewhere(objective: Objective, trial: optuna.Trial, check: Callable[[], bool]) -> Outcome:
        outcome = well(objective, trial, check)
        if trial.number == 0:
            silence(record)
            other.reap()
            other.finish(claim(other, "other"), 0.125)
        return outcome

    behave(monkeypatch, end_elsewhere)
    Worker(record, data, never).run()
    assert states(record) == {"COMPLETE": 3}
    assert record.optuna_study().trials[0].value == 0.125
    assert facts(record, 0).keys() == {"worker", "deaths", "error"}


def test_of_a_lost_trial_that_runs_elsewhere_no_facts_are_written(
    record: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = TrialQueue(same_study(record))
    taken: list[Claim] = []

    def go_on_elsewhere(objective: Objective, trial: optuna.Trial, check: Callable[[], bool]) -> Outcome:
        outcome = well(objective, trial, check)
        if trial.number == 0:
            silence(record)
            other.reap()
            taken.append(claim(other, "other"))
        elif states(record).get("COMPLETE") == 1:
            assert facts(record, 0).keys() == {"worker", "deaths", "error"}
            other.finish(taken[0], 0.125, {"seconds": 1.5})
        return outcome

    behave(monkeypatch, go_on_elsewhere)
    Worker(record, data, never).run()
    assert states(record) == {"COMPLETE": 3}
    assert facts(record, 0) == {
        "worker": "other",
        "deaths": 1,
        "error": "its worker stopped answering",
        "seconds": 1.5,
    }
