"""Points of the user's own: what is refused, what is taken next, and that none is lost or tried twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from mlpsearch.models.errors import StudyError
from mlpsearch.search.service import enqueue, stop
from mlpsearch.search.trials.next_trial import origin_of
from mlpsearch.search.trials.queue import MAX_FAILURES, TrialQueue
from mlpsearch.studies.creation import create_or_resume, plan_confirmation
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.storage.connections import Connections
from mlpsearch.studies.storage.transaction import Transaction
from tests.postgres import Server, lose_answers
from tests.search.makers import claim, same_study, states
from tests.studies.stores import SOURCE, new_study, on, spec

POINT = {"hidden_size": 8, "learning_rate": 0.003}


def take(record: StudyRecord, queue: TrialQueue) -> tuple[int, dict[str, Any]]:
    """Run the next trial, in no time; its number and what it tried."""
    claimed = claim(queue)
    suggest(claimed.trial, record.spec, seed=0)
    queue.finish(claimed, 0.5)
    return claimed.number, claimed.trial.params


@pytest.mark.usefixtures("database")
def test_the_next_worker_tries_it_before_anything_else(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(start=[{"hidden_size": 5}]))
    queue = TrialQueue(record)
    assert enqueue(record, POINT) == (0, "")
    assert enqueue(record, {"hidden_size": 9}) == (1, "")
    assert take(record, queue) == (0, POINT)
    number, params = take(record, queue)
    assert (number, params["hidden_size"]) == (1, 9)
    assert take(record, queue)[1]["hidden_size"] == 5
    assert [origin_of(trial, record.starts) for trial in record.own_trials()] == ["queue", "queue", "start"]


def test_what_it_leaves_out_is_sampled_as_of_any_trial_of_its_number(tmp_path: Path) -> None:
    sampled = new_study(tmp_path / "sampled")
    record = new_study(tmp_path / "enqueued")
    enqueue(record, {"hidden_size": 9})
    (_, alone), (_, mine) = (take(one, TrialQueue(one)) for one in (sampled, record))
    assert mine == alone | {"hidden_size": 9}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hiden_size": 8}, "study mine: hiden_size = 8: is not under [search] (did you mean hidden_size?)"),
        ({"depth": 3}, "study mine: depth = 3: is not under [search] (allowed: hidden_size, learning_rate)"),
        ({"hidden_size": 17}, "study mine: hidden_size = 17: must be from 4 to 16, as search.hidden_size says"),
        ({"hidden_size": 4.5}, "study mine: hidden_size = 4.5: must be from 4 to 16, as search.hidden_size says"),
        (
            {"learning_rate": "a\nb"},
            "study mine: learning_rate = 'a\\nb': must be from 0.001 to 0.1, as search.learning_rate says",
        ),
        (
            {"learning_rate": float("nan")},
            "study mine: learning_rate = nan: must be from 0.001 to 0.1, as search.learning_rate says",
        ),
    ],
)
def test_what_is_not_of_the_space_is_refused_in_one_line(
    record: StudyRecord, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(StudyError) as caught:
        enqueue(record, values)
    assert str(caught.value) == message
    assert states(record) == {}


def test_numbers_are_kept_as_their_field_has_them(tmp_path: Path) -> None:
    record = new_study(
        tmp_path, spec(search={"depth": {"low": 2, "high": 4}, "dropout": {"low": 0.0, "high": 1e-3}})
    )
    enqueue(record, {"depth": 3.0, "dropout": 0})
    _, params = take(record, TrialQueue(record))
    assert [type(params[name]) for name in ("depth", "dropout")] == [int, float]


@pytest.mark.usefixtures("database")
def test_a_point_that_the_study_has_is_refused(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(start=[{"hidden_size": 5}]))
    enqueue(record, POINT)
    for _ in ("waiting", "running", "finished"):
        with pytest.raises(StudyError, match=r"^study mine: trial 0 has this point$"):
            enqueue(record, POINT | {"hidden_size": 8.0})
        if states(record) == {"WAITING": 1}:
            claimed = claim(TrialQueue(record))
        elif states(record) == {"RUNNING": 1}:
            suggest(claimed.trial, record.spec, seed=0)
            TrialQueue(record).finish(claimed, 0.5)
    with pytest.raises(StudyError, match=r"^study mine: its starting point 1 is this point$"):
        enqueue(record, {"hidden_size": 5})
    assert states(record) == {"COMPLETE": 1}


def test_part_of_a_point_may_be_asked_for_more_than_once(record: StudyRecord, queue: TrialQueue) -> None:
    for _ in range(2):
        enqueue(record, {"hidden_size": 9})
    tried = [take(record, queue)[1] for _ in range(2)]
    assert [params["hidden_size"] for params in tried] == [9, 9]
    assert tried[0] != tried[1]


def test_a_point_whose_trial_failed_may_be_tried_again(record: StudyRecord, queue: TrialQueue) -> None:
    enqueue(record, POINT)
    for _ in range(MAX_FAILURES):
        queue.fail(claim(queue), "no")
    assert enqueue(record, POINT) == (1, "")
    assert take(record, queue) == (1, POINT)


def test_it_says_what_keeps_workers_from_taking_it(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=2, total_epochs=1))
    queue = TrialQueue(record)
    stop(record)
    assert enqueue(record, {"hidden_size": 5}) == (0, "it is stopped; `mlpsearch resume mine` goes on")
    record.reopen()
    running = claim(queue)
    running.trial.report(0.5, 1)
    queue.finish(running, 0.5)
    limit = "its budget.total_epochs is used up; a study file with a larger one lets it go on"
    assert enqueue(record, {"hidden_size": 6}) == (1, limit)
    full = "its budget of 2 trials has no room left; `mlpsearch submit mine --trials 3` makes it larger"
    assert enqueue(record, {"hidden_size": 7}) == (2, full)


def test_a_point_beyond_the_budget_waits_for_a_larger_one(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=1))
    queue = TrialQueue(record)
    take(record, queue)
    enqueue(record, POINT)
    assert (queue.claim("w"), queue.ledger.is_complete()) == (None, True)
    create_or_resume(record.url, record.spec, trials=2, source=SOURCE)
    assert not queue.ledger.is_complete()
    assert take(record, queue) == (1, POINT)
    assert (queue.claim("w"), queue.ledger.is_complete()) == (None, True)


def test_the_budget_stays_exact(record: StudyRecord, queue: TrialQueue) -> None:
    take(record, queue)
    for size in (5, 6, 7):
        enqueue(record, {"hidden_size": size})
    while queue.claim("w") is not None:
        pass
    assert states(record) == {"COMPLETE": 1, "RUNNING": 2, "WAITING": 1}


@pytest.mark.usefixtures("database")
def test_of_equal_points_that_come_at_once_one_is_taken(tmp_path: Path) -> None:
    record = new_study(tmp_path)

    def ask(_: int) -> int | None:
        try:
            return enqueue(same_study(record), POINT)[0]
        except StudyError:
            return None

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(ask, range(3)), key=str) == [0, None, None]
    assert states(record) == {"WAITING": 1}


def test_a_kill_before_the_end_leaves_nothing_of_it(record: StudyRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[dict[str, int]] = []

    transaction = Connections.transaction

    @contextmanager
    def dying(self: Connections, *, read_only: bool = False) -> Iterator[Transaction]:
        with transaction(self, read_only=read_only) as connection:
            yield connection
            if not read_only:
                written.append(dict(connection.execute("SELECT state, COUNT(*) FROM trials GROUP BY state")))
                raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Connections, "transaction", dying)
        with pytest.raises(KeyboardInterrupt):
            enqueue(record, POINT)
    assert written == [{"WAITING": 1}]
    assert states(record) == {}
    assert enqueue(record, POINT) == (0, "")
    assert states(same_study(record)) == {"WAITING": 1}


def test_an_answer_that_is_lost_adds_no_second_trial(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with on(server):
        record = new_study(tmp_path)
        losses = lose_answers(monkeypatch)
        assert [enqueue(record, point)[0] for point in (POINT, {"hidden_size": 4})] == [0, 1]
        assert states(record) == {"WAITING": 2}
        assert losses


def test_a_deleted_study_and_the_runs_of_a_confirmation_take_none(record: StudyRecord) -> None:
    runs = plan_confirmation(record, [])
    with pytest.raises(StudyError, match="holds the runs of a confirmation"):
        enqueue(runs, POINT)
    mine = same_study(record)
    record.storage.optuna.delete_study(record.study_id)
    with pytest.raises(StudyError, match=r"^study mine: was deleted from "):
        enqueue(mine, POINT)


def test_a_study_without_enqueued_points_tries_what_it_would(tmp_path: Path) -> None:
    plain, other = new_study(tmp_path / "plain"), new_study(tmp_path / "other")
    tried = [take(plain, TrialQueue(plain)) for _ in range(3)]
    first = take(other, TrialQueue(other))
    enqueue(other, POINT)
    second = take(other, TrialQueue(other))
    third = take(other, TrialQueue(other))
    assert (first, second, third) == (tried[0], (1, POINT), tried[2])
    assert {trial.state for trial in other.own_trials()} == {TrialState.COMPLETE}
