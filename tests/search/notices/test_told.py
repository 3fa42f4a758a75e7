"""Each event of a study is told once at most, whoever looks, and however often."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mlpsearch.search.notices.event import Event, event_of, failure, progress
from mlpsearch.search.notices.told import ATTRIBUTE, begin, claim, go_on
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import TESTED, same_study
from tests.search.notices.makers import add_trial, complete, fail
from tests.studies.stores import new_study, spec

OVER = Event("searched", "searched 3 0")


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    return new_study(tmp_path, spec(trials=3))


@pytest.mark.usefixtures("database")
def test_of_many_that_would_tell_one_does(tmp_path: Path) -> None:
    record = new_study(tmp_path)

    def look(_: int) -> bool:
        return claim(same_study(record), OVER)

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(look, range(12))) == 1
    assert claim(record, Event("searched", "searched 4 0")), "another event"


def test_who_does_not_hear_that_the_claim_was_kept_still_has_it(
    record: StudyRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = StudyRecord.change

    def twice(self: StudyRecord, key: str, act: Callable[[Any], Any], missing: Any = None) -> None:
        change(self, key, act, missing)
        change(self, key, act, missing)

    monkeypatch.setattr(StudyRecord, "change", twice)
    assert claim(record, OVER)
    assert not claim(record, OVER)


def test_what_was_before_anybody_was_to_be_told_is_not_told(record: StudyRecord) -> None:
    complete(record)
    begin(record, event := event_of(record))
    assert event is not None
    assert not claim(record, event)


def test_what_came_while_nobody_could_tell_is_told_later(record: StudyRecord) -> None:
    begin(record, None)
    complete(record)
    begin(record, event := event_of(record))
    assert event is not None
    assert claim(record, event)


def test_a_failure_is_told_again_once_a_person_has_gone_on(record: StudyRecord) -> None:
    event = failure(record, ValueError("no disk"))
    assert claim(record, event)
    assert claim(record, OVER)
    go_on(record)
    assert claim(record, event)
    assert not claim(record, OVER)


def test_only_the_newest_events_are_kept(record: StudyRecord) -> None:
    for number in range(50):
        assert claim(record, Event("searched", f"searched {number} 0"))
    assert len(record.attributes()[ATTRIBUTE]["events"]) == 20
    assert not claim(record, Event("searched", "searched 49 0"))


# ---- events ----


def test_a_study_that_goes_on_or_was_stopped_has_none(record: StudyRecord) -> None:
    assert event_of(record) is None
    complete(record)
    record.set("ending", {"confirm": None, "command": "mlpsearch run mine"})
    assert event_of(record) is None, "it will be tested"
    record.set("ending", None)
    record.set("stopped", True)
    assert event_of(record) is None


def test_how_far_it_was_brought_is_in_the_event(record: StudyRecord) -> None:
    complete(record)
    assert event_of(record) == Event("searched", "searched 3 0")
    record.set("tests", [TESTED])
    assert event_of(record) == Event("tested", "tested 3 1")


def test_more_trials_make_another_event(record: StudyRecord) -> None:
    complete(record)
    before = event_of(record)
    record.set("budget", record.budget.model_copy(update={"trials": 4}).model_dump())
    assert event_of(record) is None
    complete(record)
    assert event_of(record) not in (None, before)


def test_trials_that_all_fail_are_a_failure_that_says_why(record: StudyRecord) -> None:
    fail(record)
    event = event_of(record)
    assert event is not None
    assert event.kind == "failed"
    assert "the last 5 trials failed, the newest with: no luck" in event.reason
    before = progress(record)
    add_trial(record)
    assert event_of(record) is None
    assert progress(record) != before
