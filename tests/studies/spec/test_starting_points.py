"""Which configurations from elsewhere fit a study, and the points that come with the package."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpsearch.models.config import TrainConfig
from mlpsearch.studies.spec import starting_points
from mlpsearch.studies.spec.dimensions import FIELDS, fits, inside
from mlpsearch.studies.spec.starting_points import (
    Kind,
    StartPoint,
    fitted,
    given_points,
    kind_of,
    learnt_points,
    summary,
)
from mlpsearch.studies.spec.study import StudySpec
from tests.studies.specs import specs, values
from tests.studies.stores import spec

KINDS: dict[Kind, int] = {"images": 5, "table": 6, "small table": 7}
RANGE = {"hidden_size": {"low": 4, "high": 16}, "learning_rate": {"low": 1e-3, "high": 0.1, "log": True}}
POINTS = json.loads(starting_points._LEARNT_POINTS.read_text("utf-8"))


def params(point: dict[str, Any], **changes: Any) -> dict[str, Any] | None:
    found = fitted(point, spec(**{"search": RANGE} | changes), "learnt")
    return None if found is None else found.params


def test_what_a_study_does_not_search_is_left_out() -> None:
    point = {"hidden_size": 8, "learning_rate": 0.01, "depth": 5, "momentum": 0.5}
    assert params(point, fixed={"momentum": 0.9}) == {"hidden_size": 8, "learning_rate": 0.01}


def test_numbers_outside_a_range_are_moved_to_its_end_and_named() -> None:
    found = fitted({"hidden_size": 512, "learning_rate": 1e-5}, spec(), "learnt")
    assert found == StartPoint(
        "learnt", {"hidden_size": 16, "learning_rate": 1e-3}, ["hidden_size", "learning_rate"]
    )


@pytest.mark.parametrize("name", ["optimizer", "schedule"])
@pytest.mark.parametrize(
    ("of_point", "of_study", "fit"),
    [(None, None, True), (None, 1, False), (1, None, False), (1, 1, True), (0, None, True), (None, 0, True)],
)
def test_a_point_of_another_optimizer_or_schedule_does_not_fit(
    name: str, of_point: int | None, of_study: int | None, fit: bool
) -> None:
    """0 is the default, 1 another; None where nothing is said, which means the default."""
    choices = {"optimizer": ("sgd", "adam"), "schedule": ("step", "cosine")}[name]
    point = {"hidden_size": 8, **({} if of_point is None else {name: choices[of_point]})}
    fixed = {} if of_study is None else {name: choices[of_study]}
    assert (params(point, fixed=fixed) is not None) == fit


def test_a_searched_optimizer_is_taken_from_the_point_and_one_that_is_no_choice_does_not_fit() -> None:
    search = {**RANGE, "optimizer": {"choices": ["sgd", "adam"]}}
    point = {"hidden_size": 8, "learning_rate": 0.01, "optimizer": "adam"}
    assert params(point, search=search) == point
    assert params({**point, "optimizer": "adamw"}, search=search) is None
    assert params({"hidden_size": 8, "learning_rate": 0.01}, search=search) == {**point, "optimizer": "sgd"}


def test_of_numbers_to_choose_from_the_nearest_is_taken() -> None:
    search = {**RANGE, "batch_size": {"choices": [100, 400, 200]}}
    found = fitted(sized(8, batch_size=256), spec(search=search), "learnt")
    assert found == StartPoint("learnt", sized(8, batch_size=200), ["batch_size"])
    words = {**RANGE, "nesterov": {"choices": [False, True]}, "preprocessing": {"choices": ["scale", "whiten"]}}
    assert params(sized(8, nesterov=True, preprocessing="scale"), search=words) is not None
    assert params(sized(8, nesterov=True, preprocessing="center"), search=words) is None


def test_a_field_that_the_point_leaves_at_its_default_has_it_if_the_study_searches_there() -> None:
    search = {**RANGE, "dropout": {"low": 0.0, "high": 0.5}, "depth": {"low": 3, "high": 4}}
    assert params({"hidden_size": 8, "learning_rate": 0.01}, search=search) == {
        "hidden_size": 8,
        "learning_rate": 0.01,
        "dropout": 0.0,
    }


@pytest.mark.parametrize("wrong", ["8", None, [8], 0, 8.5, float("nan")])
def test_a_value_that_the_field_cannot_have_does_not_fit(wrong: object) -> None:
    assert params({"hidden_size": wrong, "learning_rate": 0.01}) is None


@given(specs(), st.data())
def test_a_point_that_fits_is_inside_the_space(spec: StudySpec, data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(FIELDS), unique=True))
    point = {name: data.draw(values(name)) for name in names}
    found = fitted(point, spec, "learnt")
    if found is not None:
        assert found.params.keys() <= spec.search.keys()
        for name, value in found.params.items():
            assert fits(name, value)
            assert inside(spec.search[name], value)
            assert name in found.clipped or value == {**vars_of_defaults(), **point}.get(name, value)
        StudySpec.from_json({**spec.to_json(), "start": [found.params]})


def vars_of_defaults() -> dict[str, Any]:
    return {name: getattr(TrainConfig(), name) for name in FIELDS if name != "preprocessing"}


# ---- those that come with the package ----


@pytest.mark.parametrize("name", ["points", "quick_points"])
def test_the_points_of_the_package_are_sound(name: str) -> None:
    assert POINTS["provenance"]
    for kind in KINDS:
        of_kind = [point["params"] for point in POINTS[name] if point["kind"] == kind]
        assert len(of_kind) >= starting_points.MOST
        for point in of_kind:
            TrainConfig(**point)
    assert {point["kind"] for point in POINTS[name]} == KINDS.keys()


def learnt(points: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Any, **changes: Any) -> Any:
    path = tmp_path / "points.json"
    listed = [{"kind": kind, "params": point} for point in points for kind in ("images", "table")]
    path.write_text(json.dumps({"provenance": "test", "points": listed}))
    monkeypatch.setattr(starting_points, "_LEARNT_POINTS", path)
    return learnt_points(spec(start="learnt", **changes), "images")


def sized(size: int, **more: Any) -> dict[str, Any]:
    return {"hidden_size": size, "learning_rate": 0.01, **more}


def test_the_first_five_that_fit_are_taken_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    search = {**RANGE, "preprocessing": {"choices": ["center", "scale"]}}
    other, none = sized(8, optimizer="adam"), sized(8, preprocessing="whiten")
    points = [sized(9), other, none, *(sized(size) for size in (16, 512, 4, 5, 6, 7))]
    chosen, left_out = learnt(points, monkeypatch, tmp_path, search=search)
    assert [point.params["hidden_size"] for point in chosen] == [9, 16, 4, 5, 6]
    assert {point.origin for point in chosen} == {"learnt"}
    assert left_out == 1


def test_points_of_the_other_kind_of_data_do_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    path = tmp_path / "points.json"
    listed = [{"kind": kind, "params": sized(size)} for kind, size in KINDS.items()]
    path.write_text(json.dumps({"provenance": "test", "points": listed}))
    monkeypatch.setattr(starting_points, "_LEARNT_POINTS", path)
    for kind, size in KINDS.items():
        chosen, left_out = learnt_points(spec(start="learnt"), kind)
        assert ([point.params["hidden_size"] for point in chosen], left_out) == ([size], 0)


def test_tables_of_up_to_a_thousand_rows_are_small() -> None:
    assert [kind_of(rows, is_table=True) for rows in (5, 1_000, 1_001)] == ["small table", "small table", "table"]
    assert [kind_of(rows, is_table=False) for rows in (5, 1_001)] == ["images", "images"]


@pytest.mark.parametrize(("limit", "size"), [({}, 5), ({"total_epochs": 9}, 5), ({"seconds": 60.0}, 6)])
def test_where_seconds_are_the_budget_points_are_those_that_were_quick(
    limit: dict[str, Any], size: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    path = tmp_path / "points.json"
    names = {"points": 5, "quick_points": 6}
    path.write_text(json.dumps({name: [{"kind": "images", "params": sized(own)}] for name, own in names.items()}))
    monkeypatch.setattr(starting_points, "_LEARNT_POINTS", path)
    chosen, _ = learnt_points(spec(start="learnt", **limit), "images")
    assert [point.params["hidden_size"] for point in chosen] == [size]


def test_a_study_that_does_not_ask_gets_none() -> None:
    assert learnt_points(spec(), "images") == ([], 0)


def test_the_points_of_the_file_are_kept_as_they_are() -> None:
    same = {"hidden_size": 5}
    assert [(point.origin, point.params) for point in given_points(spec(start=(same, same)))] == [
        ("start", same)
    ] * 2
    assert given_points(spec(start="learnt")) == []


def test_where_points_are_from_in_words() -> None:
    points = [StartPoint(origin, {}) for origin in ("start", "study old", "study old", "learnt")]
    assert summary(points) == "1 of the study file, 2 of study old, 1 learnt"
    assert summary([]) == ""
