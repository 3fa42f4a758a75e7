"""Looking at all studies of a storage: each end is told once, by whoever sees it first."""

from pathlib import Path

import pytest
from optuna.trial import TrialState

from mlpsearch.search.notices.notifier import Notifier
from mlpsearch.search.notices.watch import STALLED_SECONDS, Still, Watch
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import open_storage
from tests.search.makers import claim, silence
from tests.search.notices.makers import Kept, complete, fail
from tests.studies.stores import SOURCE, new_study, spec


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Seen:
    """A process that watches a storage. said: what it has said."""

    def __init__(self, record: StudyRecord, *workers: str):
        self.kept = Kept()
        self.said: list[str] = []
        self.clock = Clock()
        self.watch = Watch(
            record.url, Notifier([self.kept], self.said.append), self.said.append, lambda: {*workers}
        )
        self.watch._still = Still(self.clock)
        self._storage = open_storage(record.url)

    def look(self, *, is_first: bool = False, later: float = 0.0) -> list[str]:
        """Look once, so many seconds later; return the kinds of what was told by that."""
        before = len(self.kept.notices)
        self.clock.now += later
        self.watch.look(self._storage, is_first=is_first)
        return self.kept.kinds[before:]


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    return new_study(tmp_path, spec(trials=2))


def another(record: StudyRecord, name: str = "other") -> StudyRecord:
    return create_or_resume(record.url, spec(trials=2, name=name), trials=None, source=SOURCE)


def test_what_ends_is_told_once_and_what_was_over_before_is_not(record: StudyRecord) -> None:
    complete(old := another(record, "old"))
    seen = Seen(record)
    assert seen.look(is_first=True) == []
    complete(record)
    assert seen.look() == ["searched"]
    assert seen.kept.titles == ["the search of mine is over"]
    assert seen.look() == []
    create_or_resume(old.url, old.spec, trials=3, source=SOURCE)
    assert seen.look() == []
    complete(old)
    assert seen.look() == ["searched"]
    assert seen.said == []


def test_two_that_watch_tell_once(record: StudyRecord) -> None:
    here, there = Seen(record), Seen(record)
    here.look(is_first=True)
    there.look(is_first=True)
    complete(record)
    assert [*here.look(), *there.look()] == ["searched"]


def test_what_ended_while_the_watch_was_away_is_told_at_its_next_start(record: StudyRecord) -> None:
    Seen(record).look(is_first=True)
    complete(record)
    assert Seen(record).look(is_first=True) == ["searched"]
    assert Seen(record).look(is_first=True) == []


def test_a_study_that_was_made_and_done_between_two_looks_is_told(record: StudyRecord) -> None:
    seen = Seen(record)
    seen.look(is_first=True)
    complete(another(record))
    assert seen.look() == ["searched"]


def test_a_study_that_workers_gave_up_is_told_as_failed(record: StudyRecord) -> None:
    seen = Seen(record)
    seen.look(is_first=True)
    fail(record)
    assert seen.look() == ["failed"]
    assert seen.look(later=2 * STALLED_SECONDS) == []


def test_a_study_without_a_winner_has_failed(record: StudyRecord) -> None:
    seen = Seen(record)
    seen.look(is_first=True)
    complete(record, state=TrialState.PRUNED)
    assert seen.look() == ["failed"]
    assert "pruned" in seen.kept.notices[0].text


def test_a_deleted_study_is_passed_over(record: StudyRecord) -> None:
    seen = Seen(record)
    delete_study(another(record))
    seen.look(is_first=True)
    assert seen.said == []


# ---- stalled ----


def test_a_study_without_a_worker_is_told_after_a_while_and_once(record: StudyRecord) -> None:
    seen = Seen(record)
    assert seen.look(is_first=True) == []
    assert seen.look(later=STALLED_SECONDS - 1) == []
    assert seen.look(later=1) == ["stalled"]
    assert seen.kept.titles == ["mine stands still"]
    assert "no worker has had a trial of it for 10 minutes." in seen.kept.notices[0].text
    assert seen.look(later=STALLED_SECONDS) == []


def test_a_live_worker_keeps_it_from_standing_still_and_one_that_died_does_not(record: StudyRecord) -> None:
    seen = Seen(record)
    seen.look(is_first=True)
    claim(TrialQueue(record))
    assert seen.look(later=2 * STALLED_SECONDS) == []
    silence(record)
    assert seen.look() == []
    assert seen.look(later=STALLED_SECONDS) == ["stalled"]


def test_it_is_told_again_after_it_went_on(record: StudyRecord) -> None:
    seen = Seen(record)
    seen.look(is_first=True)
    assert seen.look(later=STALLED_SECONDS) == ["stalled"]
    queue = TrialQueue(record)
    queue.finish(claim(queue), 0.5)
    assert seen.look() == []
    assert seen.look(later=STALLED_SECONDS) == ["stalled"]


def test_a_study_that_waits_for_busy_workers_does_not_stand_still(record: StudyRecord) -> None:
    seen = Seen(record, "a", "b")
    seen.look(is_first=True)
    queue = TrialQueue(another(record))
    claim(queue, "a")
    assert seen.look(later=STALLED_SECONDS) == ["stalled"], "b has nothing to do, and does not take it"
    claim(queue, "b")
    second = another(record, "second")
    assert seen.look() == []
    assert seen.look(later=STALLED_SECONDS) == []
    assert second.counts.begun() == 0


def test_a_stopped_study_does_not_stand_still(record: StudyRecord) -> None:
    seen = Seen(record)
    seen.look(is_first=True)
    record.set("stopped", True)
    assert seen.look(later=2 * STALLED_SECONDS) == []


def test_a_confirmation_that_nobody_does_stands_still(record: StudyRecord) -> None:
    seen = Seen(record)
    record.set("ending", {"confirm": None, "command": "mlpsearch run mine"})
    complete(record)
    seen.look(is_first=True)
    assert seen.look(later=STALLED_SECONDS) == ["stalled"]


# ---- trouble ----


def test_a_storage_that_cannot_be_read_is_said_once_and_the_body_goes_on(
    record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("mlpsearch.search.notices.watch.LOOK_SECONDS", 0.01)

    def broken(*_: object) -> None:
        looks.append(1)
        raise OSError("no such luck")

    looks: list[int] = []
    monkeypatch.setattr("mlpsearch.search.notices.watch.own_studies", broken)
    with Watch(record.url, Notifier([Kept()], said.append), said.append, set[str]):
        while len(looks) < 3:
            pass
    assert said == ["notices: the studies could not be looked at: no such luck"]


def test_who_is_to_tell_nobody_does_not_look(record: StudyRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "look", lambda *_, **__: pytest.fail("it looked"))
    with Watch(record.url, Notifier([], print), print, set[str]) as watch:
        assert not watch._thread.is_alive()
