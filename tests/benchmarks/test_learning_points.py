"""Which rows of a table of results become starting points."""

import numpy as np

from benchmarks.learning_points import shares_at_least_as_good, starting_points


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
