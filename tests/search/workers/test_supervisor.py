"""The supervisor with workers that do as they are told: which it replaces, what it gives back, how it ends."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from mlpsearch.models.errors import StudyError
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.search.workers.supervisor import MAX_DEATHS_IN_A_ROW, Supervisor, WorkerEnd
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import claim, facts, states


@dataclass
class Fake:
    """A worker that runs one trial, or none, and ends as `how` says."""

    name: str | None = "fake"
    how: WorkerEnd | None = None
    heard: list[str] = field(default_factory=list)

    def end(self) -> WorkerEnd | None:
        return self.how

    def ask_to_end(self) -> None:
        self.heard.append("ask")
        self.how = WorkerEnd()

    def end_now(self) -> None:
        self.heard.append("now")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpsearch.search.workers.supervisor._LOOK_SECONDS", 0.0)


def supervise(
    record: StudyRecord, workers: list[Fake], count: int = 1, watch: Callable[[], None] = lambda: None
) -> Supervisor:
    """A supervisor that starts these workers, one after the other."""
    waiting = iter(workers)
    return Supervisor(record, count, lambda _: next(waiting), watch)


def finishing(queue: TrialQueue, trials: int) -> Callable[[], None]:
    """Ends so many trials a look, as long as there are any."""

    def finish() -> None:
        for _ in range(trials):
            claimed = queue.claim("w")
            if claimed is not None:
                queue.finish(claimed, 0.5)

    return finish


def test_once_the_budget_is_spent_workers_are_asked_to_end(record: StudyRecord, queue: TrialQueue) -> None:
    workers = [Fake(), Fake()]
    assert supervise(record, workers, 2, finishing(queue, 3)).run()
    assert [worker.heard for worker in workers] == [["ask"], ["ask"]]


@pytest.mark.parametrize(("name", "left"), [("fake", "WAITING"), (None, "RUNNING")])
def test_the_trial_of_one_that_died_is_given_back_where_its_name_is_known(
    record: StudyRecord, queue: TrialQueue, name: str | None, left: str
) -> None:
    claim(queue, "fake")
    workers = [Fake(name, WorkerEnd(death="killed")), Fake()]

    def stop() -> None:
        if len(seen) == 1:
            supervisor.stop()
        seen.append(states(record))

    seen: list[dict[str, int]] = []
    supervisor = supervise(record, workers, 1, stop)
    assert not supervisor.run()
    assert states(record) == {left: 1}
    assert facts(record).get("deaths", 0) == (left == "WAITING")


def test_workers_that_die_again_and_again_are_given_up(record: StudyRecord) -> None:
    workers = [Fake(how=WorkerEnd(death=f"death {number}")) for number in range(100)]
    with pytest.raises(StudyError) as caught:
        supervise(record, workers).run()
    last = f"the last one: death {MAX_DEATHS_IN_A_ROW - 1}"
    assert (
        str(caught.value) == f"study mine: {MAX_DEATHS_IN_A_ROW} workers died in a row with no trial ended, {last}"
    )


def test_not_as_long_as_trials_end_between(record: StudyRecord, queue: TrialQueue) -> None:
    record.set("budget", {"trials": 50, "epochs": 3})
    workers = [Fake(how=WorkerEnd(death="killed")) for _ in range(100)]
    assert supervise(record, workers, 1, finishing(queue, 1)).run()


def test_what_a_person_must_mend_ends_them_all(record: StudyRecord, queue: TrialQueue) -> None:
    claim(queue, "other")
    other = Fake("other")
    with pytest.raises(StudyError, match=r"^no images$"):
        supervise(record, [other, Fake(how=WorkerEnd(error="no images"))], 2).run()
    assert other.heard == ["now"]
    assert states(record) == {"WAITING": 1}
    assert "deaths" not in facts(record)


def test_a_worker_that_finds_no_study_was_too_late_for_a_deleted_one(record: StudyRecord) -> None:
    worker = Fake()

    def delete() -> None:
        delete_study(record)
        worker.how = WorkerEnd(error="study 'mine': not in …")

    with pytest.raises(StudyError, match=r"^study mine: was deleted from "):
        supervise(record, [worker], watch=delete).run()


def test_told_twice_it_ends_them_now(record: StudyRecord, queue: TrialQueue) -> None:
    claim(queue, "fake")
    worker = Fake()
    worker.ask_to_end = lambda: worker.heard.append("ask")  # type: ignore[method-assign]
    supervisor = supervise(record, [worker], 1, lambda: supervisor.stop())
    assert not supervisor.run()
    assert worker.heard == ["ask", "ask", "now"]
    assert states(record) == {"WAITING": 1}


def test_the_end_of_a_worker_is_noticed_before_the_next_look(
    record: StudyRecord, queue: TrialQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlpsearch.search.workers.supervisor._LOOK_SECONDS", 3600.0)
    worker, rests = Fake(), list[float]()

    def rest(seconds: float) -> None:
        rests.append(seconds)
        assert len(rests) == 1
        worker.how = WorkerEnd()

    monkeypatch.setattr("mlpsearch.search.workers.supervisor.time.sleep", rest)
    assert supervise(record, [worker], 1, finishing(queue, 3)).run()
