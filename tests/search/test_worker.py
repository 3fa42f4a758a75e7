"""A worker on real files: what it does with errors, interruptions and lost trials, and what it leaves behind."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.exceptions import StorageInternalError

from models.errors import DataError, StorageError, StudyError
from models.weights import load_arrays
from search.checkpoints import kept_weights, weights_path
from search.objective import Objective, Outcome
from search.trial_queue import MAX_FAILED_IN_A_ROW, MAX_FAILURES, Claim, TrialQueue
from search.worker import Worker, load_study_data, serve_all, serve_one, worker_name
from studies.datasets import TrainingData
from studies.record import StudyRecord, create_or_resume, delete_study
from tests.search.makers import claim, content, digits_study, never, same_study, silence, states
from tests.studies.stores import SOURCE, new_study, spec

Behaviour = Callable[[Objective, optuna.Trial, Callable[[], bool]], Outcome]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.worker._IDLE_SECONDS", 0.01)


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    return new_study(tmp_path, spec(trials=3, epochs=2))


def behave(monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour) -> None:
    """Let the objective do something else; it can call `well` to do what it should."""
    monkeypatch.setattr(Objective, "__call__", behaviour)


well = Objective.__call__


def facts(record: StudyRecord, number: int) -> dict[str, Any]:
    return dict(same_study(record).optuna_study().trials[number].user_attrs)


def checkpoints(record: StudyRecord) -> list[str]:
    return sorted(path.name for path in (record.folder / "checkpoints").glob("*"))


# ---- what it leaves ----


def test_a_study_ends_with_its_budget_and_the_best_weights(record: StudyRecord, data: TrainingData) -> None:
    Worker(record, data, never).run()
    assert states(record) == {"COMPLETE": 3}
    best = TrialQueue(record).best()
    assert best is not None
    assert kept_weights(record.folder) == [best.number]
    assert checkpoints(record) == []
    arrays, metadata = load_arrays(weights_path(record.folder, best.number))
    assert float(metadata["validation_accuracy"]) == best.value
    assert arrays["weight.0"].shape == (12, best.params["hidden_size"])
    assert facts(record, 0)["worker"] == worker_name()
    assert {"training_accuracy", "epochs", "seconds", "images_per_second", "parameters", "seed", "threads"} <= {
        *facts(record, 0)
    }


def reaching(*accuracies: float) -> Behaviour:
    """An objective whose trials reach the given accuracies, by their numbers."""

    def reach(objective: Objective, trial: optuna.Trial, check: Callable[[], bool]) -> Outcome:
        outcome = well(objective, trial, check)
        return Outcome(outcome.net, outcome.config, accuracies[trial.number], False, outcome.facts)

    return reach


@pytest.mark.parametrize(
    ("accuracies", "kept"),
    [((0.5, 0.7, 0.6), [1]), ((0.7, 0.7, 0.7), [0]), ((0.5, 0.7, 0.7), [1]), ((0.0, 0.0, 0.0), [0])],
)
def test_of_equals_the_first_is_the_best(
    record: StudyRecord,
    data: TrainingData,
    monkeypatch: pytest.MonkeyPatch,
    accuracies: tuple[float, ...],
    kept: list[int],
) -> None:
    behave(monkeypatch, reaching(*accuracies))
    Worker(record, data, never).run()
    assert kept_weights(record.folder) == kept


def test_the_first_of_equals_may_end_last(
    record: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, reaching(0.7, 0.7, 0.6))
    queue = TrialQueue(record)
    ended: list[int] = []
    first = claim(queue, "other")

    def give_back_after_one() -> bool:
        if states(record).get("COMPLETE") == 1 and not ended:
            ended.extend(kept_weights(record.folder))
            queue.requeue(first)
        return False

    Worker(record, data, give_back_after_one).run()
    assert ended == [1]
    assert kept_weights(record.folder) == [0]


def test_weights_of_another_workers_unfinished_trial_stay(record: StudyRecord, data: TrainingData) -> None:
    """That worker writes them just before it ends its trial."""
    other = TrialQueue(same_study(record))
    theirs = claim(other, "other")
    path = weights_path(record.folder, theirs.number)
    path.parent.mkdir(parents=True)
    path.touch()
    worker = Worker(record, data, never)
    for _ in range(2):
        worker.run_one_if_any()
    assert theirs.number in kept_weights(record.folder)
    other.finish(theirs, 0.0)
    create_or_resume(record.url, record.spec, trials=4, source=SOURCE)
    worker.run()
    assert theirs.number not in kept_weights(record.folder)


# ---- interrupted and repeated ----


def stops_after(calls: int) -> Callable[[], bool]:
    """True from the given call on; it is asked between epochs and between trials."""
    count = iter(range(1, 10_000))
    return lambda: next(count) >= calls


@pytest.mark.parametrize(
    "changes",
    [
        {"pruner": "hyperband", "sampler": "tpe", "trials": 12},  # past the ten that TPE begins with
        {"pruner": "median", "net": "torch", "fixed": {"optimizer": "adam"}, "trials": 6},
    ],
    ids=["numpy-hyperband", "torch-median"],
)
def test_one_seed_gives_one_study_also_across_interruptions(
    tmp_path: Path, data: TrainingData, changes: dict[str, Any]
) -> None:
    specification = spec(epochs=3, **changes)
    whole = new_study(tmp_path / "whole", specification)
    Worker(whole, data, never).run()
    parts = new_study(tmp_path / "parts", specification)
    for calls in (3, 6, 2, 1, 5):
        Worker(same_study(parts), data, stops_after(calls)).run()
    assert 0 < len(parts.optuna_study().trials) < changes["trials"]
    Worker(same_study(parts), data, never).run()
    assert content(parts) == content(whole)
    assert len({str(trial.params) for trial in whole.optuna_study().trials}) == changes["trials"]
    assert states(whole).get("PRUNED", 0) > 0 or changes["pruner"] == "median"
    (number,) = kept_weights(parts.folder)
    mine, theirs = (load_arrays(weights_path(record.folder, number)) for record in (parts, whole))
    assert mine[1] == theirs[1]
    for name, array in mine[0].items():
        np.testing.assert_array_equal(array, theirs[0][name], strict=True)
    assert checkpoints(parts) == []


def test_ctrl_c_in_a_trial_gives_it_back(
    record: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        Worker(record, data, never).run()
    assert states(record) == {"WAITING": 1}
    assert "failures" not in facts(record, 0)


def test_stopping_the_study_interrupts_its_trials(
    tmp_path: Path, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = new_study(tmp_path, spec(trials=3, epochs=100_000))
    monkeypatch.setattr("search.lease.HEARTBEAT_SECONDS", 0.01)

    def stop_when_it_runs() -> bool:
        if record.counts.epochs() >= 2:
            same_study(record).set("stopped", True)
        return False

    Worker(record, data, stop_when_it_runs).run()
    assert states(record) == {"WAITING": 1}
    assert checkpoints(record) == ["0.safetensors"]


# ---- errors ----


def raising(error: BaseException, *, times: int = 1000, number: int = 0) -> Behaviour:
    """An objective that raises in one trial, the first few times."""
    left = iter(range(times))

    def act(objective: Objective, trial: optuna.Trial, check: Callable[[], bool]) -> Outcome:
        if trial.number == number and next(left, None) is not None:
            raise error
        return well(objective, trial, check)

    return act


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

    monkeypatch.setattr("search.worker.save_weights", full)
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
    monkeypatch.setattr("search.lease.HEARTBEAT_SECONDS", 0.01)
    record = new_study(tmp_path, spec(trials=3, epochs=4))
    other = TrialQueue(same_study(record))
    taken: list[Claim] = []

    def lose_the_first() -> bool:
        if not taken and states(record).get("RUNNING"):
            silence(record)
            assert other.reap() == [0]
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
    assert "failures" not in facts(record, 0)


# ---- serving ----


def test_the_images_must_be_those_the_study_was_made_with(tmp_path: Path) -> None:
    record = digits_study(tmp_path / "digits", "numpy")
    assert load_study_data(record).fingerprint == record.attributes()["source"]["fingerprint"]
    record.set("source", SOURCE)
    with pytest.raises(DataError) as caught:
        serve_one(record, never)
    assert str(caught.value).startswith(
        "study mine: its training images had the fingerprint ffffffffffff, those at"
    )
    assert states(record) == {}


@pytest.fixture
def two(tmp_path: Path, data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> StudyRecord:
    """One of two studies in a storage, of the same tiny images."""
    monkeypatch.setattr("search.worker.load_study_data", lambda record: data)
    record = new_study(tmp_path, spec(name="a", trials=2, epochs=1))
    create_or_resume(record.url, spec(name="b", trials=2, epochs=1), trials=None, source=SOURCE)
    return record


def rounds(count: int) -> Callable[[], bool]:
    """True after that many looks at two studies: one before each round and one before each study."""
    asked: Iterator[int] = iter(range(10_000))
    return lambda: next(asked) >= 3 * count


def test_a_worker_for_all_takes_a_trial_of_each_study_in_turn(
    two: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[str, int]] = []

    def note(objective: Objective, trial: optuna.Trial, check: Callable[[], bool]) -> Outcome:
        served.append((trial.study.study_name, trial.number))
        return well(objective, trial, never)

    behave(monkeypatch, note)
    told: list[str] = []
    serve_all(two.url, rounds(4), told.append)
    assert served == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert told == []


def test_a_worker_for_all_leaves_out_a_stopped_study(two: StudyRecord) -> None:
    two.set("stopped", True)
    told: list[str] = []
    serve_all(two.url, rounds(3), told.append)
    assert told == []
    assert states(two) == {}
    assert len(two.storage.optuna.get_all_trials(two.study_id + 1)) == 2


def test_a_study_without_its_images_is_told_once_and_the_others_go_on(
    two: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(record: StudyRecord) -> TrainingData:
        if record.name == "a":
            raise DataError("no images of a")
        return data

    monkeypatch.setattr("search.worker.load_study_data", load)
    told: list[str] = []
    serve_all(two.url, rounds(3), told.append)
    assert told == ["no images of a"]
    assert len(two.storage.optuna.get_all_trials(two.study_id + 1)) == 2


def test_a_study_whose_trials_all_fail_is_told_once(two: StudyRecord) -> None:
    queue = TrialQueue(two)
    for _ in range(MAX_FAILED_IN_A_ROW * MAX_FAILURES):
        queue.fail(claim(queue), "no")
    told: list[str] = []
    serve_all(two.url, rounds(4), told.append)
    assert len(told) == 1
