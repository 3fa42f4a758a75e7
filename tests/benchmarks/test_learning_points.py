"""Which rows of a table of results become starting points."""

import numpy as np

from benchmarks.learning_points import narrower_ranges, shares_at_least_as_good, starting_points


def test_a_share_counts_the_configurations_at_least_as_good() -> None:
    shares = shares_at_least_as_good(np.array([[0.9, 1.0], [0.5, 1.0], [0.9, 2.0], [0.1, 3.0]]))
    assert shares.tolist() == [[0.5, 1.0], [0.75, 1.0], [0.5, 0.5], [1.0, 0.25]]


def test_the_second_point_is_good_where_the_first_is_not() -> None:
    # On two of three data sets the first row is best, on the last the third; the second row is good nowhere.
    shares = np.array([[0.01, 0.01, 0.9], [0.02, 0.02, 0.8], [0.9, 0.9, 0.01]])
    assert starting_points(shares, np.zeros((3, 3)), count=2) == [0, 2]


def test_a_cheap_point_goes_before_a_slightly_better_one() -> None:
    shares = np.array([[0.01, 0.01], [0.02, 0.02], [0.5, 0.5]])
    log_seconds = np.log([[100.0, 50.0], [1.0, 1.0], [10.0, 10.0]])
    assert starting_points(shares, log_seconds, count=1) == [1]
    assert starting_points(shares, log_seconds, count=1, price=0.0) == [0]


def test_no_row_is_chosen_twice() -> None:
    shares = np.ones((3, 2))
    assert sorted(starting_points(shares, np.zeros((3, 2)), count=5)) == [0, 1, 2]


def test_ranges_hold_the_best_configurations_of_the_data_sets() -> None:
    values = np.column_stack([np.arange(100.0), np.arange(100.0)[::-1]])
    shares = shares_at_least_as_good(-np.abs(values[:, :1] - 40))  # best where the first field is 40
    low, high = narrower_ranges(values, shares, np.zeros((100, 1)), best=0.21)[0]
    assert (low, high) == (31, 49)


def test_ranges_lean_towards_cheap_configurations_unless_time_has_no_price() -> None:
    values = np.arange(100.0)[:, None]
    shares = shares_at_least_as_good(-np.abs(values - 40))
    dear = narrower_ranges(values, shares, values / 5, best=0.1)
    assert dear[0, 1] < narrower_ranges(values, shares, values / 5, best=0.1, price=0.0)[0, 1]
