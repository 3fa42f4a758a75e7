"""Rows that are in two splits, byte by byte of what is stored of them: pixels of an image, columns of a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROWS = 4096  # read from disk at once
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, and half of its bits are set
_HALF = np.uint64(32)


def row_hashes(stored: NDArray[Any], rows: NDArray[np.int64] | None = None) -> NDArray[np.uint64]:
    """Return a number for each row, (N,): the same for equal rows.

    stored: (any number, columns), of any type of fixed size.  rows: which of them; None for all.
    Of a million different rows, two have one number with a probability of 3e-8.
    """
    count = len(stored) if rows is None else len(rows)
    hashes = np.empty(count, np.uint64)
    for start in range(0, count, _ROWS):
        part = slice(start, start + _ROWS)
        hashes[part] = _hashed(stored[part if rows is None else rows[part]])
    return hashes


def count_known(hashes: NDArray[np.uint64], seen: Sequence[NDArray[np.uint64]]) -> int:
    """Return how many rows are among those seen, all by their row_hashes."""
    known = np.sort(np.concatenate(seen))  # np.isin takes ten times as long
    places = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
    return int((known[places] == hashes).sum())


def _hashed(rows: NDArray[Any]) -> NDArray[np.uint64]:
    """One word of 64 bits after the other goes in, and is spread over all bits."""
    raw = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
    words = np.pad(raw, ((0, 0), (0, -raw.shape[1] % 8))).view(np.uint64)
    hashes = np.full(len(rows), _FACTOR)
    for word in words.T:
        hashes ^= word
        hashes *= _FACTOR
        hashes ^= hashes >> _HALF
    return hashes
