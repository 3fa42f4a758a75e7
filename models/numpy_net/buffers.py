"""The memory that a net's passes write to, step after step."""

import numpy as np

from mlpsearch.models.arrays import Floats


class Buffers:
    """Arrays (N, units), one for each of the given numbers of units, for batches of any N.

    They grow to the largest N asked for; who asks again overwrites them.
    """

    def __init__(self, units: list[int], dtype: type[np.floating]):
        self._whole = [np.empty((0, count), dtype) for count in units]
        self._rows: list[Floats] = self._whole
        self._room = self._count = 0

    def rows(self, count: int) -> list[Floats]:
        """Return the first `count` rows of each array, with what was last written there."""
        if count != self._count:
            if count > self._room:
                self._allocate(count)
            self._rows = [array[:count] for array in self._whole]
            self._count = count
        return self._rows

    def release(self) -> None:
        """Give the memory back, until rows are asked for."""
        self._allocate(0)
        self._rows, self._count = self._whole, 0

    def _allocate(self, room: int) -> None:
        self._whole = [np.empty((room, array.shape[1]), array.dtype) for array in self._whole]
        self._room = room
