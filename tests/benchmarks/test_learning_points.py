"""Which rows of a table of results become starting points."""

import numpy as np
import pytest

from benchmarks.learning_points import (
    narrower_ranges,
    nearness,
    shares_at_least_as_good,
    starting_points,
    worth_for_its_time,
)


def test_a_share_counts_the_configurations_at_least_as_good() -> None:
    shares = shares_at_least_as_good(np.array([[0.9, 1.0], [0.5, 1.0], [0.9, 2.0], [0.1, 3.0]]))
    assert shares.tolist() == [[0.5, 1.0], [0.75, 1.0], [0.5, 0.5], [1.0, 0.25]]


def test_what_is_hardly_worse_than_the_best_is_worth_hardly_less_whatever_the_unit() -> None:
    scores = np.array([[1.0], [0.999], [0.98], [0.5]])
    worth = nearness(scores).ravel()
    assert worth[:3] == pytest.approx([0, -np.log(1.05), -np.log(2)])
    assert worth[3] < worth[2]
    assert nearness(100 * scores).ravel() == pytest.approx(worth)


def test_the_second_point_is_good_where_the_first_is_not() -> None:
    # On two of three data sets the first row is best, on the last the third; the second row is good nowhere.
    assert starting_points(np.array([[5, 5, 0.1], [4, 4, 0.2], [0.1, 0.1, 5]]), count=2) == [0, 2]


def test_a_cheap_point_goes_before_a_slightly_better_one_where_seconds_count() -> None:
    scores = np.arange(10.0, 0, -1).repeat(2).reshape(10, 2)
    seconds = np.full((10, 2), 100.0)
    seconds[1] = 1.0
    assert starting_points(worth_for_its_time(scores, np.log(seconds)), count=1) == [1]
    assert starting_points(nearness(scores), count=1) == [0]


def test_no_row_is_chosen_twice() -> None:
    assert sorted(starting_points(np.ones((3, 2)), count=5)) == [0, 1, 2]


def test_ranges_hold_the_best_configurations_of_the_data_sets() -> None:
    values = np.column_stack([np.arange(100.0), np.arange(100.0)[::-1]])
    worth = -np.abs(values[:, :1] - 40)  # best where the first field is 40
    low, high = narrower_ranges(values, worth, best=0.21)[0]
    assert (low, high) == (31, 49)
