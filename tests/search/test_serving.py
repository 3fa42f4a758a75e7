"""Workers for one study and for all of a storage, and the images that they load."""

from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest

from models.errors import DataError
from search.objective import Objective, Outcome
from search.trial_queue import MAX_FAILED_IN_A_ROW, MAX_FAILURES, TrialQueue
from search.worker import load_study_data, serve_all, serve_one
from studies.creation import create_or_resume
from studies.datasets import TrainingData
from studies.record import StudyRecord
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
