"""What a command tells of the study that it works on, and that no notice touches it."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mlpsearch.models.errors import StudyError
from mlpsearch.search.documents.page import schema
from mlpsearch.search.notices import notifier as notifiers
from mlpsearch.search.notices.event import Event
from mlpsearch.search.notices.message import notice_of
from mlpsearch.search.notices.notifier import Notifier
from mlpsearch.studies.deletion import delete_study
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import TESTED
from tests.search.notices.makers import Kept, complete
from tests.studies.stores import new_study, spec


@pytest.fixture
def record(tmp_path: Path) -> StudyRecord:
    return new_study(tmp_path, spec(trials=2))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def notifier(kept: Kept, said: list[str]) -> Notifier:
    return Notifier([kept], said.append)


def test_the_end_is_told_once(record: StudyRecord, notifier: Notifier, kept: Kept) -> None:
    for _ in range(2):
        with notifier.at_the_end_of(record, person=True):
            complete(record)
    assert kept.kinds == ["searched"]


def test_who_works_on_a_study_that_was_over_tells_nothing(
    record: StudyRecord, notifier: Notifier, kept: Kept
) -> None:
    complete(record)
    with notifier.at_the_end_of(record, person=True):
        pass
    assert kept.kinds == []


def test_an_end_whose_process_was_killed_before_it_told_is_told_by_the_next(
    record: StudyRecord, notifier: Notifier, kept: Kept
) -> None:
    def killed() -> None:
        complete(record)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), notifier.at_the_end_of(record, person=True):
        killed()
    assert kept.kinds == []
    with notifier.at_the_end_of(record, person=False):
        pass
    assert kept.kinds == ["searched"]


def test_what_is_left_before_its_end_is_not_told(record: StudyRecord, notifier: Notifier, kept: Kept) -> None:
    with pytest.raises(SystemExit), notifier.at_the_end_of(record, person=True):
        raise SystemExit(130)
    with notifier.at_the_end_of(record, person=True):
        record.set("stopped", True)
    assert kept.kinds == []


def test_an_error_is_told_and_raised(record: StudyRecord, notifier: Notifier, kept: Kept) -> None:
    def break_down(*, person: bool) -> None:
        with pytest.raises(StudyError, match="no disk"), notifier.at_the_end_of(record, person=person):
            raise StudyError("no disk")

    break_down(person=True)
    assert kept.titles == ["mine has failed"]
    assert kept.notices[0].text.startswith("no disk.\n")
    break_down(person=False)
    assert len(kept.notices) == 1, "a worker that is started again meets the same"
    break_down(person=True)
    assert len(kept.notices) == 2


def test_a_notice_that_is_not_delivered_is_said_and_the_others_go_out(
    record: StudyRecord, said: list[str], kept: Kept
) -> None:
    with Notifier([Kept("it is full"), kept], said.append).at_the_end_of(record, person=True):
        complete(record)
    assert said == ["mine: the notice to kept was not delivered: it is full"]
    assert kept.kinds == ["searched"]


def test_a_study_that_was_deleted_meanwhile_is_said(
    record: StudyRecord, notifier: Notifier, kept: Kept, said: list[str]
) -> None:
    with notifier.at_the_end_of(record, person=True):
        delete_study(record)
    assert kept.kinds == []
    assert len(said) == 1
    assert "was deleted from" in said[0]


def test_a_mistake_of_ours_does_not_touch_the_study(
    record: StudyRecord, notifier: Notifier, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise TypeError("a mistake")

    monkeypatch.setattr(notifiers, "notice_of", broken)
    with notifier.at_the_end_of(record, person=True):
        complete(record)
    assert said == ["mine: no notice: a mistake"]


def test_without_an_address_nothing_is_kept_on_the_study(record: StudyRecord, said: list[str]) -> None:
    before = record.attributes()
    with Notifier([], said.append).at_the_end_of(record, person=True):
        pass
    assert record.attributes() == before


# ---- what it says ----


@pytest.mark.parametrize("kind", ["confirmed", "tested", "searched", "failed", "stalled"])
def test_the_document_is_one_of_the_schema(record: StudyRecord, kind: str) -> None:
    notice = notice_of(record, Event(kind, "key", "why"), None)  # type: ignore[arg-type]
    one = {**schema(strict=True), "anyOf": [{"$ref": "#/$defs/Notice"}]}
    Draft202012Validator(one).validate(json.loads(json.dumps(notice.document)))
    assert notice.document["event"] == kind


def test_the_link_is_the_page_of_the_study_without_a_token(record: StudyRecord) -> None:
    notice = notice_of(record, Event("stalled", "key", "why"), "http://here:8080")
    assert notice.document["link"] == "http://here:8080/studies/mine"
    assert notice.text.splitlines()[-1] == "http://here:8080/studies/mine"
    assert notice_of(record, Event("stalled", "key"), None).text.endswith("`mlpsearch status mine` says more")


def test_a_tested_study_says_its_score_and_what_it_is_worth(record: StudyRecord) -> None:
    complete(record)
    record.set("tests", [TESTED])
    notice = notice_of(record, Event("tested", "key"), None)
    assert notice.title == "mine is tested: test accuracy 25.00%"
    assert notice.text.splitlines() == [
        "winner: trial 0, the best of the search",
        "validation: 50.00%",
        "test: 25.00% (95% interval 20.0% – 31.0%)",
        "trials: 2 of 2 ended, 0 of them pruned; 0 failed",
        "`mlpsearch status mine` says more",
    ]
