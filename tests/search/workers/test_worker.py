"""A worker on real files: what it leaves behind, also when it is interrupted."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState

from mlpsearch.models.announcements import announcing_to
from mlpsearch.models.errors import StudyError
from mlpsearch.models.weights import load_arrays
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.search.workers.worker import Worker, worker_name
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.files.file_store import ENVIRONMENT
from mlpsearch.studies.record import StudyRecord, open_study
from tests.search.behaviours import behave, raising, reaching, stops_after
from tests.search.makers import (
    checkpoints,
    claim,
    content,
    facts,
    kept_weights,
    never,
    same_study,
    states,
    weights_path,
)
from tests.studies.stores import SOURCE, folder_of, new_study, spec


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    return new_study(tmp_path, spec(trials=3, epochs=2))


def test_a_study_ends_with_its_budget_and_the_best_weights(record: StudyRecord, data: TrainingData) -> None:
    Worker(record, data, never).run()
    assert states(record) == {"COMPLETE": 3}
    best = TrialQueue(record).ledger.best()
    assert best is not None
    assert kept_weights(folder_of(record)) == [best.number]
    assert checkpoints(record) == []
    arrays, metadata = load_arrays(weights_path(folder_of(record), best.number))
    assert float(metadata["validation_score"]) == best.value
    assert arrays["weight.0"].shape == (12, best.params["hidden_size"])
    assert facts(record, 0)["worker"] == worker_name()
    assert {"training_accuracy", "epochs", "seconds", "images_per_second", "parameters", "seed", "threads"} <= {
        *facts(record, 0)
    }


def test_in_a_copied_database_the_files_of_the_original_are_let_be(
    tmp_path: Path, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "shared"))
    record = new_study(tmp_path, spec(trials=3, epochs=2))
    record.storage.close()
    shutil.copy(tmp_path / "studies.db", tmp_path / "copy.db")
    copy = open_study(f"sqlite:///{tmp_path}/copy.db", "mine")
    with pytest.raises(StudyError, match="seems to be a copy; copy the files, too"):
        Worker(copy, data, never)
    assert states(copy) == {}


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
    assert kept_weights(folder_of(record)) == kept


def test_the_first_of_equals_may_end_last(
    record: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    behave(monkeypatch, reaching(0.7, 0.7, 0.6))
    queue = TrialQueue(record)
    ended: list[int] = []
    first = claim(queue, "other")

    def give_back_after_one() -> bool:
        if states(record).get("COMPLETE") == 1 and not ended:
            ended.extend(kept_weights(folder_of(record)))
            queue.requeue(first)
        return False

    Worker(record, data, give_back_after_one).run()
    assert ended == [1]
    assert kept_weights(folder_of(record)) == [0]


def test_weights_of_another_workers_unfinished_trial_stay(record: StudyRecord, data: TrainingData) -> None:
    """That worker writes them just before it ends its trial."""
    other = TrialQueue(same_study(record))
    theirs = claim(other, "other")
    path = weights_path(folder_of(record), theirs.number)
    path.parent.mkdir(parents=True)
    path.touch()
    worker = Worker(record, data, never)
    for _ in range(2):
        worker.run_one_if_any()
    assert theirs.number in kept_weights(folder_of(record))
    other.finish(theirs, 0.0)
    create_or_resume(record.url, record.spec, trials=4, source=SOURCE)
    worker.run()
    assert theirs.number not in kept_weights(folder_of(record))


def test_one_that_waits_for_the_trials_of_others_leaves_when_it_is_asked_to(
    record: StudyRecord, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests, theirs = list[float](), [claim(TrialQueue(record), "other") for _ in range(3)]
    monkeypatch.setattr("mlpsearch.search.workers.worker.IDLE_SECONDS", 3600.0)
    monkeypatch.setattr("mlpsearch.search.workers.worker.time.sleep", rests.append)
    Worker(record, data, lambda: bool(rests)).run()
    assert len(rests) == 1
    assert states(record) == {"RUNNING": len(theirs)}


# ---- interrupted and repeated ----


@pytest.mark.parametrize(
    "changes",
    [
        {"pruner": "hyperband", "sampler": "tpe", "trials": 12},  # past the ten that TPE begins with
        {"pruner": "leader", "net": "torch", "fixed": {"optimizer": "adam"}, "trials": 6},
    ],
    ids=["numpy-hyperband", "torch-leader"],
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
    assert states(whole).get("PRUNED", 0) > 0 or "net" in changes
    (number,) = kept_weights(folder_of(parts))
    mine, theirs = (load_arrays(weights_path(folder_of(record), number)) for record in (parts, whole))
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
    monkeypatch.setattr("mlpsearch.search.workers.lease.HEARTBEAT_SECONDS", 0.01)

    def stop_when_it_runs() -> bool:
        if record.counts.epochs() >= 2:
            same_study(record).set("stopped", True)
        return False

    Worker(record, data, stop_when_it_runs).run()
    assert states(record) == {"WAITING": 1}
    assert checkpoints(record) == ["0.safetensors"]


def test_it_announces_how_each_trial_ended(record: StudyRecord, data: TrainingData) -> None:
    heard: list[str] = []
    with announcing_to(heard.append):
        Worker(record, data, never).run()
    trials = record.own_trials()
    assert len(heard) == len(trials) == 3
    for trial, line in zip(trials, heard, strict=True):
        end = "pruned" if trial.state == TrialState.PRUNED else "finished"
        epochs = trial.user_attrs["epochs"]
        count = "1 epoch" if epochs == 1 else f"{epochs} epochs"
        reached = f"validation accuracy {trial.value:.2%}" if end == "finished" else "validation accuracy "
        assert line.startswith(f"mine: trial {trial.number} {end}, {reached}")
        assert f" after {count}, " in line
        assert not line.endswith(" 0.0 s"), "no trial takes no time"
