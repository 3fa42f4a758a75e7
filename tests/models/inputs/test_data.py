"""Splits of arrays of images."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlpsearch.models.inputs.data import Split


def split_of(labels: list[int]) -> Split:
    count = len(labels)
    return Split(np.zeros((count, 1), np.uint8), np.array(labels, np.int64), np.arange(count), (1, 1, 1))


@given(
    st.lists(st.integers(1, 300), min_size=2, max_size=6),
    st.booleans(),
    st.floats(0.01, 1.1),
)
def test_a_sample_holds_each_class_by_its_share_whatever_the_lengths(
    sizes: list[int], mixed: bool, part: float
) -> None:
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    split = split_of(np.random.default_rng(0).permutation(labels).tolist() if mixed else labels)
    count = max(1, int(part * len(split)))
    sample = split.sample(count)
    assert len(sample) == min(count, len(split))
    assert np.all(np.diff(sample.rows) > 0)
    taken = np.bincount(sample.labels[sample.rows], minlength=len(sizes))
    assert np.all(np.abs(taken - np.array(sizes) * len(sample) / len(split)) < 1)


def test_a_sample_of_half_of_sorted_images_lacks_no_class() -> None:
    sample = split_of(sorted(list(range(10)) * 1000)[:9999]).sample(5000)
    counts = np.bincount(sample.labels[sample.rows], minlength=10)
    assert len(sample) == 5000
    assert counts.min() >= 499
