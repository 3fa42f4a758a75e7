"""Rows that are in two splits are found by their hashes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlpsearch.studies.data.duplicates import count_known, row_hashes


@given(stored=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 20)), elements=st.integers(0, 2)))
def test_rows_have_one_hash_if_and_only_if_they_are_equal(stored: np.ndarray) -> None:
    hashes = row_hashes(stored)
    for one in range(len(stored)):
        for other in range(len(stored)):
            assert (hashes[one] == hashes[other]) == np.array_equal(stored[one], stored[other])


@pytest.mark.parametrize("columns", [1, 2, 5])
def test_small_whole_numbers_of_a_table_are_told_apart(columns: int) -> None:
    """Their bits differ in few places."""
    every = np.stack(np.meshgrid(*[np.arange(-1.0, 7.0)] * columns), axis=-1).reshape(-1, columns)
    assert len(np.unique(row_hashes(every))) == len(every) == 8**columns


def test_a_hash_depends_on_the_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = np.random.default_rng(0).normal(size=(50, 3))
    stored[7, 1] = np.nan
    whole, taken = row_hashes(stored), np.array([40, 7, 3])
    np.testing.assert_array_equal(row_hashes(stored, taken), whole[taken])
    monkeypatch.setattr("mlpsearch.studies.data.duplicates._ROWS", 8)
    np.testing.assert_array_equal(row_hashes(stored), whole)


def test_rows_that_were_seen_are_counted() -> None:
    seen = [row_hashes(np.arange(12.0).reshape(6, 2)), row_hashes(np.array([[1.0, 1.0]]))]
    others = np.array([[0.0, 1.0], [10.0, 11.0], [1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
    assert count_known(row_hashes(others), seen) == 4
