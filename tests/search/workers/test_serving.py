"""Workers for one study and for all of a storage, and the images that they load."""

import gc
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest

from mlpsearch.models.errors import DataError
from mlpsearch.search.trials.objective import Objective, Outcome
from mlpsearch.search.trials.queue import MAX_FAILED_IN_A_ROW, MAX_FAILURES, TrialQueue
from mlpsearch.search.workers.serving import serve_all
from mlpsearch.search.workers.worker import Worker, serve_one
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.study_data import load_study_data
from tests.search.behaviours import behave, well
from tests.search.makers import claim, digits_study, never, states
from tests.studies.stores import SOURCE, new_study, spec


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
    monkeypatch.setattr("mlpsearch.search.workers.serving.load_study_data", lambda record: data)
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

    monkeypatch.setattr("mlpsearch.search.workers.serving.load_study_data", load)
    told: list[str] = []
    serve_all(two.url, rounds(3), told.append)
    assert told == ["no images of a"]
    assert len(two.storage.optuna.get_all_trials(two.study_id + 1)) == 2


class Clock:
    """Time as serve_all has it: only its sleeping lets it pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("mlpsearch.search.workers.serving.time", made)
    monkeypatch.setattr("mlpsearch.search.workers.serving.IDLE_SECONDS", 0.5)
    return made


def test_a_study_whose_images_could_not_be_loaded_is_tried_again_after_growing_pauses(
    two: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr("mlpsearch.search.workers.serving.IDLE_SECONDS", 2.0)  # few looks in all that time
    tried: list[float] = []

    def load(record: StudyRecord) -> TrainingData:
        if record.name == "a":
            tried.append(clock.now)
            if len(tried) < 12:
                raise DataError("no connection")
        return data

    monkeypatch.setattr("mlpsearch.search.workers.serving.load_study_data", load)
    told: list[str] = []
    serve_all(two.url, lambda: states(two).get("COMPLETE") == 2, told.append)
    assert told == ["no connection"]
    pauses = [round(later - earlier) for earlier, later in pairwise(tried)]
    assert pauses == [2, 4, 8, 16, 32, 64, *[120] * 5]


def test_an_error_is_told_again_after_the_study_went_well(
    two: StudyRecord, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    create_or_resume(two.url, spec(name="a", trials=3, epochs=1), trials=3, source=SOURCE)
    fails = iter([True, False, True, False, False])

    def run(worker: Worker) -> bool:
        if worker._record.name == "a" and next(fails):
            raise DataError("no")
        return run_one_if_any(worker)

    run_one_if_any = Worker.run_one_if_any
    monkeypatch.setattr(Worker, "run_one_if_any", run)
    told: list[str] = []
    serve_all(two.url, lambda: states(two).get("COMPLETE") == 3, told.append)
    assert told == ["no", "no"]


def test_a_study_made_anew_under_its_name_is_served(
    two: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """Its predecessor could not be, and is deleted while the worker waits to try it again."""
    made: list[StudyRecord] = []

    def load(record: StudyRecord) -> TrainingData:
        if record.id == two.id:
            raise DataError("no")
        return data

    def over() -> bool:
        if clock.now > 1 and not made:
            delete_study(two)
            made.append(create_or_resume(two.url, two.spec, trials=None, source=SOURCE))
        return bool(made) and states(made[0]).get("COMPLETE") == 2

    monkeypatch.setattr("mlpsearch.search.workers.serving.load_study_data", load)
    serve_all(two.url, over, lambda _: None)
    assert clock.now < 2  # it did not wait for the other's next try


@pytest.mark.parametrize("how", ["complete", "stopped"])
def test_images_are_kept_only_while_a_study_is_open_and_loaded_once(
    two: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch, clock: Clock, how: str
) -> None:
    alive: list[weakref.ref[Any]] = []

    def load(record: StudyRecord) -> TrainingData:
        images = data.training.images.copy()
        alive.append(weakref.ref(images))
        return replace(data, training=replace(data.training, images=images))

    looks = 0

    def over() -> bool:
        nonlocal looks
        looks += 1
        done = states(two).get("COMPLETE") or 0
        if how == "stopped" and done:
            two.set("stopped", True)
        return clock.now > 20

    monkeypatch.setattr("mlpsearch.search.workers.serving.load_study_data", load)
    serve_all(two.url, over, lambda _: None)
    assert states(two) == {"COMPLETE": 2 if how == "complete" else 1}
    gc.collect()
    assert looks > 20
    assert len(alive) == 2
    assert [one() for one in alive] == [None, None]


def test_no_images_are_loaded_for_studies_that_are_over(
    two: StudyRecord, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    serve_all(two.url, lambda: clock.now > 1, lambda _: None)

    def load(record: StudyRecord) -> TrainingData:
        raise AssertionError("there is nothing to do")

    monkeypatch.setattr("mlpsearch.search.workers.serving.load_study_data", load)
    until = clock.now + 5
    serve_all(two.url, lambda: clock.now > until, lambda _: None)


def test_a_study_that_cannot_be_read_holds_up_no_other(two: StudyRecord, clock: Clock) -> None:
    two.set("spec", {"of": "a newer version"})
    told: list[str] = []
    serve_all(two.url, lambda: clock.now > 1, told.append)
    assert len(told) == 1
    assert len(two.storage.optuna.get_all_trials(two.study_id + 1)) == 2


def test_a_study_whose_trials_all_fail_is_told_once(two: StudyRecord) -> None:
    queue = TrialQueue(two)
    for _ in range(MAX_FAILED_IN_A_ROW * MAX_FAILURES):
        queue.fail(claim(queue), "no")
    told: list[str] = []
    serve_all(two.url, rounds(4), told.append)
    assert len(told) == 1
