"""What samplers are shown in place of the trials: prices, and what was pruned."""

import math
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import GPSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.search.strategy.history import PRICE, priced, with_pruned
from mlpsearch.search.strategy.samplers import make_sampler
from mlpsearch.search.strategy.seeded import SeededByTrial
from mlpsearch.studies.spec.space import distributions
from tests.studies.stores import spec

UP, DOWN = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE


def complete(number: int, value: float, seconds: object = None) -> FrozenTrial:
    attributes = {} if seconds is None else {"seconds": seconds}
    trial = create_trial(value=value, user_attrs=attributes)
    trial.number = number
    return trial


def shown(values: list[float], seconds: list[Any], direction: StudyDirection = UP) -> list[float | None]:
    trials = [complete(number, *one) for number, one in enumerate(zip(values, seconds, strict=True))]
    return [trial.value for trial in priced(trials, direction)]


def test_of_trials_that_took_as_long_the_rank_counts_and_nothing_else() -> None:
    ranks = [-math.log(3 / 4), -math.log(2 / 4), -math.log(4 / 4), -math.log(1 / 4)]
    assert shown([0.5, 0.9, 0.1, 0.91], [2, 2, 2, 2]) == pytest.approx(ranks)
    assert shown([0.5, 0.9, 0.1, 0.91], [None] * 4) == pytest.approx(ranks)


def test_equal_scores_share_the_rank_of_the_last() -> None:
    assert shown([0.5, 0.5, 0.9], [1, 1, 1]) == pytest.approx([0.0, 0.0, math.log(3)])


def test_a_trial_of_twice_the_median_seconds_pays_for_them() -> None:
    values = shown([0.5, 0.5, 0.5], [1.0, 2.0, 4.0])
    assert values == pytest.approx([PRICE * math.log(2), 0.0, -PRICE * math.log(2)])


def test_of_losses_the_lowest_is_the_best() -> None:
    values = shown([0.5, 0.9, 0.1], [1, 1, 1], DOWN)
    assert values == pytest.approx([math.log(2 / 3), 0.0, math.log(1 / 3)])


@pytest.mark.parametrize("seconds", [0, 0.0, "soon", None, -1])
def test_seconds_that_are_none_or_nonsense_do_no_harm(seconds: object) -> None:
    values = shown([0.5, 0.9], [seconds, 1.0])
    assert all(value is not None and math.isfinite(value) for value in values)


def test_trials_that_are_not_complete_stay_as_they_are_and_nothing_is_changed_in_the_study() -> None:
    pruned = create_trial(state=TrialState.PRUNED, value=0.4, intermediate_values={2: 0.4})
    pruned.number = 1
    before = complete(0, 0.5, 3.0)
    found = priced([before, pruned], UP)
    assert found[1] is pruned
    assert (before.value, before.user_attrs) == (0.5, {"seconds": 3.0})
    assert priced([pruned], UP) == [pruned]
    assert priced([], UP) == []


def test_what_was_pruned_is_shown_as_complete_with_its_last_value() -> None:
    pruned = create_trial(state=TrialState.PRUNED, intermediate_values={1: 0.9, 2: 0.4})
    nothing = create_trial(state=TrialState.PRUNED)
    lost = create_trial(state=TrialState.PRUNED, intermediate_values={1: math.nan})
    found = with_pruned([pruned, nothing, lost, complete(3, 0.5)], UP)
    assert [(one.state.name, one.value) for one in found] == [
        ("COMPLETE", 0.4),
        ("PRUNED", None),
        ("PRUNED", None),
        ("COMPLETE", 0.5),
    ]
    assert pruned.state == TrialState.PRUNED


SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}


def test_the_gaussian_process_does_not_forget_what_was_pruned() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = SPACE
    alone = optuna.create_study(
        direction="maximize",
        sampler=SeededByTrial(lambda seed: GPSampler(seed=seed), seed=0, space=space, view=with_pruned),
    )
    for number in range(12):
        x = number / 11
        alone.add_trial(
            create_trial(
                state=TrialState.PRUNED,
                params={"x": x},
                distributions=space,
                intermediate_values={1: 1 - (x - 0.3) ** 2},
            )
        )
    assert abs(alone.ask(space).params["x"] - 0.3) < 0.15


def tried(seconds: float | None, sampler: str, *, dear: bool) -> float:
    """The mean learning rate of what is tried after 30 trials of one score, from the highest rate to the lowest.

    dear: whether high rates took longer than low ones.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    limits: dict[str, Any] = {} if seconds is None else {"seconds": seconds}
    search = {"learning_rate": {"low": 1e-4, "high": 1.0}}
    specification = spec(trials=99, sampler=sampler, search=search, **limits)
    study = optuna.create_study(direction="maximize", sampler=make_sampler(specification))
    space = distributions(specification)
    for number in range(30):
        rate = 1 - (number + 0.5) / 30
        took = {"seconds": 10 ** (3 * rate) if dear else 1.0}
        study.add_trial(
            create_trial(value=0.5, params={"learning_rate": rate}, distributions=space, user_attrs=took)
        )
    rates = [float(study.ask(space).params["learning_rate"]) for _ in range(10)]
    return sum(rates) / len(rates)


def test_only_auto_with_seconds_as_the_budget_looks_at_the_price() -> None:
    unpriced = tried(60, "tpe", dear=True)
    assert tried(60, "auto", dear=True) < 0.3 < unpriced
    assert tried(None, "auto", dear=True) == tried(60, "auto", dear=False) == unpriced
