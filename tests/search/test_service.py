"""What a study ends with: confirmed and tested once, whoever spends the last of its budget."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import create_trial

from mlpsearch.models.errors import StudyError
from mlpsearch.search import running, service
from mlpsearch.search.results.confirmation import last_confirmation
from mlpsearch.search.results.confirming import plan
from mlpsearch.search.running import serve_everything, serve_to_the_end
from mlpsearch.search.service import ask_to_confirm, closing_remark, going_on, next_runs, reopen, resume, stop
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.search.workers.worker import serve_one
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import PLANNED_SEED, StudyRecord, confirmation_of, load_study, study_names
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.storage.counts import Counts, TrialKey
from mlpsearch.studies.storage.opening import Storage
from tests.search.makers import TESTED, add_own, claim, digits_study, never, same_study
from tests.studies.stores import new_study, spec

Finished = Callable[..., StudyRecord]
ASKED = Confirm(top=2, seeds=2, report=2)


@pytest.fixture
def record(finished: Finished) -> StudyRecord:
    """A study of the digits whose search is over and whose file asks for a confirmation."""
    found = finished()
    source = found.attributes()["source"]
    specification = found.spec.model_copy(update={"confirm": ASKED})
    return create_or_resume(found.url, specification, trials=None, source=source)


def is_done(record: StudyRecord) -> Callable[[], bool]:
    """Whether nothing is left to do, for who asks often; never after a thousand looks."""
    looks = iter(range(1000))
    return lambda: same_study(record).attributes()["ending"] is None or next(looks, None) is None


def done_runs(record: StudyRecord) -> list[tuple[int, int]]:
    """The runs of the confirmation that are done, each as often as it was."""
    runs = confirmation_of(same_study(record))
    trials = runs.optuna_study().trials if runs else []
    assert all(trial.state.name == "COMPLETE" for trial in trials)
    return [(trial.user_attrs["of_trial"], trial.user_attrs[PLANNED_SEED]) for trial in trials]


def grow(record: StudyRecord, trials: int) -> None:
    create_or_resume(record.url, record.spec, trials=trials, source=record.attributes()["source"])


# ---- once ----


def test_a_worker_for_all_confirms_and_tests_what_was_submitted(record: StudyRecord, openings: list[str]) -> None:
    grow(record, 3)
    reopen(record, evaluate=True, command="mlpsearch submit mine")
    told: list[str] = []
    serve_everything(record.url, is_done(record), told.append)
    assert told == []
    assert TrialQueue(record).ledger.ended() == 3
    assert len(done_runs(record)) == 2 * 2 + 2
    (test,) = record.attributes()["tests"]
    assert (test["command"], len(test["seeds"])) == ("mlpsearch submit mine", 2)
    assert last_confirmation(record) is not None
    assert openings == ["digits"]


def test_a_worker_of_one_study_sees_it_to_its_end(record: StudyRecord, openings: list[str]) -> None:
    reopen(record, evaluate=True, command="c")
    serve_to_the_end(record, never)
    assert len(done_runs(record)) == 6
    assert len(record.attributes()["tests"]) == 1
    serve_to_the_end(record, never)
    assert (len(done_runs(record)), openings) == (6, ["digits"])


def test_without_a_confirm_table_the_best_of_the_search_is_tested(finished: Finished, openings: list[str]) -> None:
    record = finished()
    reopen(record, evaluate=True, command="c")
    serve_to_the_end(record, never)
    best = TrialQueue(record).ledger.best()
    (test,) = record.attributes()["tests"]
    assert best is not None
    assert (test["trial"], test["seeds"]) == (best.number, [])
    assert openings == ["digits"]


def test_several_workers_do_each_run_once_and_open_the_test_split_once(
    record: StudyRecord, openings: list[str]
) -> None:
    reopen(record, evaluate=True, command="c")
    with ThreadPoolExecutor(3) as pool:
        for _ in range(20):
            runs = [*pool.map(lambda _: next_runs(same_study(record)), range(3))]
            for one in runs[:1]:
                finish_runs(one)
            if record.attributes()["ending"] is None:
                break
    assert len(done_runs(record)) == len({*done_runs(record)}) == 6
    assert openings == ["digits"]
    assert len(record.attributes()["tests"]) == 1


def finish_runs(runs: StudyRecord | None) -> None:
    if runs is not None:
        serve_one(runs, never)


def test_two_that_confirm_at_once_share_the_runs_and_the_opening(record: StudyRecord, openings: list[str]) -> None:
    for command in ("one", "other"):
        ask_to_confirm(same_study(record), ASKED, command)
    first, second = (next_runs(same_study(record)) for _ in range(2))
    assert first is not None
    assert second is not None
    queues = [TrialQueue(runs) for runs in (first, second)]
    claims = [claim(queue, worker) for queue, worker in zip(queues, ("a", "b"), strict=True)]
    assert claims[0].number != claims[1].number
    for queue, claimed in zip(queues, claims, strict=True):
        queue.requeue(claimed)
    while (runs := next_runs(record)) is not None:
        finish_runs(runs)
    assert next_runs(same_study(record)) is None
    assert len(done_runs(record)) == len({*done_runs(record)}) == 6
    assert openings == ["digits"]


def test_the_last_choosing_run_may_end_elsewhere_while_the_next_are_planned(
    record: StudyRecord, openings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen(record, evaluate=True, command="c")
    elsewhere = iter(range(1))

    def plan_slowly(study: StudyRecord, asked: Confirm) -> StudyRecord:
        runs = plan(study, asked)
        if next(elsewhere, None) is not None:
            serve_one(same_study(runs), never)
        return runs

    monkeypatch.setattr(service, "plan", plan_slowly)
    serve_to_the_end(record, never)
    assert len(done_runs(record)) == len({*done_runs(record)}) == 6
    assert openings == ["digits"]


# ---- crashes ----


def test_a_crash_between_choosing_and_reporting_loses_nothing(record: StudyRecord, openings: list[str]) -> None:
    reopen(record, evaluate=True, command="c")
    finish_runs(next_runs(record))
    assert len(done_runs(record)) == 4
    assert last_confirmation(record) is None
    serve_to_the_end(same_study(record), never)
    assert len(done_runs(record)) == len({*done_runs(record)}) == 6
    assert openings == ["digits"]


def test_a_crash_right_after_the_test_opens_nothing_again(
    record: StudyRecord, openings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen(record, evaluate=True, command="c")
    kept = StudyRecord.change

    def die(self: StudyRecord, key: str, change: Callable[[Any], Any]) -> None:
        if key == "ending":
            raise KeyboardInterrupt
        kept(self, key, change)

    with monkeypatch.context() as patch:
        patch.setattr(StudyRecord, "change", die)
        with pytest.raises(KeyboardInterrupt):
            serve_to_the_end(record, never)
    assert record.attributes()["ending"] is not None
    serve_to_the_end(same_study(record), never)
    assert record.attributes()["ending"] is None
    assert openings == ["digits"]


# ---- only what was asked for ----


def test_nothing_is_opened_where_nobody_asked(record: StudyRecord, openings: list[str]) -> None:
    reopen(record, evaluate=True, command="c")
    reopen(record, evaluate=False, command="later")
    looks = iter(range(3))
    serve_everything(record.url, lambda: next(looks, None) is None, lambda _: None)
    serve_to_the_end(record, never)
    assert (openings, done_runs(record)) == ([], [])


def test_a_study_that_0_1_0_made_is_left_as_it_is(record: StudyRecord, openings: list[str]) -> None:
    """Nobody said whether it shall be tested."""
    serve_to_the_end(record, never)
    assert (openings, done_runs(record)) == ([], [])


def test_a_stopped_study_is_left_alone(record: StudyRecord, openings: list[str]) -> None:
    reopen(record, evaluate=True, command="c")
    runs = next_runs(record)
    stop(record)
    assert runs is not None
    assert runs.attributes()["stopped"] is True
    assert next_runs(record) is None
    assert openings == []


def test_a_tested_study_that_grows_is_not_tested_again(record: StudyRecord, openings: list[str]) -> None:
    reopen(record, evaluate=True, command="c")
    serve_to_the_end(record, never)
    grow(record, 3)
    reopen(record, evaluate=True, command="again")
    assert closing_remark(record) == (
        "mine: the test split was opened before and stays closed now; `mlpsearch confirm mine` opens it again"
    )
    serve_to_the_end(record, never)
    assert TrialQueue(record).ledger.ended() == 3
    assert openings == ["digits"]
    assert "nothing to do, it was tested at " in closing_remark(record)
    ask_to_confirm(record, Confirm(top=3, seeds=2, report=3), "explicit")
    serve_to_the_end(record, never)
    assert record.attributes()["tests"][-1]["command"] == "explicit"
    assert len(openings) == 2


@pytest.mark.parametrize(
    ("trials", "more"), [(2, "`mlpsearch run mine --trials N`"), (9, "a larger budget.patience")]
)
def test_what_searches_on_is_what_ended_the_search(tmp_path: Path, trials: int, more: str) -> None:
    record = new_study(tmp_path, spec(trials=trials, patience=1))
    for value in (0.5, 0.4):
        add_own(record, create_trial(value=value))
    record.set("tests", [TESTED])
    assert closing_remark(record).endswith(f"by `mlpsearch run mine`; {more} searches on")


def test_the_latest_wish_counts(record: StudyRecord) -> None:
    reopen(record, evaluate=True, command="c")
    runs = next_runs(record)
    assert runs is not None
    ask_to_confirm(same_study(record), Confirm(top=1, report=2), "later")
    serve_to_the_end(record, never)
    assert len(done_runs(record)) == 2
    (test,) = record.attributes()["tests"]
    assert test["command"] == "later"


def test_the_command_that_goes_on_asks_for_the_same_runs(record: StudyRecord) -> None:
    assert going_on(record) == "mlpsearch resume mine"
    reopen(record, evaluate=True, command="c")
    assert going_on(record) == "mlpsearch confirm mine"
    ask_to_confirm(record, Confirm(top=1, seeds=2, report=3), "c")
    assert going_on(record) == "mlpsearch confirm mine --top 1 --report 3"
    grow(record, 3)
    assert going_on(record) == "mlpsearch resume mine"


def test_going_on_keeps_the_numbers_that_were_asked_for(record: StudyRecord) -> None:
    ask_to_confirm(record, Confirm(top=1, seeds=2, report=3), "c")
    resume(record, evaluate=True, command="mlpsearch resume mine")
    assert going_on(record) == "mlpsearch confirm mine --top 1 --report 3"
    assert record.attributes()["ending"]["command"] == "mlpsearch resume mine"


def test_going_on_with_what_shall_not_be_tested_does_not_test_it(record: StudyRecord) -> None:
    resume(record, evaluate=False, command="mlpsearch resume mine --no-evaluate")
    assert going_on(record) == "mlpsearch resume mine --no-evaluate"
    assert record.command("submit", "--trials", "9") == "mlpsearch submit mine --trials 9 --no-evaluate"
    assert record.command("confirm") == "mlpsearch confirm mine"
    record.set("tests", [TESTED])
    assert going_on(record) == "mlpsearch resume mine"


def test_the_runs_of_a_confirmation_are_stopped_with_their_study(record: StudyRecord) -> None:
    ask_to_confirm(record, ASKED, "c")
    runs = confirmation_of(record)
    assert runs is not None
    with pytest.raises(StudyError, match="holds the runs of a confirmation; `mlpsearch confirm mine` goes on"):
        stop(runs)
    assert not runs.attributes()["stopped"]


def test_who_asks_too_early_asks_for_nothing(record: StudyRecord) -> None:
    grow(record, 3)
    with pytest.raises(StudyError, match="its search is not over"):
        ask_to_confirm(record, ASKED, "c")
    assert record.attributes().get("ending") is None


@pytest.mark.parametrize("ending", ["yes", {"confirm": {"top": 10**9}, "command": "c"}, {"command": 5}, []])
def test_a_wish_that_mlpsearch_did_not_write_is_none(
    record: StudyRecord, ending: Any, openings: list[str]
) -> None:
    record.set("ending", ending)
    serve_to_the_end(record, never)
    assert (openings, done_runs(record)) == ([], [])


# ---- what cannot be done ----


def test_a_study_that_is_deleted_while_its_best_are_looked_for_is_said_to_be(
    record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen(record, evaluate=True, command="c")

    best = Counts.best

    def best_of_deleted(counts: Counts, *given: Any, **options: Any) -> list[TrialKey]:
        keys = best(counts, *given, **options)
        monkeypatch.setattr(Counts, "best", best)
        delete_study(same_study(record))
        return keys

    monkeypatch.setattr(Counts, "best", best_of_deleted)
    with pytest.raises(StudyError, match="study mine: was deleted from "):
        next_runs(record)


def test_a_worker_for_all_goes_on_where_a_study_is_deleted_as_it_looks(
    record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    reopen(record, evaluate=True, command="c")

    def load_deleted(storage: Storage, name: str) -> StudyRecord:
        if name in study_names(storage):
            delete_study(same_study(record))
        return load_study(storage, name)

    monkeypatch.setattr(running, "load_study", load_deleted)
    told: list[str] = []
    looks = iter(range(4))
    serve_everything(record.url, lambda: next(looks, None) is None, told.append)
    assert told == []


def test_a_study_whose_trials_were_all_pruned_is_told_once_and_others_go_on(tmp_path: Path) -> None:
    record = digits_study(tmp_path / "pruned", "numpy")
    queue = TrialQueue(record)
    for _ in range(2):
        queue.prune(claim(queue), 0.1)
    reopen(record, evaluate=True, command="c")
    told: list[str] = []
    looks = iter(range(4))
    serve_everything(record.url, lambda: next(looks, None) is None, told.append)
    assert [one.partition(";")[0] for one in told] == [
        "study mine: all 2 trials were pruned, so there is no winner"
    ]
