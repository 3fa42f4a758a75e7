"""sampler = "grid": each point once, in order, whatever happens to the workers."""

import random
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from mlpsearch.models.errors import StudyError
from mlpsearch.search.results.efficiency import efficiency
from mlpsearch.search.service import enqueue
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.next_trial import origin_of
from mlpsearch.search.trials.queue import MAX_FAILURES, Claim, TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.space import suggest
from tests.search.makers import claim, states, workers_at_once
from tests.studies.stores import SOURCE, new_study, spec

pytestmark = pytest.mark.usefixtures("database")

SEARCH = {
    "momentum": {"choices": [0.9, 0.0]},
    "hidden_size": {"low": 4, "high": 8, "step": 2},
    "dropout": {"low": 0.1, "high": 0.3, "step": 0.1},
}
# In the order of TrainConfig's fields, the last one changing first.
GRID = [
    {"hidden_size": size, "momentum": momentum, "dropout": dropout}
    for size, momentum, dropout in product([4, 6, 8], [0.9, 0.0], [0.1, 0.2, 0.3])
]


def grid(folder: Path, **changes: Any) -> StudyRecord:
    settings: dict[str, Any] = {"trials": 50, "search": SEARCH, "sampler": "grid"} | changes
    return new_study(folder, spec(**settings))


def take(record: StudyRecord) -> dict[str, Any]:
    """Run the next trial, in no time; what it tried."""
    claimed = claim(TrialQueue(record))
    suggest(claimed.trial, record.spec, seed=0)
    TrialQueue(record).finish(claimed, 0.5)
    return claimed.trial.params


def work_off(record: StudyRecord) -> list[dict[str, Any]]:
    tried = []
    while not Ledger(record).is_complete():
        tried.append(take(record))
    assert TrialQueue(record).claim("w") is None
    return tried


def points(record: StudyRecord) -> list[dict[str, Any]]:
    return [trial.params for trial in record.own_trials() if trial.state == TrialState.COMPLETE]


def by_text(listed: list[dict[str, Any]]) -> list[str]:
    return sorted(str(sorted(point.items())) for point in listed)


def test_each_point_is_tried_once_in_order_and_then_the_search_ends(tmp_path: Path) -> None:
    record = grid(tmp_path)
    assert work_off(record) == GRID
    assert states(record) == {"COMPLETE": 18}
    assert Ledger(record).ended_by() == "space"


def test_a_smaller_budget_tries_the_first_points_and_a_larger_one_the_others(tmp_path: Path) -> None:
    record = grid(tmp_path, trials=4)
    assert work_off(record) == GRID[:4]
    assert Ledger(record).ended_by() == "trials"
    create_or_resume(record.url, record.spec, trials=18, source=SOURCE)
    assert work_off(record) == GRID[4:]
    assert Ledger(record).ended_by() == "trials"


def test_points_are_those_of_the_sampler_and_none_is_random(tmp_path: Path) -> None:
    record = grid(tmp_path)
    work_off(record)
    trials = record.own_trials()
    assert {origin_of(trial, record.starts) for trial in trials} == {"sampler"}
    assert efficiency(record, trials).random_trials == 0


def test_starting_points_and_enqueued_ones_come_first_and_are_not_tried_again(tmp_path: Path) -> None:
    starts = [{"hidden_size": 8}, GRID[5], GRID[5], {"hidden_size": 4, "momentum": 0.0}]
    record = grid(tmp_path, start=starts)
    first = take(record)
    assert first == {"hidden_size": 8, "momentum": 0.9, "dropout": 0.1}
    enqueue(record, {"hidden_size": 6})
    enqueue(record, GRID[3])
    mine = [take(record), take(record)]
    assert mine == [{"hidden_size": 6, "momentum": 0.9, "dropout": 0.1}, GRID[3]]
    begun = [take(record), take(record)]
    assert begun == [GRID[5], {"hidden_size": 4, "momentum": 0.0, "dropout": 0.2}]
    rest = work_off(record)
    seen = [first, *mine, *begun]
    assert rest == [point for point in GRID if point not in seen]
    origins = [origin_of(trial, record.starts) for trial in record.own_trials()]
    assert origins == ["start", "queue", "queue", "start", "start"] + ["sampler"] * 13


def test_what_the_grid_has_tried_cannot_be_enqueued(tmp_path: Path) -> None:
    record = grid(tmp_path)
    tried = [take(record) for _ in range(6)]
    with pytest.raises(StudyError, match=r"^study mine: trial 2 has this point$"):
        enqueue(record, tried[2])
    with pytest.raises(StudyError, match=r"^study mine: each point of the grid with these values has a trial$"):
        enqueue(record, {"hidden_size": 4})
    enqueue(record, {"momentum": 0.0})
    assert take(record) == {"hidden_size": 6, "momentum": 0.0, "dropout": 0.1}


def test_a_point_that_fails_is_tried_once_more_and_then_left(tmp_path: Path) -> None:
    record = grid(tmp_path)
    queue = TrialQueue(record)
    for _ in range(2 * MAX_FAILURES):
        queue.fail(claim(queue), "no")
    assert work_off(record) == GRID[1:]
    assert states(record) == {"COMPLETE": 17, "FAIL": 2}
    record.reopen()
    assert work_off(record) == GRID[:1]


def test_what_others_queued_with_optuna_is_not_tried_again(tmp_path: Path) -> None:
    record = grid(tmp_path)
    record.optuna_study().enqueue_trial({"hidden_size": 6.0, "momentum": 0.0, "dropout": 0.1 + 0.1})
    record.optuna_study().enqueue_trial({"hidden_size": 5})  # is no point of it
    record.optuna_study().enqueue_trial({"hidden_size": 8})
    work_off(record)
    assert by_text([{**point, "dropout": round(point["dropout"], 9)} for point in points(record)]) == by_text(GRID)


def test_many_workers_with_mishaps_try_each_point_once(tmp_path: Path) -> None:
    record = grid(tmp_path, start=[{"hidden_size": 8}, GRID[2]])

    def act(queue: TrialQueue, claimed: Claim, chance: random.Random) -> None:
        match chance.choice(["finish", "finish", "prune", "requeue", "die"]):
            case "requeue":
                queue.requeue(claimed)
            case "die":
                queue.release(claimed.worker)
            case end:
                suggest(claimed.trial, record.spec, seed=0)
                (queue.finish if end == "finish" else queue.prune)(claimed, 0.5)

    workers_at_once(record, act)
    assert by_text([trial.params for trial in record.own_trials()]) == by_text(GRID)
    assert Ledger(record).ended_by() == "space"
