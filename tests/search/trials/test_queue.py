"""Who runs which trial: the exact budget, and what a worker is given."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.search.trials.next_trial import MAX_START_TRIALS, start_of
from mlpsearch.search.trials.queue import (
    MAX_FAILURES,
    Claim,
    TrialQueue,
)
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.storage.connections import Connections
from mlpsearch.studies.storage.counts import Counts, TrialKey
from mlpsearch.studies.storage.transaction import Transaction
from mlpsearch.studies.storage.trial_changes import TrialChange
from tests.search.foreign import as_before_marks
from tests.search.makers import claim, facts, same_study, started_earlier, states, workers_at_once
from tests.studies.stores import SOURCE, new_study, spec

pytestmark = pytest.mark.usefixtures("database")

# ---- the budget ----


def test_exactly_the_budget_is_given_out(record: StudyRecord, queue: TrialQueue) -> None:
    claims = [claim(queue) for _ in range(3)]
    assert [claimed.number for claimed in claims] == [0, 1, 2]
    assert queue.claim("w") is None
    assert not queue.ledger.is_complete()
    queue.finish(claims[0], 0.5)
    queue.prune(claims[1], 0.25)
    assert (queue.ledger.ended(), queue.ledger.is_complete()) == (2, False)
    queue.finish(claims[2], 0.75)
    assert (queue.ledger.ended(), queue.ledger.is_complete()) == (3, True)
    assert queue.claim("w") is None
    assert states(record) == {"COMPLETE": 2, "PRUNED": 1}
    assert [trial.value for trial in record.optuna_study().trials] == [0.5, 0.25, 0.75]


@pytest.mark.parametrize("end", [TrialQueue.finish, TrialQueue.prune])
def test_a_trial_ends_with_all_its_facts_in_one_transaction(
    record: StudyRecord, queue: TrialQueue, end: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    held, begun, transaction = claim(queue), 0, Connections.transaction

    def counted(connections: Connections, **options: bool) -> AbstractContextManager[Transaction]:
        nonlocal begun
        begun += 1
        return transaction(connections, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Connections, "transaction", counted)
        end(queue, held, 0.5, {"seconds": 1.5, "epochs": 3, "diverged": "loss nan"})
    assert begun == 1
    assert facts(record) == {"worker": "w", "seconds": 1.5, "epochs": 3, "diverged": "loss nan"}


def test_an_enlarged_budget_gives_out_more(record: StudyRecord, queue: TrialQueue) -> None:
    for _ in range(3):
        queue.finish(claim(queue), 0.5)
    create_or_resume(record.url, record.spec, trials=4, source=SOURCE)
    assert not queue.ledger.is_complete()
    queue.finish(claim(queue), 0.5)
    assert queue.claim("w") is None
    assert queue.ledger.is_complete()


def test_a_failed_trial_is_replaced(record: StudyRecord, queue: TrialQueue) -> None:
    for _ in range(MAX_FAILURES):
        failing = claim(queue)
        assert failing.number == 0
        queue.fail(failing, "ValueError: no")
    assert states(record) == {"FAIL": 1}
    assert facts(record) == {"worker": "w", "failures": MAX_FAILURES, "error": "ValueError: no"}
    for number in (1, 2, 3):
        replacing = claim(queue)
        assert replacing.number == number
        queue.finish(replacing, 0.5)
    assert queue.ledger.is_complete()
    assert states(record) == {"FAIL": 1, "COMPLETE": 3}


def test_threads_with_mishaps_end_exactly_the_budget(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=10))

    def act(queue: TrialQueue, claimed: Claim, chance: random.Random) -> int | None:
        """Every kind of mishap; the number of a trial that ends well."""
        match chance.choice(["finish", "finish", "prune", "requeue", "fail", "die"]):
            case "requeue":
                queue.requeue(claimed)
            case "fail":
                queue.fail(claimed, "no")
            case "die":
                assert queue.release(claimed.worker) == [claimed.number]
            case end:
                (queue.finish if end == "finish" else queue.prune)(claimed, 0.5)
                return claimed.number
        return None

    ended = [number for number in workers_at_once(record, act) if number is not None]
    assert len(ended) == len(set(ended)) == 10
    counts = states(record)
    assert counts.pop("FAIL", 0) + sum(counts.values()) == len(record.optuna_study().trials)
    assert sum(counts.values()) == 10
    assert counts.keys() <= {"COMPLETE", "PRUNED"}


def test_workers_that_ask_at_once_get_no_more_than_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = new_study(tmp_path, spec(trials=2))
    queues = [TrialQueue(same_study(record)) for _ in range(3)]
    by_state = Counts.by_state

    def count_slowly(counts: Counts) -> dict[TrialState, int]:
        counted = by_state(counts)
        time.sleep(0.05)  # time enough for another worker to add a trial, if it could
        return counted

    monkeypatch.setattr(Counts, "by_state", count_slowly)
    with ThreadPoolExecutor(3) as threads:
        claims = list(threads.map(TrialQueue.claim, queues, ["a", "b", "c"]))
    assert sorted(claimed.number for claimed in claims if claimed) == [0, 1]
    assert len(record.optuna_study().trials) == 2


def test_a_worker_that_was_too_slow_for_one_trial_gets_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = new_study(tmp_path, spec(trials=2))
    slow, fast = TrialQueue(record), TrialQueue(same_study(record))
    for given_back in (claim(slow), claim(slow)):
        slow.requeue(given_back)
    waiting, rivals = Counts.waiting, [fast]

    def look_and_be_overtaken(counts: Counts, most: int) -> list[TrialKey]:
        found = waiting(counts, most)[:1]  # as it was before the second was added
        if rivals:
            assert claim(rivals.pop(), "fast").number == 0
        return found

    monkeypatch.setattr(Counts, "waiting", look_and_be_overtaken)
    assert claim(slow, "slow").number == 1


@pytest.mark.parametrize(("epochs", "over"), [(3, False), (4, True), (5, True)])
def test_a_budget_of_epochs(tmp_path: Path, epochs: int, over: bool) -> None:
    record = new_study(tmp_path, spec(trials=10, total_epochs=4))
    queue = TrialQueue(record)
    first, second = claim(queue), claim(queue)
    for epoch in range(1, epochs):
        first.trial.report(0.5, epoch)
    second.trial.report(0.5, 1)
    queue.finish(first, 0.5)
    assert queue.ledger.is_used_up() == over
    assert not queue.ledger.is_complete()  # one still runs
    queue.finish(second, 0.5)
    assert queue.ledger.is_complete() == over
    assert (queue.claim("w") is None) == over


@pytest.mark.parametrize(("seconds", "over"), [(50, False), (61, True)])
def test_a_budget_of_seconds(tmp_path: Path, seconds: int, over: bool) -> None:
    record = new_study(tmp_path, spec(trials=10, seconds=60.0))
    queue = TrialQueue(record)
    running = claim(queue)
    started_earlier(record, seconds)
    assert queue.ledger.is_used_up() == over
    queue.finish(running, 0.5)
    assert queue.ledger.is_complete() == over
    assert (queue.claim("w") is None) == over


def test_seconds_before_an_interruption_count(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=10, seconds=60.0))
    queue = TrialQueue(record)
    running = claim(queue)
    started_earlier(record, 61)
    queue.requeue(running)
    assert queue.ledger.is_used_up()
    assert record.counts.seconds() == pytest.approx(61, abs=1)


def test_a_trial_that_waits_when_the_seconds_are_used_up_is_left(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=10, seconds=60.0))
    queue = TrialQueue(record)
    first, second = claim(queue), claim(queue)
    queue.requeue(second)
    started_earlier(record, 61)
    queue.finish(first, 0.5)
    assert queue.claim("w") is None
    assert queue.ledger.is_complete()
    assert states(record) == {"COMPLETE": 1, "WAITING": 1}


def test_a_stopped_study_gives_nothing(record: StudyRecord, queue: TrialQueue) -> None:
    queue.requeue(claim(queue))
    record.set("stopped", True)
    assert queue.ledger.is_stopped()
    assert queue.claim("w") is None
    record.set("stopped", False)
    assert claim(queue).number == 0


# ---- what is tried ----


def test_starting_points_come_first_and_once(tmp_path: Path) -> None:
    points = ({"hidden_size": 5}, {"hidden_size": 7, "learning_rate": 0.01}, {"hidden_size": 11})
    record = new_study(tmp_path, spec(trials=8, start=points))
    queue = TrialQueue(record)
    queue.requeue(claim(queue))
    failing = claim(queue)
    for _ in range(MAX_FAILURES):
        suggest(failing.trial, record.spec, seed=0)
        queue.fail(failing, "no")
        failing = claim(queue) if failing.number == 0 else failing
    queue.requeue(failing)
    tried = [suggest(claim(queue).trial, record.spec, seed=0) for _ in range(7)]
    first = record.optuna_study().trials[0]
    assert (first.state, first.params["hidden_size"]) == (TrialState.FAIL, 5)
    assert [config.hidden_size for config in tried[:3]] == [5, 7, 11]
    assert tried[1].learning_rate == 0.01
    assert all(config.learning_rate != 0.01 for config in (tried[0], *tried[2:]))
    assert len({config.hidden_size for config in tried}) > 2


def end(queue: TrialQueue, *, well: bool = True) -> dict[str, object]:
    """What the next trial was told to try, once it ended."""
    claimed = claim(queue)
    fixed = claimed.trial.study._storage.get_trial(claimed.trial_id).system_attrs.get("fixed_params", {})
    for _ in range(MAX_FAILURES - 1 if not well else 0):
        queue.fail(claimed, "no")
        claimed = claim(queue)
    queue.finish(claimed, 0.5) if well else queue.fail(claimed, "no")
    return dict(fixed)


def test_a_starting_point_that_always_fails_is_left_until_the_study_is_resumed(tmp_path: Path) -> None:
    bad, good = {"hidden_size": 5}, {"hidden_size": 7}
    record = new_study(tmp_path, spec(trials=9, start=(bad, good)))
    queue = TrialQueue(record)
    assert [end(queue, well=False) for _ in range(MAX_START_TRIALS)] == [bad] * MAX_START_TRIALS
    assert [end(queue), end(queue), end(queue)] == [good, {}, {}]
    record.reopen()
    assert [end(queue, well=False), end(queue), end(queue)] == [bad, bad, {}]
    started = [(trial.number, start_of(trial, record.starts)) for trial in record.optuna_study().trials]
    assert started == [(0, 0), (1, 0), (2, 1), (3, None), (4, None), (5, 0), (6, 0), (7, None)]


def test_starting_points_come_whatever_else_was_queued(tmp_path: Path) -> None:
    point = {"hidden_size": 5}
    record = new_study(tmp_path, spec(trials=4, start=(point,)))
    record.optuna_study().enqueue_trial({"hidden_size": 6})
    queue = TrialQueue(record)
    assert [end(queue), end(queue), end(queue)] == [{"hidden_size": 6}, point, {}]


def test_starting_points_of_studies_of_older_versions_are_known_by_their_numbers(tmp_path: Path) -> None:
    same = {"hidden_size": 5}
    record = new_study(tmp_path, spec(trials=6, start=(same, same, {"hidden_size": 7})))
    backend = record.storage.optuna
    owner = {"worker": "w"}
    for change in (
        TrialChange(TrialState.FAIL, attributes=owner),
        TrialChange(TrialState.RUNNING, attributes=owner),
    ):
        old = create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": same})
        trial_id = backend.create_new_trial(record.study_id, old)
        assert backend.change_trial(trial_id, partial(lambda change, _: change, change))
    queue = TrialQueue(as_before_marks(record))
    claimed = [claim(queue) for _ in range(3)]
    assert [start_of(trial, record.starts) for trial in record.optuna_study().trials] == [0, 1, 0, 2, None]
    assert len(claimed) == 3


class Learning(RandomSampler):
    """Notes how many trials it could have learned from."""

    def __init__(self) -> None:
        super().__init__()
        self.learned: list[int] = []

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        ended = study._get_trials(deepcopy=False, states=(TrialState.COMPLETE,), use_cache=True)  # as TPE asks
        self.learned.append(len(ended))
        return {}


def test_the_sampler_learns_from_every_trial_that_ended(
    record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = Learning()
    monkeypatch.setattr("mlpsearch.search.trials.queue.make_sampler", lambda _: sampler)
    mine, other = TrialQueue(record), TrialQueue(same_study(record))
    for queue in (mine, other, mine):
        claimed = claim(queue)
        suggest(claimed.trial, record.spec, seed=0)
        queue.finish(claimed, 0.5)
    assert sampler.learned == [0, 1, 2]


# ---- looking ----


def test_the_best_trial_is_the_first_of_the_highest(queue: TrialQueue) -> None:
    assert queue.ledger.best() is None
    claims = [claim(queue) for _ in range(3)]
    queue.prune(claims[2], 0.9)
    assert queue.ledger.best() is None
    queue.finish(claims[1], 0.5)
    queue.finish(claims[0], 0.5)
    best = queue.ledger.best()
    assert best is not None
    assert best.number == 0


def test_which_trials_ended(queue: TrialQueue) -> None:
    ended, running = claim(queue), claim(queue)
    queue.prune(ended, 0.5)
    assert queue.ledger.unfinished() == {running.number}
