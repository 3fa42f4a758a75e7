import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.stratified import split_rows

seeds = st.integers(0, 2**32)


@st.composite
def labels_and_number(draw: st.DrawFn) -> tuple[list[int], int]:
    """Labels of 2 to 6 classes of any sizes, shuffled, and an allowed number of rows to hold out."""
    sizes = draw(
        st.lists(st.integers(1, 40), min_size=2, max_size=6).filter(lambda sizes: sum(sizes) > len(sizes))
    )
    labels = draw(st.permutations([number for number, size in enumerate(sizes) for _ in range(size)]))
    return list(labels), draw(st.integers(1, len(labels) - len(sizes)))


@given(labels_and_number(), seeds)
def test_the_two_sets_are_disjoint_complete_and_ascending(case: tuple[list[int], int], seed: int) -> None:
    labels, number = case
    kept, held_out = split_rows(np.array(labels), number, seed, "n")
    assert len(held_out) == number
    assert sorted([*kept, *held_out]) == list(range(len(labels)))
    for rows in (kept, held_out):
        assert rows.dtype == np.int64
        assert (np.diff(rows) > 0).all()


@given(labels_and_number(), seeds)
def test_every_class_gives_its_share_and_keeps_one(case: tuple[list[int], int], seed: int) -> None:
    labels, number = case
    kept, held_out = split_rows(np.array(labels), number, seed, "n")
    sizes = np.bincount(labels)
    given_ = np.bincount(np.array(labels)[held_out], minlength=len(sizes))
    assert (np.bincount(np.array(labels)[kept], minlength=len(sizes)) >= 1).all()
    exact = number * sizes / len(labels)
    can_give = given_ < sizes - 1
    assert (given_ >= np.floor(exact)).all()
    if (sizes - 1 >= np.ceil(exact)).all():  # nobody has to step in for a class that is too small
        assert (given_ <= np.ceil(exact)).all()
        # Largest remainder: who was rounded up had at least the remainder of everyone who was rounded down.
        up, down = given_ > exact, (given_ < exact) & can_give
        if up.any() and down.any():
            assert (exact % 1)[up].min() >= (exact % 1)[down].max() - 1e-9


@given(st.integers(2, 8), st.integers(2, 20), st.data(), seeds)
def test_classes_of_one_size_differ_by_at_most_one(
    classes: int, size: int, data: st.DataObject, seed: int
) -> None:
    number = data.draw(st.integers(1, classes * (size - 1)))
    labels = np.arange(classes * size) % classes
    _, held_out = split_rows(labels, number, seed, "n")
    shares = np.bincount(labels[held_out], minlength=classes)
    assert shares.max() - shares.min() <= 1


def test_the_seed_decides_which_rows() -> None:
    labels = np.arange(1000) % 10
    first, again, other = (split_rows(labels, 100, seed, "n")[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_every_row_of_a_class_can_be_held_out() -> None:
    labels = np.repeat([0, 1], 5)
    seen = {int(row) for seed in range(50) for row in split_rows(labels, 2, seed, "n")[1]}
    assert seen == set(range(10))


@pytest.mark.parametrize("number", [-1, 0, 8, 10, 11])
def test_too_few_or_too_many_are_refused(number: int) -> None:
    labels = np.arange(10) % 3
    with pytest.raises(DataError, match=rf"^validation = {number}: must be from 1 to 7 \(10 in all, .* 3 classes"):
        split_rows(labels, number, 0, "validation")


def test_one_row_of_each_class_is_too_few_to_hold_out_any() -> None:
    with pytest.raises(DataError, match=r"^validation = 1: 2 in all are too few: each of the 2 classes keeps one"):
        split_rows(np.array([0, 1]), 1, 0, "validation")


def test_the_most_that_is_allowed_leaves_one_of_each_class() -> None:
    labels = np.array([0, 1, 1, 2, 2, 2, 2, 2])
    kept, _ = split_rows(labels, 5, 0, "n")
    assert labels[kept].tolist() == [0, 1, 2]
