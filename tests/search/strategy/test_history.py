"""What samplers are shown in place of the trials: prices, and what pruned ones might have reached."""

import math
import random
from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import GPSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.search.strategy.history import PRICE, priced, projected
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


def test_seconds_below_those_that_trials_can_tell_apart_are_the_same() -> None:
    """A trial's seconds are kept as hundredths: one of 0.00 took no tenth of one of 0.01."""
    assert len(set(shown([0.5] * 3, [0.0, 0.01, 0.004]))) == 1
    assert shown([0.5, 0.9], [0.0, 0.01]) == shown([0.5, 0.9], [1, 1])


def test_trials_that_are_not_complete_stay_as_they_are_and_nothing_is_changed_in_the_study() -> None:
    pruned = create_trial(state=TrialState.PRUNED, value=0.4, intermediate_values={2: 0.4})
    pruned.number = 1
    before = complete(0, 0.5, 3.0)
    found = priced([before, pruned], UP)
    assert found[1] is pruned
    assert (before.value, before.user_attrs) == (0.5, {"seconds": 3.0})
    assert priced([pruned], UP) == [pruned]
    assert priced([], UP) == []


def trained(number: int, values: list[float], *, pruned: bool = False, **attributes: object) -> FrozenTrial:
    """A trial that reported these values after its epochs, from the first on."""
    trial = create_trial(
        state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
        value=values[-1] if values and not math.isnan(values[-1]) else None,
        intermediate_values=dict(enumerate(values, 1)),
        user_attrs=attributes,
    )
    trial.number = number
    return trial


def ended(number: int, *values: float, **attributes: object) -> FrozenTrial:
    return trained(number, list(values), pruned=True, **attributes)


def values_of(trials: list[FrozenTrial], direction: StudyDirection = UP) -> dict[int, float | None]:
    """What the trials are shown with, by number; None of one that is not complete."""
    return {
        trial.number: trial.value if trial.state == TrialState.COMPLETE else None
        for trial in projected(trials, direction)
    }


def test_a_pruned_trial_is_shown_with_what_those_that_went_on_gained_in_the_median() -> None:
    trials = [
        trained(0, [0.2, 0.4, 0.5]),
        trained(1, [0.5, 0.6, 0.9]),
        trained(2, [0.1, 0.7, 0.8]),
        ended(3, 0.3, 0.45),
        ended(4, 0.15),
    ]
    shown = values_of(trials)
    assert [shown[number] for number in range(3)] == [0.5, 0.9, 0.8]
    assert shown[3] == pytest.approx(0.45 + 0.1)  # of 0.1, 0.3 and 0.1
    assert shown[4] == pytest.approx(0.15 + 0.35)  # of 0.3, 0.4, 0.7 and, of trial 3, 0.25
    assert (trials[3].state, trials[3].value) == (TrialState.PRUNED, 0.45)


def test_a_pruned_trial_may_be_better_than_a_complete_one() -> None:
    shown = values_of([trained(0, [0.1, 0.3]), trained(1, [0.6, 0.8]), ended(2, 0.5)])
    assert shown[2] == pytest.approx(0.7)


def test_of_losses_the_gain_is_a_fall() -> None:
    trials = [trained(0, [3.0, 1.0]), ended(1, 2.5), ended(2, 2.0, 9.0, diverged="loss nan")]
    assert values_of(trials, DOWN) == {0: 1.0, 1: 0.5, 2: 1.0}
    assert values_of(trials[::-1], DOWN)[1] == 0.5


def test_without_a_complete_trial_the_longest_keeps_its_value_and_shorter_ones_gain_as_it_did() -> None:
    shown = values_of([ended(0, 0.2), ended(1, 0.3, 0.5, 0.6), ended(2, 0.1, 0.2)])
    assert shown == pytest.approx({0: 0.2 + (0.3 + 0.2) / 2, 1: 0.6, 2: 0.2 + 0.1})
    assert values_of([ended(0, 0.2), ended(1, 0.3)]) == {0: 0.2, 1: 0.3}
    assert values_of([]) == {}


def test_trials_that_end_after_one_epoch_do_not_count_for_each_other() -> None:
    shown = values_of([trained(0, [0.2, 0.5]), *(ended(number, 0.3) for number in range(1, 9))])
    assert shown == pytest.approx({0: 0.5, **dict.fromkeys(range(1, 9), 0.3 + 0.3)})


def test_a_run_that_got_no_better_counts_with_what_was_kept_of_it_and_not_after_its_end() -> None:
    stopped = trained(0, [0.2, 0.6, 0.5])
    stopped.values = [0.6]
    shown = values_of(
        [stopped, trained(1, [0.1, 0.2, 0.3, 0.4, 0.9]), ended(2, 0.3), ended(3, 0.1, 0.2, 0.3, 0.4)]
    )
    assert shown[3] == pytest.approx(0.4 + 0.5)
    assert shown[2] == pytest.approx(0.3 + 0.8)  # of 0.4, 0.8 and 0.8


@pytest.mark.parametrize("direction", [UP, DOWN])
def test_what_diverged_or_has_no_number_counts_as_the_worst_and_for_no_other(direction: StudyDirection) -> None:
    lost = [ended(3, 0.5, 0.1, diverged="loss inf in epoch 2"), ended(4, 0.2, math.nan), ended(5, math.inf)]
    trials = [trained(0, [0.2, 0.4]), trained(1, [0.3, 0.6]), ended(2, 0.05)]
    shown, without = values_of(trials + lost, direction), values_of(trials, direction)
    worst = 0.05 + 0.25 if direction == UP else 0.6
    assert [shown[number] for number in (3, 4, 5)] == pytest.approx([worst] * 3)
    assert {number: shown[number] for number in without} == without
    assert set(values_of(lost, direction).values()) == {None}


def test_a_value_that_is_no_number_on_the_way_is_left_out() -> None:
    assert values_of([trained(0, [math.nan, 0.4]), trained(1, [0.3, 0.6]), ended(2, 0.1)])[2] == pytest.approx(0.4)


def test_what_ended_without_a_value_runs_waits_or_failed_stays_as_it_is() -> None:
    others = [create_trial(state=TrialState.FAIL, intermediate_values={1: 0.9, 2: 0.1}), ended(1)]
    others += [create_trial(state=state) for state in (TrialState.RUNNING, TrialState.WAITING)]
    others[2].intermediate_values = {1: 0.1, 2: 0.9}
    for number, trial in enumerate(others):
        trial.number = number
    found = projected([*others, trained(4, [0.2, 0.3]), ended(5, 0.1)], UP)
    assert all(one is other for one, other in zip(found, others, strict=False))
    assert found[5].value == pytest.approx(0.2)


def test_the_order_of_the_trials_does_not_matter() -> None:
    generator = random.Random(0)
    trials = []
    for number in range(60):
        curve = [generator.random() for _ in range(generator.choice([1, 2, 2, 4, 8]))]
        trials.append(trained(number, curve, pruned=len(curve) < 8 or number % 7 == 0))
    for direction in (UP, DOWN):
        expected = values_of(trials, direction)
        for _ in range(5):
            generator.shuffle(trials)
            assert values_of(trials, direction) == expected  # to the last bit


SPACE: dict[str, BaseDistribution] = {"x": FloatDistribution(0, 1)}


def test_the_gaussian_process_does_not_forget_what_was_pruned() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = SPACE
    alone = optuna.create_study(
        direction="maximize",
        sampler=SeededByTrial(lambda seed: GPSampler(seed=seed), seed=0, space=space, view=projected),
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


def next_rates(sampler: str) -> list[float]:
    """What is tried after 30 complete trials of high learning rates and 30 better ones of low rates, pruned."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    specification = spec(trials=99, sampler=sampler, search={"learning_rate": {"low": 1e-4, "high": 1.0}})
    study = optuna.create_study(direction="maximize", sampler=make_sampler(specification))
    space = distributions(specification)
    for number in range(60):
        pruned = number % 2 == 1
        rate = (number + 0.5) / 300 + (0.0 if pruned else 0.7)
        values = [0.5, 0.6] if pruned else [0.2, 0.3, 0.4]
        study.add_trial(
            create_trial(
                state=TrialState.PRUNED if pruned else TrialState.COMPLETE,
                value=values[-1],
                params={"learning_rate": rate},
                distributions=space,
                intermediate_values=dict(enumerate(values, 1)),
            )
        )
    return [float(study.ask(space).params["learning_rate"]) for _ in range(10)]


def test_auto_goes_where_pruned_trials_were_better_and_tpe_where_trials_finished() -> None:
    assert sum(rate < 0.5 for rate in next_rates("auto")) >= 8
    assert sum(rate > 0.5 for rate in next_rates("tpe")) >= 8
