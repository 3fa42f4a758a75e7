"""Searches of few points: none is tried twice, and the search ends once all were."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from mlpsearch.search.cli.display import study_lines
from mlpsearch.search.results.status import study_status
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.queue import Claim, TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.space import suggest
from tests.search.makers import claim, same_study, states, workers_at_once
from tests.studies.stores import SOURCE, new_study, spec

SIX = {"hidden_size": {"low": 4, "high": 6}, "optimizer": {"choices": ["sgd", "adam"]}}
USED_UP = "each point of the search space was tried: the search ends after 6 trials"


def small(folder: Path, **changes: Any) -> StudyRecord:
    settings: dict[str, Any] = {"trials": 20, "search": SIX, "sampler": "auto"} | changes
    return new_study(folder, spec(**settings))


def work(record: StudyRecord, claimed: Claim, value: float = 0.5) -> None:
    suggest(claimed.trial, record.spec, seed=0)
    TrialQueue(record).finish(claimed, value)


def work_off(record: StudyRecord) -> None:
    queue = TrialQueue(record)
    while (claimed := queue.claim("w")) is not None:
        work(record, claimed)


def points(record: StudyRecord) -> Counter[str]:
    trials = [trial for trial in record.own_trials() if trial.state == TrialState.COMPLETE]
    return Counter(str(sorted(trial.params.items())) for trial in trials)


@pytest.mark.parametrize("sampler", ["auto", "random", "gp", "grid"])
def test_a_search_ends_once_each_point_was_tried_and_says_so(tmp_path: Path, sampler: str) -> None:
    record = small(tmp_path, sampler=sampler)
    for _ in range(5):
        work(record, claim(TrialQueue(record)))
    status = study_status(record, Ledger(record))
    assert (status.state, status.ended_by) == ("open", None)
    work_off(record)
    assert points(record) == dict.fromkeys(points(record), 1)
    assert states(record) == {"COMPLETE": 6}
    status = study_status(record, Ledger(record))
    assert (status.state, status.ended_by) == ("complete", "space")
    assert USED_UP in [*study_lines(status, None)]


@pytest.mark.parametrize(
    ("limits", "left"), [({}, 4.0), ({"trials": 5}, 2.0), ({"seconds": 11.0}, 3.0), ({"total_epochs": 9}, 1.0)]
)
def test_the_time_left_is_up_to_the_limit_that_is_reached_first(
    tmp_path: Path, limits: dict[str, Any], left: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = small(tmp_path, **limits)
    for _ in range(4):  # of six points
        work(record, claim(TrialQueue(record)))
    monkeypatch.setattr(type(record.counts), "seconds", lambda _: 8.0)
    monkeypatch.setattr(type(record.counts), "epochs", lambda _: 8)
    assert study_status(record, Ledger(record)).seconds_left == left


def test_of_a_trial_that_runs_its_epochs_count_for_the_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = small(tmp_path, epochs=4)
    for _ in range(2):  # of six points
        work(record, claim(TrialQueue(record)))
    half_way = claim(TrialQueue(record))
    for epoch in (1, 2):
        half_way.trial.report(0.5, epoch)
    monkeypatch.setattr(type(record.counts), "seconds", lambda _: 5.0)
    assert study_status(record, Ledger(record)).seconds_left == 7.0


@pytest.mark.parametrize("trials", [5, 6])
def test_a_budget_of_no_more_trials_than_points_ends_as_others_do(tmp_path: Path, trials: int) -> None:
    record = small(tmp_path, trials=trials)
    work_off(record)
    assert states(record) == {"COMPLETE": trials}
    status = study_status(record, Ledger(record))
    assert (status.state, status.ended_by) == ("complete", "trials")


def test_a_space_that_was_used_up_is_so_whatever_the_budget_grows_to(tmp_path: Path) -> None:
    record = small(tmp_path, trials=4)
    work_off(record)
    assert states(record) == {"COMPLETE": 4}
    create_or_resume(record.url, record.spec, trials=50, source=SOURCE)
    assert not Ledger(record).is_complete()
    work_off(record)
    assert states(record) == {"COMPLETE": 6}
    create_or_resume(record.url, record.spec, trials=100, source=SOURCE)
    assert (Ledger(record).is_complete(), TrialQueue(record).claim("w")) == (True, None)


def test_starts_and_queued_points_are_tried_first_and_as_often_as_they_are_asked_for(tmp_path: Path) -> None:
    point = {"hidden_size": 5, "optimizer": "adam"}
    record = small(tmp_path, start=[point, {"hidden_size": 5}, {"hidden_size": 5}])
    work(record, claim(TrialQueue(record)))
    record.optuna_study().enqueue_trial(point)
    record.optuna_study().enqueue_trial({"hidden_size": 50})
    work_off(record)
    assert sorted(points(record).values()) == [1, 1, 1, 1, 1, 3]
    assert Ledger(record).is_complete()


def test_a_point_that_fails_is_tried_once_more_and_does_not_hold_up_the_others(tmp_path: Path) -> None:
    record = small(tmp_path)
    queue = TrialQueue(record)
    while (claimed := queue.claim("w")) is not None:
        config = suggest(claimed.trial, record.spec, seed=0)
        if (config.hidden_size, config.optimizer) == (5, "sgd"):
            queue.fail(claimed, "no")
        else:
            queue.finish(claimed, 0.5)
    assert states(record) == {"COMPLETE": 5, "FAIL": 2}
    assert Ledger(record).is_complete()
    record.reopen()  # what made it fail may be mended
    assert not Ledger(record).is_complete()
    work_off(record)
    assert states(record) == {"COMPLETE": 6, "FAIL": 2}


def test_workers_at_the_same_time_use_the_space_up_and_end(tmp_path: Path) -> None:
    record = small(tmp_path, search=SIX | {"depth": {"low": 2, "high": 3}}, sampler="random")

    def act(queue: TrialQueue, claimed: Claim, chance: random.Random) -> None:
        suggest(claimed.trial, record.spec, seed=0)
        if chance.random() < 0.3:
            queue.requeue(claimed)
        else:
            queue.finish(claimed, 0.5)

    workers_at_once(record, act)
    assert len(points(record)) == 12
    assert states(record).keys() == {"COMPLETE"}


def test_equal_studies_try_equal_points_also_across_interruptions(tmp_path: Path) -> None:
    tried = []
    for cut_off in (False, True):
        record = small(tmp_path / str(cut_off))
        for number in range(6):
            queue = TrialQueue(same_study(record))
            claimed = claim(queue)
            if cut_off and number % 2:
                suggest(claimed.trial, record.spec, seed=0)
                queue.requeue(claimed)
                claimed = claim(TrialQueue(same_study(record)))
            work(record, claimed, value=0.1 * number)
        tried.append([trial.params for trial in record.own_trials()])
    assert tried[0] == tried[1]
