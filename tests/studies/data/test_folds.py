"""Dealing rows out to folds: every row once, each class and each whole group fairly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.folds import grouped_folds, stratified_folds
from tests.models.cases import patiently

some_labels = st.lists(st.integers(0, 4), min_size=20, max_size=80).map(np.array)
some_folds = st.integers(2, 20)


def sizes(fold_of: np.ndarray, folds: int, *, of: np.ndarray | None = None) -> np.ndarray:
    """How many rows each fold has; of: those only."""
    return np.bincount(fold_of if of is None else fold_of[of], minlength=folds)


@patiently
@given(some_labels, some_folds, st.integers(0, 3))
def test_folds_are_stratified_and_cover_every_row_once(labels: np.ndarray, folds: int, seed: int) -> None:
    fold_of = stratified_folds(labels, folds, seed)
    assert fold_of.shape == labels.shape
    assert set(fold_of.tolist()) == set(range(folds)), "none is empty"
    assert np.ptp(sizes(fold_of, folds)) <= 1
    for label in range(5):
        assert np.ptp(sizes(fold_of, folds, of=labels == label)) <= 1
    np.testing.assert_array_equal(fold_of, stratified_folds(labels, folds, seed))


def test_the_seed_decides_which_rows_are_in_which_fold() -> None:
    labels = np.arange(60) % 3
    first, second = (stratified_folds(labels, 5, seed) for seed in (0, 1))
    assert (first != second).any()


@patiently
@given(st.binary(min_size=200, max_size=300), st.integers(0, 3))
def test_rows_of_a_group_are_in_one_fold(drawn: bytes, seed: int) -> None:
    rows = np.frombuffer(drawn, np.uint8).astype(np.int64)  # lists of so many numbers take long to draw
    groups, labels = rows % 31, rows // 31 % 3
    folds = min(5, len(np.unique(groups)))
    fold_of = grouped_folds(3 * groups, labels, folds, seed)  # numbers that leave gaps
    for group in np.unique(groups):
        assert len(np.unique(fold_of[groups == group])) == 1
    assert set(fold_of.tolist()) == set(range(folds))
    np.testing.assert_array_equal(fold_of, grouped_folds(3 * groups, labels, folds, seed))


def test_groups_are_dealt_out_so_that_classes_and_rows_are_shared() -> None:
    """Of 40 groups of 5 rows, 10 are of a class that is rare."""
    groups = np.repeat(np.arange(40), 5)
    labels = (groups < 10).astype(np.int64)
    fold_of = grouped_folds(groups, labels, 5, seed=0)
    np.testing.assert_array_equal(sizes(fold_of, 5), [40] * 5)
    np.testing.assert_array_equal(sizes(fold_of, 5, of=labels == 1), [10] * 5)


def test_a_large_group_leaves_the_other_folds_to_the_small_ones() -> None:
    groups = np.repeat(np.arange(21), [100, *[5] * 20])
    fold_of = grouped_folds(groups, np.zeros(200, np.int64), 3, seed=0)
    assert sorted(sizes(fold_of, 3)) == [50, 50, 100]


def test_more_folds_than_rows_or_groups_are_refused() -> None:
    with pytest.raises(DataError, match=r"^folds = 5: must be at most the number of rows, 4$"):
        stratified_folds(np.array([0, 1, 0, 1]), 5, 0)
    with pytest.raises(DataError, match=r"^folds = 5: must be at most the number of groups, 3$"):
        grouped_folds(np.array([0, 0, 1, 1, 5, 5]), np.array([0, 1] * 3), 5, 0)
