"""What the attempts of trials cost a study's seconds: the time in which they ran, not the breaks between."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlpsearch.search.trials.queue import MAX_DEATHS, Claim, TrialQueue
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import claim, same_study, silence, started_earlier, states
from tests.studies.stores import new_study, spec

pytestmark = pytest.mark.usefixtures("database")

WEEKEND = 48 * 3600
SLOW = 600  # so many seconds may the test itself take


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    return new_study(tmp_path, spec(trials=6, seconds=3600.0))


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Move this process to another time zone."""

    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


def worked(record: StudyRecord, seconds: int) -> None:
    """Let the running trials have run that long, until their workers died two days ago."""
    started_earlier(record, WEEKEND + seconds)
    silence(record, WEEKEND)


def take(queue: TrialQueue) -> None:
    assert queue.reap() == [0]


def bury(queue: TrialQueue) -> None:
    assert queue.release("w") == [0]


def look(queue: TrialQueue) -> None:
    assert [alive for _, alive in queue.ledger.running()] == [False]


@pytest.mark.parametrize("notice", [take, bury, look])
def test_a_break_after_a_workers_death_costs_nothing(
    record: StudyRecord, queue: TrialQueue, notice: Callable[[TrialQueue], None]
) -> None:
    claim(queue)
    worked(record, 30)
    notice(queue)
    assert 29 <= record.counts.seconds() < SLOW
    assert not queue.ledger.is_used_up()
    assert not queue.ledger.is_complete()


def test_a_break_before_a_trial_failed_for_its_dead_workers_costs_nothing(
    record: StudyRecord, queue: TrialQueue
) -> None:
    held = claim(queue)
    held.trial.set_user_attr("deaths", MAX_DEATHS - 1)
    worked(record, 30)
    assert queue.reap() == [0]
    assert states(record) == {"FAIL": 1}
    assert 29 <= record.counts.seconds() < SLOW


@pytest.mark.parametrize(
    "heard_of",
    [
        TrialQueue.beat,
        TrialQueue.requeue,
        lambda queue, kept: queue.fail(kept, "no"),
        lambda queue, kept: queue.finish(kept, 0.5),
        lambda queue, kept: (queue.beat(kept), queue.finish(kept, 0.5)),
    ],
    ids=["beat", "requeue", "fail", "finish", "beat and finish"],
)
def test_a_break_in_which_the_workers_machine_slept_costs_nothing(
    record: StudyRecord, queue: TrialQueue, heard_of: Callable[[TrialQueue, Claim], object]
) -> None:
    kept = claim(queue)
    worked(record, 30)
    heard_of(queue, kept)
    assert 29 <= record.counts.seconds() < SLOW


def test_a_heartbeat_without_a_break_before_it_changes_no_span(record: StudyRecord, queue: TrialQueue) -> None:
    kept = claim(queue)
    started_earlier(record, 1000)
    assert queue.beat(kept)
    assert 1000 <= record.counts.seconds() < 1000 + SLOW


def test_a_heartbeat_of_an_earlier_attempt_ends_no_later_one_before_its_start(
    record: StudyRecord, queue: TrialQueue
) -> None:
    queue.requeue(claim(queue))
    claim(queue)
    silence(record)
    assert queue.reap() == [0]
    assert 0 <= record.counts.seconds() < SLOW


def test_a_trial_given_back_by_its_worker_ran_until_then(record: StudyRecord, queue: TrialQueue) -> None:
    held = claim(queue)
    started_earlier(record, 1000)
    queue.requeue(held)
    assert 1000 <= record.counts.seconds() < 1000 + SLOW


@pytest.mark.parametrize("end", [TrialQueue.requeue, lambda queue, _: queue.release("a")])
def test_the_time_zones_of_machines_do_not_matter(
    record: StudyRecord, queue: TrialQueue, zone: Callable[[str], None], end: Callable[..., object]
) -> None:
    """Two trials at the same time are cut off in Tokyo and in New York, and counted in between."""
    zone("Asia/Tokyo")
    first, second = claim(queue, "a"), claim(queue, "b")
    started_earlier(record, 1000)
    end(queue, first)
    zone("America/New_York")
    TrialQueue(same_study(record)).requeue(second)
    for name in ("Asia/Tokyo", "UTC", "America/New_York"):
        zone(name)
        assert 990 <= same_study(record).counts.seconds() < 1000 + SLOW


def test_local_times_of_older_versions_are_read(
    record: StudyRecord, queue: TrialQueue, zone: Callable[[str], None]
) -> None:
    zone("Asia/Tokyo")
    held = claim(queue)
    held.trial.set_user_attr("earlier", [["2026-01-01T12:00:00", "2026-01-01T12:10:00.500000"]])
    queue.requeue(held)
    assert 600.5 <= record.counts.seconds() < 600.5 + SLOW
    zone("America/New_York")
    assert 600.5 <= record.counts.seconds() < 600.5 + SLOW
