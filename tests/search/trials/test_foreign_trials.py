"""Trials of others in a study: nobody waits for them, nothing counts them, and none is ever the best."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.pruners import _filter_study
from optuna.trial import TrialState, create_trial

from mlpsearch.search.strategy.samplers import make_sampler
from mlpsearch.search.trials.queue import MAX_FAILED_IN_A_ROW, Claim, TrialLost, TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.spec.space import suggest
from tests.search.foreign import PARAMS, as_before_marks, ask, trial_of
from tests.search.makers import add_own, claim, same_study, silence, started_earlier, states, workers_at_once
from tests.studies.stores import SOURCE, new_study, spec

pytestmark = pytest.mark.usefixtures("database")


def finish(record: StudyRecord, value: float = 0.5) -> int:
    """Train the next trial as a worker would; return its number."""
    queue = TrialQueue(record)
    claimed = claim(queue)
    suggest(claimed.trial, record.spec, seed=0)
    for key, fact in {"seed": 1, "epochs": 3}.items():
        claimed.trial.set_user_attr(key, fact)
    queue.finish(claimed, value)
    return claimed.number


def best_of(record: StudyRecord) -> int | None:
    best = TrialQueue(same_study(record)).ledger.best()
    return None if best is None else best.number


# ---- trials that somebody ran ----


@pytest.mark.parametrize("params", [PARAMS, {"hidden_size": 7}, {}])
def test_a_finished_trial_of_others_is_not_the_best(record: StudyRecord, params: dict[str, Any]) -> None:
    record.optuna_study().add_trial(trial_of(0.999, params))
    assert best_of(record) is None
    assert finish(record) == 1
    assert best_of(record) == 1


@pytest.mark.parametrize("value", [0.999, float("inf"), -1.0, 2.0])
def test_a_finished_trial_of_others_takes_no_place_in_the_budget(record: StudyRecord, value: float) -> None:
    others = record.optuna_study()
    others.add_trial(trial_of(value))
    others.add_trial(trial_of(value, state=TrialState.PRUNED))
    numbers = [finish(record, accuracy) for accuracy in (0.1, 0.3, 0.2)]
    queue = TrialQueue(record)
    assert numbers == [2, 3, 4]
    assert (queue.ledger.ended(), queue.ledger.is_complete(), queue.claim("w")) == (3, True, None)
    assert [trial.number for trial in queue.ledger.top(10)] == [3, 4, 2]
    assert record.counts.foreign()[TrialState.COMPLETE] == record.counts.foreign()[TrialState.PRUNED] == 1


def test_nobody_waits_for_a_running_trial_of_others(record: StudyRecord) -> None:
    ask(record)
    started_earlier(record, 3600)
    for _ in range(3):
        finish(record)
    queue = TrialQueue(record)
    assert queue.ledger.is_complete()
    assert queue.ledger.running() == []
    assert queue.reap() == []
    assert record.counts.foreign()[TrialState.RUNNING] == 1


def test_a_running_trial_of_others_uses_up_neither_seconds_nor_epochs(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=3, seconds=60.0, total_epochs=2))
    running = ask(record)
    for step in range(5):
        running.report(0.5, step)
    started_earlier(record, 3600)
    assert not TrialQueue(record).ledger.is_used_up()
    assert (record.counts.epochs(), record.counts.seconds()) == (0, 0)
    assert finish(record) == 1


def test_who_tells_the_end_of_a_workers_trial_gains_nothing(record: StudyRecord) -> None:
    queue = TrialQueue(record)
    held = claim(queue)
    suggest(held.trial, record.spec, seed=0)
    record.optuna_study().tell(held.number, 0.999)
    assert not queue.beat(held)
    with pytest.raises(TrialLost):
        queue.finish(held, 0.5)
    assert (queue.ledger.ended(), best_of(record)) == (0, None)
    assert [finish(record) for _ in range(3)] == [1, 2, 3]
    assert queue.ledger.is_complete()


def test_a_waiting_trial_that_somebody_takes_is_made_good(record: StudyRecord) -> None:
    queue = TrialQueue(record)
    queue.requeue(claim(queue))
    taken = ask(record)
    assert taken.number == 0
    silence(record)
    assert queue.reap() == [0]
    assert [finish(record) for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL])
def test_copies_of_another_studys_trials_are_trials_of_others(tmp_path: Path, state: TrialState) -> None:
    old = new_study(tmp_path / "old", spec(trials=1))
    add_own(old, trial_of(None if state == TrialState.FAIL else 0.9, state=state))
    new = create_or_resume(old.url, spec(name="new", trials=1), trials=None, source=SOURCE)
    new.optuna_study().add_trials(old.optuna_study().trials)
    assert old.counts.by_state()[state] == 1
    assert sum(new.counts.by_state().values()) == 0
    assert new.counts.foreign()[state] == 1


def test_a_copy_within_the_study_is_a_trial_of_others(record: StudyRecord) -> None:
    finish(record)
    record.optuna_study().add_trial(record.optuna_study().trials[0])
    assert states(record) == {"COMPLETE": 1}


def test_failed_trials_of_others_do_not_stop_the_study(record: StudyRecord) -> None:
    for _ in range(MAX_FAILED_IN_A_ROW):
        record.optuna_study().add_trial(trial_of(None, state=TrialState.FAIL))
    assert finish(record) == MAX_FAILED_IN_A_ROW


@pytest.mark.parametrize("pruner", ["leader", "median", "hyperband", "none"])
def test_the_search_learns_from_its_own_trials_alone(tmp_path: Path, pruner: str) -> None:
    record = new_study(tmp_path, spec(trials=5, pruner=pruner))
    record.optuna_study().add_trial(trial_of(0.999))
    ask(record)
    finish(record)
    trial = claim(TrialQueue(record)).trial
    frozen = trial.study.get_trials(deepcopy=False)[-1]
    assert frozen.number == trial.number
    seen = (trial.study, _filter_study(trial.study, frozen))
    assert [[one.number for one in study._get_trials()] for study in seen] == [[2, 3]] * 2
    assert {one.number for one in seen[1].get_trials()} <= {2, 3}
    trial.report(0.5, 1)
    assert trial.should_prune() in (True, False)


@pytest.mark.parametrize("sampler", ["auto", "tpe", "gp", "random"])
def test_a_points_choice_does_not_depend_on_trials_of_others(tmp_path: Path, sampler: str) -> None:
    tried = []
    for folder in ("alone", "visited"):
        record = new_study(tmp_path / folder, spec(trials=3, sampler=sampler))
        for number in range(2):
            finish(record, 0.1 * number)
        visitors = [trial_of(0.999), trial_of(0.5, {}), trial_of(0.0, {"hidden_size": 7})]
        for trial in visitors if folder == "visited" else []:
            record.optuna_study().add_trial(trial)
        study = claim(TrialQueue(record)).trial.study
        tried.append(_draw(study, record))
    assert tried[0] == tried[1]


def _draw(study: optuna.Study, record: StudyRecord) -> object:
    """What the sampler would try as trial 100."""
    trial = create_trial(state=TrialState.RUNNING)
    trial.number = 100
    sampler = make_sampler(record.spec)
    space = sampler.infer_relative_search_space(study, trial)
    drawn = sampler.sample_relative(study, trial, space)
    missing = [name for name in space if name not in drawn]
    return drawn | {name: sampler.sample_independent(study, trial, name, space[name]) for name in missing}


# ---- points that somebody queued ----


def test_a_queued_point_that_fits_is_trained_as_it_is(record: StudyRecord) -> None:
    record.optuna_study().enqueue_trial({"hidden_size": 12.0}, user_attrs={"note": "mine"})
    claimed = claim(TrialQueue(record))
    assert claimed.number == 0
    assert suggest(claimed.trial, record.spec, seed=0).hidden_size == 12
    assert claimed.trial.user_attrs["note"] == "mine"


def test_a_queued_point_that_does_not_fit_is_refused_with_the_reason(record: StudyRecord) -> None:
    for _ in range(MAX_FAILED_IN_A_ROW + 1):
        record.optuna_study().enqueue_trial({"hidden_size": 400})
    assert [finish(record) for _ in range(3)] == [6, 7, 8]
    refused = record.optuna_study().trials[0]
    reason = "hidden_size = 400: must be from 4 to 16, as search.hidden_size says"
    assert (refused.state, refused.user_attrs["error"]) == (TrialState.FAIL, reason)
    assert record.counts.refused(2) == [(5, reason), (4, reason)]
    assert states(record) == {"COMPLETE": 3}
    assert record.counts.foreign()[TrialState.FAIL] == MAX_FAILED_IN_A_ROW + 1
    assert TrialQueue(record).ledger.is_complete()


def test_no_more_points_are_trained_than_the_budget_has_room_for(record: StudyRecord) -> None:
    for size in range(4, 9):
        record.optuna_study().enqueue_trial({"hidden_size": size})
    assert [finish(record) for _ in range(3)] == [0, 1, 2]
    queue = TrialQueue(record)
    assert (queue.claim("w"), queue.ledger.is_complete()) == (None, True)
    assert states(record) == {"COMPLETE": 3, "WAITING": 2}
    create_or_resume(record.url, record.spec, trials=4, source=SOURCE)
    assert finish(record) == 3
    assert queue.claim("w") is None


def test_a_trial_that_was_begun_goes_before_queued_points(record: StudyRecord) -> None:
    queue = TrialQueue(record)
    for size in range(4, 9):
        record.optuna_study().enqueue_trial({"hidden_size": size})
    claims = [claim(queue) for _ in range(3)]
    record.optuna_study().enqueue_trial({"hidden_size": 9})
    for held in claims[1:]:
        queue.requeue(held)
    queue.fail(claims[0], "no")
    assert [claim(queue).number for _ in range(3)] == [0, 1, 2]
    assert queue.claim("w") is None


def test_threads_end_exactly_the_budget_of_more_points_than_it(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=6))
    others = record.optuna_study()
    for size in range(4, 16):
        others.enqueue_trial({"hidden_size": size if size % 3 else 1000})

    def act(queue: TrialQueue, claimed: Claim, chance: random.Random) -> bool:
        ends = chance.random() < 0.75
        queue.finish(claimed, 0.5) if ends else queue.requeue(claimed)
        return ends

    assert sum(workers_at_once(record, act)) == 6
    assert states(record)["COMPLETE"] == 6


# ---- studies of earlier versions, and copies ----


def test_a_study_of_an_earlier_version_keeps_its_trials(record: StudyRecord) -> None:
    assert [finish(record, value) for value in (0.2, 0.4)] == [0, 1]
    claim(TrialQueue(record))
    old = as_before_marks(record)
    assert states(old) == {"COMPLETE": 2, "RUNNING": 1}
    assert best_of(old) == 1
    old.optuna_study().add_trial(trial_of(0.999))
    assert old.counts.foreign()[TrialState.COMPLETE] == 1
    silence(old)
    assert TrialQueue(old).reap() == [2]
    assert finish(old, 0.6) == 2
    assert (best_of(old), TrialQueue(old).ledger.is_complete()) == (2, True)


@pytest.mark.parametrize("params", [{}, {"hidden_size": 7}, {"hidden_size": 16, "learning_rate": 0.1, "more": 1}])
def test_a_forged_trial_of_a_study_of_an_earlier_version_is_not_the_best(
    record: StudyRecord, params: dict[str, Any]
) -> None:
    finish(record)
    old = as_before_marks(record)
    forged = trial_of(0.999, {name: params[name] for name in params if name != "more"})
    if "more" in params:
        forged.params |= {"more": 1}
        forged.distributions |= {"more": optuna.distributions.IntDistribution(0, 2)}
    forged.user_attrs = {"worker": "w", "seed": 1, "epochs": 3}
    old.optuna_study().add_trial(forged)
    assert best_of(old) == 0
    assert [trial.number for trial in TrialQueue(old).ledger.top(5)] == [0]


def test_the_running_trials_of_a_copied_study_go_on(record: StudyRecord) -> None:
    """Optuna copies them without heartbeats, and takes them for alive for ever."""
    queue = TrialQueue(record)
    claim(queue)
    with record.storage.connections.transaction() as connection:
        connection.execute("DELETE FROM trial_heartbeats")
    assert queue.reap() == []
    started_earlier(record, 3600)
    assert [alive for _, alive in queue.ledger.running()] == [False]
    assert queue.reap() == [0]
    assert finish(record) == 0


# ---- confirmations ----


@pytest.mark.parametrize(
    "add",
    [
        lambda runs: runs.optuna_study().enqueue_trial(PARAMS),
        lambda runs: runs.optuna_study().enqueue_trial(
            PARAMS, user_attrs={"run": 0, "of_trial": 0, "planned_seed": 1}
        ),
        lambda runs: runs.optuna_study().enqueue_trial({}, user_attrs={"run": "x"}),
        lambda runs: runs.optuna_study().add_trial(trial_of(0.999)),
        ask,
    ],
)
def test_a_confirmation_trains_its_plan_alone(record: StudyRecord, add: Callable[[StudyRecord], object]) -> None:
    from mlpsearch.search.results.confirming import confirmed, plan

    asked = Confirm(top=1, report=2)
    for _ in range(3):
        finish(record)
    runs = plan(record, asked)
    add(runs)
    queue = TrialQueue(runs)
    while (claimed := queue.claim("w")) is not None:
        queue.finish(claimed, 0.5)
    assert queue.ledger.is_complete()
    trained = {state: count for state, count in states(runs).items() if state != "WAITING"}
    assert trained == {"COMPLETE": 2}
    assert confirmed(record, asked).result.accuracies == [0.5, 0.5]


def test_a_copy_of_a_run_that_is_done_is_not_trained(record: StudyRecord) -> None:
    from mlpsearch.search.results.confirming import plan

    for _ in range(3):
        finish(record)
    runs = plan(record, Confirm(top=1, report=2))
    queue = TrialQueue(runs)
    while (claimed := queue.claim("w")) is not None:
        queue.finish(claimed, 0.5)
    run = (runs.plan or [])[0]
    facts = {"of_trial": run.trial, "planned_seed": run.seed}
    runs.optuna_study().enqueue_trial(run.params, user_attrs=facts)
    assert queue.claim("w") is None
