"""What a new study tries first: the best points of earlier ones, settled when it is made."""

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models.errors import StudyError
from mlpsearch.studies import creation
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord, open_study
from mlpsearch.studies.spec.space import distributions
from mlpsearch.studies.spec.starting_points import StartPoint
from mlpsearch.studies.spec.study import StudySpec
from tests.search.makers import add_own
from tests.studies.stores import SOURCE, new_storage, spec


@pytest.fixture
def url(tmp_path: Path) -> str:
    return new_storage(tmp_path)


def make(url: str, specification: StudySpec, **options: Any) -> StudyRecord:
    return create_or_resume(url, specification, trials=None, source=SOURCE, **options)


def ended(spec: StudySpec, size: int, value: float, state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    params = {"hidden_size": size, "learning_rate": 0.01}
    return create_trial(state=state, value=value, params=params, distributions=distributions(spec))


def old(url: str, name: str, values: dict[int, float], **changes: Any) -> StudyRecord:
    """An earlier study with a finished trial for each hidden size."""
    record = make(url, spec(name=name, **changes))
    for size, value in values.items():
        add_own(record, ended(record.spec, size, value))
    return record


def like(*names: str, **changes: Any) -> StudySpec:
    return spec(transfer={"studies": list(names)}, **changes)


def sizes(record: StudyRecord) -> list[tuple[str, object]]:
    return [(point.origin, point.params["hidden_size"]) for point in record.starts]


def test_the_best_points_of_earlier_studies_come_in_turns_five_at_most(url: str) -> None:
    old(url, "a", {4: 0.1, 5: 0.9, 6: 0.8, 7: 0.7})
    old(url, "b", {8: 0.3, 5: 0.2, 9: 0.1})
    record = make(url, like("a", "b"))
    expected = [("study a", 5), ("study b", 8), ("study a", 6), ("study a", 7), ("study b", 9)]
    assert sizes(record) == expected
    assert sizes(open_study(url, "mine")) == expected


def test_each_study_is_ranked_by_its_own_metric(url: str) -> None:
    old(url, "a", {4: 1.5, 5: 0.2, 6: 3.0}, metric="log-loss")
    assert [size for _, size in sizes(make(url, like("a")))] == [5, 4, 6]


def test_trials_of_others_and_unfinished_ones_are_no_points(url: str) -> None:
    record = old(url, "a", {4: 0.5})
    record.optuna_study().add_trial(ended(record.spec, 5, 0.9))
    add_own(record, ended(record.spec, 6, 0.9, TrialState.PRUNED))
    assert sizes(make(url, like("a"))) == [("study a", 4)]


def test_numbers_outside_the_new_ranges_are_moved_and_equal_points_tried_once(url: str) -> None:
    old(url, "a", {16: 0.9, 15: 0.8, 5: 0.7})
    search = {"hidden_size": {"low": 4, "high": 8}, "learning_rate": {"low": 1e-3, "high": 0.1, "log": True}}
    told: list[str] = []
    record = make(url, like("a", search=search), tell=told.append)
    assert sizes(record) == [("study a", 8), ("study a", 5)]
    assert told == [
        "mine: tried first: 2 of study a; numbers of 1 point were moved to the nearest that the study searches"
    ]


def test_the_order_is_the_file_then_earlier_studies_then_what_was_learnt(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old(url, "a", {4: 0.9, 5: 0.8})
    record = make(url, like("a", start=[{"hidden_size": 7}]))
    assert sizes(record) == [("start", 7), ("study a", 4), ("study a", 5)]
    points = [StartPoint("learnt", {"hidden_size": size, "learning_rate": 0.01}) for size in (5, 6)]
    monkeypatch.setattr(creation, "learnt_points", lambda *_, **__: (points, 3))
    told: list[str] = []
    record = make(url, like("a", name="second", start="learnt"), tell=told.append)
    assert sizes(record) == [("study a", 4), ("study a", 5), ("learnt", 6)]
    assert told == [
        "second: tried first: 2 of study a, 1 learnt; left out, for choices that the study does not have: 3 learnt"
    ]


def test_it_is_said_where_no_learnt_point_fits(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation, "learnt_points", lambda *_, **__: ([], 0))
    told: list[str] = []
    assert make(url, spec(start="learnt"), tell=told.append).starts == []
    assert told == ["mine: tried first: nothing; no learnt point fits the study"]


def test_what_a_study_tries_first_is_settled_when_it_is_made(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    earlier = old(url, "a", {4: 0.5})
    specification = like("a", start="learnt")
    before = make(url, specification, tell=lambda _: None).starts
    add_own(earlier, ended(earlier.spec, 9, 0.9))
    monkeypatch.setattr(creation, "learnt_points", lambda *_, **__: 1 / 0)
    told: list[str] = []
    assert make(url, specification, tell=told.append).starts == before
    assert told == []


def test_a_study_of_an_earlier_version_has_the_points_of_its_file(url: str) -> None:
    record = make(url, spec(start=[{"hidden_size": 5}]))
    key = "starts"
    with record.storage.connections.transaction() as connection:
        connection.execute(f"DELETE FROM study_user_attributes WHERE key = '{key}'")
    assert key not in record.attributes()
    assert open_study(url, "mine").starts == [StartPoint("start", {"hidden_size": 5})]


# ---- studies that are of no use ----


def refusal(url: str, specification: StudySpec) -> str:
    with pytest.raises(StudyError) as raised:
        make(url, specification)
    with pytest.raises(StudyError, match="not in"):
        open_study(url, "mine")
    return str(raised.value)


def test_a_study_that_is_not_there(url: str) -> None:
    old(url, "older", {4: 0.5})
    assert refusal(url, like("old")) == (
        f"study mine: transfer.studies names 'old', which is not in {url} (did you mean older?)"
    )


def test_a_study_that_searches_other_fields(url: str) -> None:
    make(url, spec(name="a", search={"hidden_size": {"low": 4, "high": 16}, "depth": {"low": 2, "high": 3}}))
    assert refusal(url, like("a")) == (
        "study mine: transfer.studies names 'a', which searches other fields: "
        "only one of the two searches depth, learning_rate"
    )


def test_a_study_without_a_finished_trial(url: str) -> None:
    old(url, "a", {})
    assert refusal(url, like("a")) == "study mine: transfer.studies names 'a', which has no finished trial"


def test_a_study_none_of_whose_points_fits(url: str) -> None:
    old(url, "a", {4: 0.5}, fixed={"optimizer": "adam"})
    assert refusal(url, like("a")) == (
        "study mine: transfer.studies names 'a', which has no point that fits: its optimizer or schedule is "
        "another, or its choices are others"
    )
    assert sizes(make(url, like("a", fixed={"optimizer": "adam"}))) == [("study a", 4)]


def test_studies_may_be_taken_off_later_and_none_be_added(url: str) -> None:
    old(url, "a", {4: 0.5})
    old(url, "b", {5: 0.5})
    starts = make(url, like("a")).starts
    assert make(url, spec()).starts == starts
    assert make(url, like("a")).starts == starts
    with pytest.raises(StudyError, match=r'\(transfer.studies: \["a"\] → \["b"\]\)'):
        make(url, like("b"))
