"""Statistics over seeds, against values worked out by hand or by simulation."""

import math

import numpy as np
import pytest

from models.statistics import accuracy_interval, deviation, expected_maximum, mean, paired_p_value


def test_mean_and_deviation() -> None:
    assert mean([0.5, 0.25, 0.75]) == 0.5
    assert deviation([1.0, 2.0, 3.0, 4.0]) == pytest.approx(math.sqrt(5 / 3))
    assert deviation([0.5]) is None


def test_the_paired_test_has_the_p_value_of_the_tables() -> None:
    """Differences 1, 2, 3: t = 2 / (1 / √3) = 3.4641 with two degrees of freedom."""
    t = 2 * math.sqrt(3)
    exact = 1 - t / math.sqrt(2 + t * t)  # the distribution of t with two degrees of freedom, in closed form
    assert paired_p_value([11.0, 22.0, 33.0], [10.0, 20.0, 30.0]) == pytest.approx(exact)


def test_pairs_tell_what_samples_could_not() -> None:
    """The seeds differ far more than the configurations, but alike in both."""
    seeds = np.linspace(0.4, 0.6, 5)
    p_value = paired_p_value([*np.add(seeds, [0.010, 0.011, 0.009, 0.010, 0.012])], [*seeds])
    assert p_value is not None
    assert p_value < 0.001


@pytest.mark.parametrize(
    ("first", "second", "p_value"),
    [([0.5, 0.6], [0.5, 0.6], 1.0), ([0.5, 0.75], [0.25, 0.5], 0.0), ([0.5], [0.6], None)],
)
def test_the_paired_test_where_it_has_no_spread(
    first: list[float], second: list[float], p_value: float | None
) -> None:
    assert paired_p_value(first, second) == p_value


def test_the_interval_covers_the_true_accuracy_about_as_often_as_it_says() -> None:
    """Seeds of accuracy N(0.6, 0.02²), images of different difficulty, 400 repetitions."""
    generator = np.random.default_rng(0)
    hits, repetitions = 0, 400
    for _ in range(repetitions):
        skill = generator.normal(0, 0.02, (5, 1))
        difficulty = generator.uniform(-0.3, 0.3, (1, 500))
        correct = generator.random((5, 500)) < 0.6 + skill + difficulty
        low, high = accuracy_interval(correct)
        hits += low <= 0.6 <= high
    assert 0.93 <= hits / repetitions <= 0.995


def test_the_interval_stays_within_0_and_1() -> None:
    correct = np.ones((2, 10), bool)
    assert accuracy_interval(correct) == (1.0, 1.0)
    correct[0, 0] = False
    low, high = accuracy_interval(correct)
    assert 0 <= low < 0.95 < high == 1


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi))]
)
def test_the_highest_of_several_draws_is_above_their_mean_by_so_much(count: int, expected: float) -> None:
    assert expected_maximum(count) == pytest.approx(expected, abs=1e-9)


def test_the_highest_of_many_draws_is_what_drawing_them_gives() -> None:
    drawn = np.random.default_rng(0).normal(size=(20_000, 50)).max(axis=1)
    assert expected_maximum(50) == pytest.approx(drawn.mean(), abs=0.02)
