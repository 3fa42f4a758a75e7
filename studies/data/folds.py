"""Dealing rows out to folds, each of which is the validation split once, with all others to train on."""

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError


def stratified_folds(labels: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, (N,), numbers from 0 to folds - 1.

    labels: (N,), class numbers from 0.  seed: decides which rows of a class go to which fold.
    Neither whole folds nor their rows of one class differ by more than one.
    Raises DataError for fewer rows than folds.
    """
    if len(labels) < folds:
        raise DataError(f"folds = {folds}: must be at most the number of rows, {len(labels):,}", key="folds")
    drawn = np.random.default_rng(seed).permutation(len(labels))
    by_class = drawn[np.argsort(labels[drawn], kind="stable")]
    fold_of = np.empty(len(labels), np.int64)
    fold_of[by_class] = np.arange(len(labels)) % folds  # dealt out like cards
    return fold_of


def grouped_folds(
    groups: NDArray[np.int64], labels: NDArray[np.int64], folds: int, seed: int
) -> NDArray[np.int64]:
    """Return the fold of each row, (N,), numbers from 0 to folds - 1; rows of one group are in one fold.

    groups, labels: (N,), numbers from 0.  seed: decides which of the groups of one size are dealt out first.
    Each group, the largest first, goes where there are fewest rows like its own: of the same classes, and at all.
    Raises DataError for fewer groups than folds.
    """
    _, group_of = np.unique(groups, return_inverse=True)
    number, classes = int(group_of.max()) + 1, int(labels.max()) + 1
    if number < folds:
        raise DataError(f"folds = {folds}: must be at most the number of groups, {number:,}", key="folds")
    by_class = np.bincount(group_of * classes + labels, minlength=number * classes).reshape(number, classes)
    rows = np.column_stack([by_class, by_class.sum(axis=1)])  # of each group
    weights = len(labels) // np.maximum(rows.sum(axis=0), 1)  # whole numbers: the same folds on every machine
    drawn = np.random.default_rng(seed).permutation(number)
    held, fold_of = np.zeros((folds, classes + 1), np.int64), np.empty(number, np.int64)
    for group in drawn[np.argsort(-rows[drawn, -1], kind="stable")]:
        fold_of[group] = fold = (held @ (weights * rows[group])).argmin()
        held[fold] += rows[group]
    return fold_of[group_of]
