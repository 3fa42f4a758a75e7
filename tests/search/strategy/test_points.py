"""No point is tried twice where others are left, and none lies outside the space."""

import itertools
import math
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from mlpsearch.search.strategy.history import as_they_are
from mlpsearch.search.strategy.points import first_untried, nearest, point_of, size, tried, values_of
from mlpsearch.search.strategy.seeded import SeededByTrial

Space = dict[str, BaseDistribution]

choices = st.integers(2, 3).map(lambda count: CategoricalDistribution(("a", True, 2.5)[:count]))
whole = st.tuples(st.integers(1, 3), st.integers(1, 3), st.booleans()).map(
    lambda one: IntDistribution(one[0], one[0] + one[1], log=one[2])
)
stepped = st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(1, 7)).map(
    lambda one: IntDistribution(one[0], one[0] + one[1] * one[2], step=one[2])
)
# Tenths, whose sums are not as people write them.
tenths = st.tuples(st.integers(0, 9), st.integers(1, 3), st.integers(1, 7)).map(
    lambda one: FloatDistribution(one[0] / 10, (one[0] + one[1] * one[2]) / 10, step=one[2] / 10)
)
ends = st.lists(st.floats(1e-6, 1e6), min_size=2, max_size=2, unique=True).map(sorted)
floats = st.tuples(ends, st.booleans()).map(lambda one: FloatDistribution(one[0][0], one[0][1], log=one[1]))
finite = st.dictionaries(st.sampled_from("xyz"), choices | whole | stepped | tenths, min_size=1)
spaces = st.dictionaries(st.sampled_from("xyz"), choices | whole | stepped | tenths | floats, min_size=1)


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed, n_startup_trials=2)


MAKERS = {"tpe": tpe, "random": lambda seed: RandomSampler(seed=seed)}


def study_of(space: Space, kind: str = "tpe", seed: int = 0) -> optuna.Study:
    sampler = SeededByTrial(MAKERS[kind], seed=seed, space=space, view=as_they_are)
    return optuna.create_study(direction="maximize", sampler=sampler, storage=InMemoryStorage())


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    return {name: trial._suggest(name, one) for name, one in space.items()}


def values_of_one(one: BaseDistribution) -> list[Any]:
    if isinstance(one, CategoricalDistribution):
        return list(one.choices)
    if isinstance(one, IntDistribution):
        return list(range(one.low, one.high + 1, one.step))
    assert isinstance(one, FloatDistribution)
    assert one.step is not None
    low, high, step = (round(10 * number) for number in (one.low, one.high, one.step))
    return [tenth / 10 for tenth in range(low, high + 1, step)]


def every(space: Space) -> list[dict[str, Any]]:
    """All points of a finite space."""
    listed = [values_of_one(one) for one in space.values()]
    return [dict(zip(space, point, strict=True)) for point in itertools.product(*listed)]


@given(space=spaces, kind=st.sampled_from([*MAKERS]), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=25)
def test_no_suggestion_leaves_the_space_and_none_repeats_a_point_while_others_are_left(
    space: Space, kind: str, seed: int, data: st.DataObject
) -> None:
    study = study_of(space, kind, seed)
    known: set[tuple[float, ...]] = set()
    for _ in range(min(16, int(min(size(space), 16)))):
        trial = study.ask()
        values = suggest(trial, space)
        point = point_of(values, space)
        assert point is not None, "outside"
        assert values_of(point, space) == values, "not as people write it"
        assert point not in known
        state = data.draw(st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING]))
        known.add(point)
        if state == TrialState.COMPLETE:
            study.tell(trial, data.draw(st.sampled_from([0.1, 0.5, 0.9])))
        elif state == TrialState.PRUNED:
            trial.report(0.5, 1)
            study.tell(trial, state=state)


@given(finite)
def test_a_finite_space_has_as_many_points_as_there_are(space: Space) -> None:
    assert size(space) == len(every(space))
    assert {point_of(one, space) for one in every(space)} == {
        point_of(values_of(point, space), space) for one in every(space) if (point := point_of(one, space))
    }


@pytest.mark.parametrize(
    "space", [{"x": FloatDistribution(0, 1)}, {"x": FloatDistribution(0.5, math.nextafter(0.5, 1))}]
)
def test_a_range_of_floats_has_no_end_of_points(space: Space) -> None:
    assert size(space) == math.inf


@given(finite, st.data())
def test_the_nearest_point_is_untaken_and_holds_what_is_held(space: Space, data: st.DataObject) -> None:
    points = [point for one in every(space) if (point := point_of(one, space)) is not None]
    begin = data.draw(st.sampled_from(points))
    taken = data.draw(st.lists(st.sampled_from(points), unique=True))
    held = data.draw(st.lists(st.sampled_from([*space]), unique=True))
    places = [place for place, name in enumerate(space) if name in held]
    left = [point for point in points if point not in taken and all(point[i] == begin[i] for i in places)]
    found = nearest(begin, space, held, taken, seed=1)
    assert found == nearest(begin, space, held, taken, seed=1)
    assert (found in left) if left else found is None
    if begin not in taken:
        assert found == begin


def test_a_step_is_nearer_than_another_choice() -> None:
    space: Space = {"x": IntDistribution(1, 100, log=True), "y": CategoricalDistribution(("a", "b"))}
    taken = [(10.0, 0.0), (11.0, 0.0)]
    assert nearest((10.0, 0.0), space, (), taken, seed=0) == (9.0, 0.0)
    assert nearest((10.0, 0.0), space, ("x",), taken, seed=0) == (10.0, 1.0)


def test_which_points_count_as_tried() -> None:
    space: Space = {"x": IntDistribution(1, 9)}

    def at(value: int, state: TrialState, **more: Any) -> optuna.trial.FrozenTrial:
        score = 0.5 if state == TrialState.COMPLETE else None
        return create_trial(state=state, value=score, params={"x": value}, distributions=space, **more)

    trials = [
        at(1, TrialState.COMPLETE),
        at(1, TrialState.PRUNED),
        at(2, TrialState.RUNNING),
        at(3, TrialState.FAIL),
        at(4, TrialState.FAIL),
        at(4, TrialState.FAIL),
        create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": {"x": 5.0}}),
        create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": {"x": 50}}),
        create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": "nonsense"}),
        create_trial(state=TrialState.WAITING),
    ]
    assert tried(trials, space) == {(1.0,): 2, (2.0,): 1, (4.0,): 1, (5.0,): 1}


def test_a_point_that_somebody_queued_is_left_to_its_trial() -> None:
    space: Space = {"x": IntDistribution(1, 3)}
    study = study_of(space)
    held = study.ask()
    study.enqueue_trial({"x": 2})
    first = suggest(held, space)["x"]
    assert first != 2
    assert suggest(study.ask(), space)["x"] == 2
    assert suggest(study.ask(), space)["x"] == ({1, 3} - {first}).pop()


def test_a_point_that_is_wholly_given_is_tried_as_it_is() -> None:
    space: Space = {"x": IntDistribution(1, 3), "y": CategoricalDistribution(("a", "b"))}
    study = study_of(space)
    for _ in range(2):
        study.enqueue_trial({"x": 1, "y": "a"})
    study.enqueue_trial({"x": 1})
    study.enqueue_trial({"x": 1})
    for _ in range(4):
        trial = study.ask()
        suggest(trial, space)
        study.tell(trial, 0.5)
    assert [trial.params for trial in study.trials[:3]] == [{"x": 1, "y": y} for y in "aab"]
    assert study.trials[3].params["x"] == 1  # all of x = 1 was tried


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("begun", [1, 2])
def test_a_trial_cut_off_between_two_parameters_gets_the_rest_of_its_point(kind: str, begun: int) -> None:
    space: Space = {name: CategoricalDistribution(("a", "b", "c")) for name in "xyz"}
    for before in (0, 3, 14, 20, 25):
        points = []
        for interrupted in (False, True):
            study = study_of(space, kind)
            for _ in range(before):
                trial = study.ask()
                suggest(trial, space)
                study.tell(trial, 0.5)
            trial_id = study.ask()._trial_id
            if interrupted:
                suggest(optuna.Trial(study, trial_id), dict([*space.items()][:begun]))
            points.append(suggest(optuna.Trial(study, trial_id), space))
        assert points[0] == points[1]


@given(finite, st.data())
def test_the_first_untried_point_is_the_first_in_order_that_has_what_is_held(
    space: Space, data: st.DataObject
) -> None:
    listed = every(space)  # the last field changes first
    taken = data.draw(st.lists(st.sampled_from(listed), unique_by=str))
    held = {
        name: data.draw(st.sampled_from(listed))[name] for name in data.draw(st.sets(st.sampled_from([*space])))
    }
    left = [point for point in listed if point not in taken and point.items() >= held.items()]
    found = first_untried(space, {point for one in taken if (point := point_of(one, space)) is not None}, held)
    assert found == (left[0] if left else None)
    assert [type(value) for value in (found or {}).values()] == [
        type(v) for v in (left[0] if left else {}).values()
    ]


def test_steps_of_floats_are_the_same_point_however_they_are_added_up() -> None:
    space: Space = {"x": FloatDistribution(0.1, 0.7, step=0.1)}
    assert 0.1 + 2 * 0.1 != 0.3
    assert point_of({"x": 0.1 + 2 * 0.1}, space) == point_of({"x": 0.3}, space) == (0.3,)
    assert point_of({"x": 0.35}, space) is None
