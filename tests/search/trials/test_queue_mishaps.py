"""Who runs which trial: every way in which one comes back unfinished, or is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial

from mlpsearch.models.errors import StudyError
from mlpsearch.search.results.confirming import plan
from mlpsearch.search.service import ask_to_confirm
from mlpsearch.search.trials.queue import (
    MAX_DEATHS,
    MAX_FAILED_IN_A_ROW,
    MAX_FAILURES,
    Claim,
    TrialLost,
    TrialQueue,
)
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.storage.trial_changes import TrialChange
from tests.search.makers import claim, facts, same_study, silence, states
from tests.studies.stores import SOURCE, new_study, spec

pytestmark = pytest.mark.usefixtures("database")


def test_a_trial_given_back_is_the_next_one_with_all_it_has(record: StudyRecord, queue: TrialQueue) -> None:
    first = claim(queue, "first")
    claim(queue, "other")
    config = suggest(first.trial, record.spec, seed=1)
    first.trial.report(0.25, 1)
    queue.requeue(first)
    again = claim(TrialQueue(same_study(record)), "second")
    assert (again.number, again.worker) == (0, "second")
    assert suggest(again.trial, record.spec, seed=1) == config
    assert again.trial.study.trials[0].intermediate_values == {1: 0.25}
    assert claim(queue).number == 2


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_trial_given_back_before_its_first_parameter(tmp_path: Path, sampler: str) -> None:
    record = new_study(tmp_path, spec(sampler=sampler))
    queue = TrialQueue(record)
    queue.requeue(claim(queue))
    config = suggest(claim(TrialQueue(same_study(record))).trial, record.spec, seed=1)
    whole = new_study(tmp_path / "whole", spec(sampler=sampler))
    assert config == suggest(claim(TrialQueue(whole)).trial, whole.spec, seed=1)


def test_exceptions_are_counted_and_the_message_kept(record: StudyRecord, queue: TrialQueue) -> None:
    for count in range(1, MAX_FAILURES):
        queue.fail(claim(queue), f"message {count}")
        assert states(record) == {"WAITING": 1}
        assert facts(record)["failures"] == count
        assert facts(record)["error"] == f"message {count}"


def test_a_worker_that_died_gives_back_what_it_had(record: StudyRecord, queue: TrialQueue) -> None:
    for _ in range(2):
        claim(queue, "dead")
    claim(queue, "alive")
    assert queue.release("dead") == [0, 1]
    assert states(record) == {"WAITING": 2, "RUNNING": 1}
    assert (facts(record)["deaths"], facts(record)["error"]) == (1, "worker dead died")
    assert queue.release("dead") == []


def test_ending_a_worker_on_purpose_counts_against_no_trial(record: StudyRecord, queue: TrialQueue) -> None:
    claim(queue, "ended")
    assert queue.release("ended", died=False) == [0]
    assert states(record) == {"WAITING": 1}
    assert facts(record) == {"worker": "ended"}


def test_a_trial_that_kills_its_workers_fails_at_last(record: StudyRecord, queue: TrialQueue) -> None:
    for death in range(1, MAX_DEATHS + 1):
        assert claim(queue, "w").number == 0
        queue.release("w")
        assert facts(record)["deaths"] == death
        assert states(record) == {"WAITING": 1} if death < MAX_DEATHS else {"FAIL": 1}
    assert claim(queue).number == 1


def test_too_many_failed_trials_in_a_row_end_the_study(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=30))
    queue = TrialQueue(record)

    def fail_some(trials: int) -> None:
        for attempt in range(trials * MAX_FAILURES):
            queue.fail(claim(queue), f"ValueError: {attempt}")

    fail_some(MAX_FAILED_IN_A_ROW - 1)
    queue.finish(claim(queue), 0.5)
    fail_some(MAX_FAILED_IN_A_ROW)
    with pytest.raises(StudyError) as caught:
        queue.claim("w")
    assert str(caught.value) == (
        f"study mine: the last {MAX_FAILED_IN_A_ROW} trials failed, "
        f"the newest with: ValueError: {MAX_FAILED_IN_A_ROW * MAX_FAILURES - 1}; "
        "`mlpsearch resume mine` goes on once that is mended"
    )


def fail_trials(queue: TrialQueue, trials: int) -> None:
    for _ in range(trials * MAX_FAILURES):
        queue.fail(claim(queue), "no")


def test_after_too_many_failed_trials_a_resumed_study_goes_on(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=3))
    queues = TrialQueue(record), TrialQueue(same_study(record))
    for queue in (*queues, *queues):
        fail_trials(queue, MAX_FAILED_IN_A_ROW)  # as many again after each resumption
        for one in queues:
            with pytest.raises(StudyError, match="the last 5 trials failed"):
                one.claim("w")
        same_study(record).reopen()
    for queue in (*queues, queues[0]):
        queue.finish(claim(queue), 0.5)
    assert queues[0].ledger.is_complete()


def test_what_was_given_out_before_a_resumption_holds_it_up_no_more(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=30))
    queue = TrialQueue(record)
    held = [claim(queue) for _ in range(MAX_FAILED_IN_A_ROW)]
    fail_trials(queue, MAX_FAILED_IN_A_ROW)
    record.reopen()
    for one in held:
        queue.requeue(one)
    fail_trials(queue, 2 * MAX_FAILED_IN_A_ROW)  # those that were held are the first
    with pytest.raises(StudyError, match="the last 5 trials failed"):
        queue.claim("w")


def test_a_confirmation_whose_runs_failed_goes_on_when_it_is_asked_for_again(tmp_path: Path) -> None:
    search = new_study(tmp_path, spec(trials=1))
    queue = TrialQueue(search)
    held = claim(queue)
    suggest(held.trial, search.spec, seed=0)
    queue.finish(held, 0.5)
    asked = Confirm(top=1, report=2)
    runs = TrialQueue(plan(search, asked))
    fail_trials(runs, MAX_FAILED_IN_A_ROW)
    with pytest.raises(StudyError, match="`mlpsearch confirm mine` goes on once that is mended"):
        runs.claim("w")
    plan(search, asked)
    with pytest.raises(StudyError, match="goes on once that is mended"):
        runs.claim("w")
    ask_to_confirm(search, asked, "mlpsearch confirm mine")
    for _ in range(2):
        runs.finish(claim(runs), 0.5)
    assert runs.ledger.is_complete()


# ---- reaping ----


def test_a_silent_workers_trial_is_given_to_another(record: StudyRecord, queue: TrialQueue) -> None:
    claim(queue, "silent")
    assert queue.reap() == []
    silence(record)
    assert [(trial.number, alive) for trial, alive in queue.ledger.running()] == [(0, False)]
    alive = claim(queue, "alive")
    assert queue.reap() == [0]
    assert (facts(record)["deaths"], facts(record)["error"]) == (1, "its worker stopped answering")
    assert states(record) == {"WAITING": 1, "RUNNING": 1}
    assert claim(queue, "new").number == 0
    assert queue.reap() == []  # its heartbeat is the new worker's
    assert [(trial.number, alive) for trial, alive in queue.ledger.running()] == [(0, True), (1, True)]
    assert queue.beat(alive)


def test_a_reaped_worker_does_not_disturb_the_new_one(record: StudyRecord, queue: TrialQueue) -> None:
    old = claim(queue, "old")
    assert queue.beat(old)
    silence(record)
    queue.reap()
    assert not queue.beat(old)
    new = claim(queue, "new")
    before = facts(record)
    assert not queue.beat(old)
    queue.requeue(old)
    queue.fail(old, "no")
    assert queue.release("old") == []
    assert states(record) == {"RUNNING": 1}
    assert facts(record) == before
    assert queue.beat(new)
    queue.finish(new, 0.5)
    for act in (queue.finish, queue.prune):
        with pytest.raises(TrialLost):
            act(old, 0.25)
    queue.requeue(old)
    queue.fail(old, "no")
    assert states(record) == {"COMPLETE": 1}
    assert queue.ledger.best() is not None
    assert queue.ledger.best().value == 0.5  # type: ignore[union-attr]


def test_attempts_of_one_workers_name_are_told_apart(record: StudyRecord, queue: TrialQueue) -> None:
    """As those of two containers with the same host name and process number once were."""
    old = claim(queue, "host:1")
    silence(record)
    assert queue.reap() == [0]
    new = claim(TrialQueue(same_study(record)), "host:1")
    assert new.number == old.number
    assert not queue.beat(old)
    queue.requeue(old)
    queue.fail(old, "no")
    with pytest.raises(TrialLost):
        queue.finish(old, 0.25)
    assert states(record) == {"RUNNING": 1}
    queue.finish(new, 0.5)
    with pytest.raises(TrialLost):
        queue.finish(old, 0.5)


def do_all_twice(record: StudyRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every change be made twice, as where a server's answer to the first time is lost."""
    change_trial = record.storage.optuna.change_trial

    def twice(trial_id: int, decide: Callable[[FrozenTrial], TrialChange | None]) -> bool:
        assert change_trial(trial_id, decide)
        return change_trial(trial_id, decide)

    monkeypatch.setattr(record.storage.optuna, "change_trial", twice)


@pytest.mark.parametrize("end", [TrialQueue.finish, TrialQueue.prune])
def test_a_claim_and_an_end_whose_answers_are_lost_hold_all_the_same(
    record: StudyRecord, queue: TrialQueue, monkeypatch: pytest.MonkeyPatch, end: Callable[..., None]
) -> None:
    do_all_twice(record, monkeypatch)
    held = claim(queue)
    assert held.number == 0
    assert states(record) == {"RUNNING": 1}
    assert queue.beat(held)
    end(queue, held, 0.5, {"epochs": 3})
    assert states(record) in ({"COMPLETE": 1}, {"PRUNED": 1})
    assert facts(record) == {"worker": "w", "epochs": 3}


def test_what_is_counted_against_a_trial_is_counted_once_where_the_answer_is_lost(
    record: StudyRecord, queue: TrialQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    do_all_twice(record, monkeypatch)
    queue.fail(claim(queue), "no")
    queue.release("w")
    claim(queue)
    queue.release("w")
    assert states(record) == {"WAITING": 1}
    assert facts(record) == {"worker": "w", "failures": 1, "deaths": 1, "error": "worker w died"}


def test_a_heartbeat_keeps_a_trial(record: StudyRecord, queue: TrialQueue) -> None:
    kept = claim(queue)
    silence(record)
    assert queue.beat(kept)
    assert queue.reap() == []
    queue.finish(kept, 0.5)
    assert not queue.beat(kept)


# ---- deleted studies ----


def test_a_deleted_study_has_no_trials_to_give_or_take(record: StudyRecord, queue: TrialQueue) -> None:
    held = claim(queue)
    delete_study(same_study(record))
    with pytest.raises(StudyError, match="study mine: was deleted"):
        queue.claim("w")
    with pytest.raises(StudyError, match="study mine: was deleted"):
        queue.ledger.is_stopped()
    for end in (queue.finish, queue.prune):
        with pytest.raises(TrialLost):
            end(held, 0.5)
    queue.requeue(held)
    queue.fail(held, "no")
    assert not queue.beat(held)
    assert queue.release("w") == []


@pytest.mark.parametrize("end", [TrialQueue.finish, TrialQueue.prune])
def test_a_claim_of_a_deleted_study_ends_no_trial_of_another(
    record: StudyRecord, queue: TrialQueue, end: Callable[[TrialQueue, Claim, float], None]
) -> None:
    held = claim(queue, "old")
    delete_study(same_study(record))
    another = create_or_resume(record.url, spec(name="another"), trials=None, source=SOURCE)
    claim(TrialQueue(another), "new")
    with pytest.raises(TrialLost):
        end(queue, held, 0.9)


def test_a_worker_that_lost_its_trial_cannot_end_it_while_it_is_claimed(
    record: StudyRecord, queue: TrialQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its old worker lives, and tries to on either side of the one write that the claim is."""
    old = claim(queue, "old")
    queue.release("old")
    backend = record.storage.optuna
    change_trial = backend.change_trial

    def disturb() -> None:
        with pytest.raises(TrialLost):
            queue.finish(old, 0.5)

    def disturbed(trial_id: int, decide: Callable[[FrozenTrial], TrialChange | None]) -> bool:
        monkeypatch.undo()
        disturb()
        changed = change_trial(trial_id, decide)
        disturb()
        return changed

    monkeypatch.setattr(backend, "change_trial", disturbed)
    assert claim(queue, "new").number == 0
    assert (states(record), facts(record)["worker"]) == ({"RUNNING": 1}, "new")
