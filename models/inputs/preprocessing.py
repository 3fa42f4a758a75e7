"""From stored rows to the numbers a net sees: what images (pixels.py) and tables (tables.py) have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.poses import AS_IT_IS, Pose

_CHUNK = 1_000  # rows; bounds the memory of every pass over a split


class Preprocessing(ABC):
    """What a net gets of stored rows, by statistics of the training rows alone."""

    @property
    @abstractmethod
    def inputs(self) -> int:
        """Numbers that a net gets of a row."""

    @abstractmethod
    def batch(
        self, split: Split, rows: NDArray[np.int64], buffer: Any = None, *, pose: Pose = AS_IT_IS
    ) -> NDArray[np.float32]:
        """Return what a net gets of these rows, (N, inputs) float32; a buffer's next use overwrites it.

        pose: in which images are seen.
        """

    @abstractmethod
    def buffer(self, size: int) -> Any:
        """Return memory for batches of up to `size` rows."""

    @abstractmethod
    def is_kept(self, split: Split) -> bool:
        """Whether what a net gets of the split takes little enough memory to be kept."""

    def keeps_views(self, split: Split) -> bool:
        """Whether what a net gets of the split in all poses together does."""
        return self.is_kept(split)

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return copies of all that makes it, by the names that files of weights have."""

    @property
    def poses(self) -> tuple[Pose, ...]:
        """The poses over which predictions average the logits."""
        return (AS_IT_IS,)

    def chunks(self, split: Split, *, pose: Pose = AS_IT_IS) -> Iterator[NDArray[np.float32]]:
        """Yield the rows of the whole split, in order; each chunk overwrites the one before."""
        buffer = self.buffer(min(_CHUNK, len(split)))
        for rows in row_chunks(split):
            yield self.batch(split, rows, buffer, pose=pose)

    def everything(self, split: Split) -> NDArray[np.float32]:
        """Return all rows of a split, (N, inputs)."""
        whole = np.empty((len(split), self.inputs), np.float32)
        start = 0
        for chunk in self.chunks(split):
            whole[start : start + len(chunk)] = chunk
            start += len(chunk)
        return whole

    def views(self, split: Split) -> "list[View]":
        """Return what predictions are made from: the rows in each pose."""
        return [View(self, split, pose) for pose in self.poses]


class View:
    """The rows of a split in one pose, chunk by chunk, (N, inputs); the next chunk may overwrite one.

    It may be gone through again and again: what is small is made once.
    """

    def __init__(self, preprocessing: Preprocessing, split: Split, pose: Pose):
        self._preprocessing = preprocessing
        self._split = split
        self._pose = pose
        self._kept: list[NDArray[np.float32]] = []

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        if not self._preprocessing.keeps_views(self._split):
            return self._made()
        self._kept = self._kept or [rows.copy() for rows in self._made()]
        return iter(self._kept)

    def _made(self) -> Iterator[NDArray[np.float32]]:
        return self._preprocessing.chunks(self._split, pose=self._pose)


def row_chunks(split: Split) -> Iterator[NDArray[np.int64]]:
    """Yield the split's row numbers, some at a time."""
    for start in range(0, len(split), _CHUNK):
        yield split.rows[start : start + _CHUNK]
