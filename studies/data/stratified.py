"""Choosing rows at random: so that every class keeps its share, or whole groups of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError

TEST_SEED = 20_261_128  # with a share it defines the test rows of a data set in one piece: never change it


def split_rows(
    labels: NDArray[np.int64], held_out: int, seed: int, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two disjoint sets of rows that together are all rows: those kept and those held out.

    labels: (N,), int64 class numbers from 0, each of which occurs.
    held_out: rows to hold out; each class gives its share of them, rounded by largest remainder, so that
        classes of one size differ by at most one. Each class keeps at least one row; a rare one may give
        none.
    seed: decides which rows of a class are held out.
    where: names the number in errors.

    Returns two ascending int64 arrays, of N - held_out and of held_out rows.
    Raises DataError if held_out is not from 1 to N - the number of classes.
    """
    counts = np.bincount(labels)
    largest = len(labels) - len(counts)
    if largest < 1:
        raise DataError(
            f"{where} = {held_out}: {len(labels):,} in all are too few: "
            f"each of the {len(counts)} classes keeps one for training"
        )
    if not 1 <= held_out <= largest:
        raise DataError(
            f"{where} = {held_out}: must be from 1 to {largest:,} "
            f"({len(labels):,} in all, of which each of the {len(counts)} classes keeps one for training)"
        )
    shares = _shares(counts, held_out)
    generator = np.random.default_rng(seed)
    is_held_out = np.zeros(len(labels), dtype=bool)
    for number, share in enumerate(shares):
        is_held_out[generator.permutation(np.flatnonzero(labels == number))[:share]] = True
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)


def held_out_rows(labels: Sequence[int], share: float, where: str) -> frozenset[int]:
    """The rows of the test split of a data set in one piece, always the same ones.

    labels: class numbers from 0, each of which occurs.  share: of the rows, above 0 and below 1; at least one row
    is held out.  where: names the number of rows in errors. Raises DataError, as split_rows does.
    """
    count = max(1, round(share * len(labels)))
    _, rows = split_rows(np.array(labels, np.int64), count, TEST_SEED, where)
    return frozenset(rows.tolist())


def _shares(counts: NDArray[np.int64], held_out: int) -> NDArray[np.int64]:
    """How many rows each class gives, in whole numbers: exact, and equal for equal seeds on every machine."""
    total = int(counts.sum())
    shares = held_out * counts // total
    for _ in range(held_out - int(shares.sum())):
        missing = held_out * counts - shares * total
        missing[shares >= counts - 1] = np.iinfo(np.int64).min  # a class that can give no more
        shares[np.argmax(missing)] += 1
    return shares


def split_groups(
    groups: NDArray[np.int64], held_out: int, seed: int, where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two disjoint sets of rows that together are all rows; rows of one group are in one set.

    groups: (N,), numbers from 0, each of which occurs.  held_out: about how many rows to hold out: whole groups in
    the order that the seed draws, as long as that brings their number nearer.
    Returns two ascending int64 arrays, those kept and those held out. Raises DataError for a single group.
    """
    counts = np.bincount(groups)
    if len(counts) < 2:
        raise DataError(f"{where}: all rows are of one group: at least 2 are needed to split them")
    taken, total = list[int](), 0
    for group in np.random.default_rng(seed).permutation(len(counts)):
        if len(taken) < len(counts) - 1 and abs(total + counts[group] - held_out) < abs(total - held_out):
            taken.append(int(group))
            total += int(counts[group])
    if not taken:
        taken = [int(counts.argmin())]
    is_held_out = np.isin(groups, taken)
    return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
