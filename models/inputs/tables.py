"""From stored columns to the numbers a net sees, with statistics of the training rows only.

A column of numbers becomes one number, or `bins` of them, by TrainConfig.preprocessing:

    standardize   (x - mean) / deviation
    robust        t = (x - median) / interquartile range, then t / √(1 + (t/3)²), which stays within ±3
                  (Holzmüller et al. 2024, https://arxiv.org/abs/2407.04491)
    quantiles     the normal score of its rank among the training values, in straight lines between quantiles
    piecewise     for each bin between two quantiles, how far x is through it, from 0 to 1 in the outer bins, too
                  (Gorishniy et al. 2022, https://arxiv.org/abs/2203.05556)

A missing number counts as the mean or, but for "standardize", the median; where training rows lack some, a
further input says so. A category becomes one input for each that the training rows have, 1 for its own and 0
for the others; one that they do not have is 0 for all. Numbers are scaled in float64 and made float32 after that:
before, dates and order numbers would run together.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Column, Split
from mlpsearch.models.inputs.poses import AS_IT_IS, Pose
from mlpsearch.models.inputs.preprocessing import Preprocessing

TABLE_ARRAYS = frozenset({"center", "spread", "knots", "scores"})  # all float64
_SCORES = 255  # of "quantiles"
_MOST_KEPT_BYTES = 2**28  # of what a net gets of a split
SMOOTH_CLIP = 3.0
FAR_OUT = 1e9  # interquartile ranges: from there on "robust" gives 3 in float64, and a square may be infinite


@dataclass(frozen=True, slots=True, eq=False)
class TablePreprocessing(Preprocessing):
    """See the module.

    kind: one of TABLE_PREPROCESSING.
    center, spread: (columns,) float64, 0 and 1 for categories.
    knots: (columns, K) float64, ascending: the quantiles, or the edges of the bins.
    scores: (columns, K) float64: of "quantiles", the normal scores of the knots.
    """

    columns: tuple[Column, ...]
    kind: str
    center: NDArray[np.float64]
    spread: NDArray[np.float64]
    knots: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None

    @property
    def inputs(self) -> int:
        """Numbers that a net gets of a row."""
        return sum(_width(column, self._each) for column in self.columns)

    @property
    def _each(self) -> int:
        """Inputs of each column of numbers."""
        return 1 if self.kind != "piecewise" or self.knots is None else self.knots.shape[1] - 1

    def buffer(self, size: int) -> "TableBuffer":
        """Return memory for batches of up to `size` rows."""
        return TableBuffer(np.empty((size, self.inputs), np.float32))

    def is_kept(self, split: Split) -> bool:
        """Whether what a net gets of the split takes at most 256 MiB, or no more than what is stored of it."""
        return 4 * self.inputs * len(split) <= max(_MOST_KEPT_BYTES, split.images.nbytes)

    def blocks(self) -> list[slice]:
        """Return where the inputs of each stored column are."""
        ends = np.cumsum([0, *(_width(column, self._each) for column in self.columns)]).tolist()
        return [slice(start, stop) for start, stop in pairwise(ends)]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return center and spread and, where there are any, knots and scores."""
        arrays = {"center": self.center, "spread": self.spread, "knots": self.knots, "scores": self.scores}
        return {name: array for name, array in arrays.items() if array is not None}

    def batch(
        self,
        split: Split,
        rows: NDArray[np.int64],
        buffer: "TableBuffer | None" = None,
        *,
        pose: Pose = AS_IT_IS,  # noqa: ARG002 - a table is no image
    ) -> NDArray[np.float32]:
        """Return what a net gets of these rows, (N, inputs) float32; a buffer's next use overwrites it."""
        stored = np.asarray(split.images[rows], np.float64)
        inputs = (buffer or self.buffer(len(rows))).inputs[: len(rows)]
        start = 0
        for place, column in enumerate(self.columns):
            stop = start + _width(column, self._each)
            if column.categories:
                np.equal(stored[:, place, None], np.arange(column.categories), out=inputs[:, start:stop])
            else:
                self._numbers(place, column, stored[:, place], inputs[:, start:stop])
            start = stop
        return inputs

    def _numbers(self, place: int, column: Column, values: NDArray[np.float64], out: NDArray[np.float32]) -> None:
        missing = np.isnan(values)
        values = np.where(missing, self.center[place], values)
        if column.has_missing:
            out[:, -1] = missing
            out = out[:, :-1]
        if self.kind == "piecewise":
            out[:] = _through_bins(values, self._of(self.knots, place))
        elif self.kind == "quantiles":
            out[:, 0] = np.interp(values, self._of(self.knots, place), self._of(self.scores, place))
        else:
            scaled = (values - self.center[place]) / self.spread[place]
            if self.kind == "robust":
                scaled = np.clip(scaled, -FAR_OUT, FAR_OUT)
                scaled /= np.sqrt(1 + (scaled / SMOOTH_CLIP) ** 2)
            out[:, 0] = scaled

    @staticmethod
    def _of(array: NDArray[np.float64] | None, place: int) -> NDArray[np.float64]:
        assert array is not None  # noqa: S101 - as all of its kind have
        row: NDArray[np.float64] = array[place]
        return row


@dataclass(frozen=True, slots=True, eq=False)
class TableBuffer:
    """Memory for batches. inputs: what the net gets, (size, inputs) float32."""

    inputs: NDArray[np.float32]


class TableStatistics:
    """Statistics of the training rows."""

    def __init__(self, training: Split):
        self._training = training
        self._columns = training.columns or ()

    def preprocessing(self, config: TrainConfig) -> TablePreprocessing:
        """Return what a configuration says (see TrainConfig.preprocessing)."""
        count, kind = len(self._columns), config.preprocessing
        center, spread = np.zeros(count), np.ones(count)
        shapes = table_shapes(self._columns, config)
        knots, scores = (np.zeros(shapes[name]) if name in shapes else None for name in ("knots", "scores"))
        for place, column in enumerate(self._columns):
            if column.categories:
                continue
            values = self._values(place)
            center[place] = values.mean() if kind == "standardize" else np.median(values)
            spread[place] = values.std() if kind == "standardize" else _range(values)
            if knots is not None and scores is not None:
                knots[place], scores[place] = _normal_scores(values, knots.shape[1])
            elif knots is not None:
                knots[place] = _edges(values, knots.shape[1])
        spread[spread == 0] = 1  # of a column that does not vary
        return TablePreprocessing(self._columns, kind, center, spread, knots, scores)

    def _values(self, place: int) -> NDArray[np.float64]:
        """The numbers of a column that the training rows have; one 0 where they have none."""
        values = np.asarray(self._training.images[:, place], np.float64)[self._training.rows]
        values = values[~np.isnan(values)]
        return values if len(values) else np.zeros(1)


def table_shapes(columns: tuple[Column, ...], config: TrainConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of TablePreprocessing.arrays."""
    shapes: dict[str, tuple[int, ...]] = {"center": (len(columns),), "spread": (len(columns),)}
    if config.preprocessing == "quantiles":
        shapes |= {"knots": (len(columns), _SCORES), "scores": (len(columns), _SCORES)}
    elif config.preprocessing == "piecewise":
        shapes["knots"] = (len(columns), config.bins + 1)
    return shapes


def table_inputs(columns: tuple[Column, ...], config: TrainConfig) -> int:
    """Return how many numbers a net gets of a row."""
    each = config.bins if config.preprocessing == "piecewise" else 1
    return sum(_width(column, each) for column in columns)


def _width(column: Column, each: int) -> int:
    return column.categories or each + column.has_missing


def _range(values: NDArray[np.float64]) -> float:
    """The interquartile range; half of the whole range where that is 0."""
    lower, upper = np.quantile(values, (0.25, 0.75))
    return float(upper - lower) or float(values.max() - values.min()) / 2


def _normal_scores(values: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Quantiles, and their normal scores: equal quantiles share the mean of theirs."""
    from scipy.special import ndtri

    shares = (np.arange(count) + 0.5) / count
    knots = np.quantile(values, shares)
    _, which, how_often = np.unique(knots, return_inverse=True, return_counts=True)
    scores = np.bincount(which, ndtri(shares)) / how_often
    return knots, scores[which]


def _edges(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The quantiles between which the bins lie; where several are equal, the last bins have no width."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, count)))
    return np.append(edges, np.full(count - len(edges), edges[-1]))


def _through_bins(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each value is through each bin, (N, bins), from 0 to 1; bins of no width give 0."""
    lower, width = edges[:-1], np.diff(edges)
    through = (np.clip(values, edges[0], edges[-1])[:, None] - lower) / np.where(width > 0, width, np.inf)
    return np.clip(through, 0, 1)
