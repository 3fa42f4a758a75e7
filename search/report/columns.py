"""What a winner's net makes of the validation rows of a table: the test split stays sealed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.inputs.tables import TablePreprocessing
from mlpsearch.models.metrics import confusion_matrix, probabilities
from mlpsearch.models.scores import Metric
from mlpsearch.search.results.winner import Winner

_REPEATS = 5
_MOST_ROWS, _FEWEST_ROWS = 2_000, 200  # that a column is shuffled in
_ALL_ROWS = 600_000  # about so many are looked at in all, so that it takes seconds
_MOST_COLUMNS = 1_000
_BINS, _ROWS_A_BIN = 10, 20
_POINTS = 400  # of a curve


@dataclass(frozen=True, slots=True)
class Importance:
    """What a column is worth to a net.

    loss: by how much the score is worse where its cells are shuffled among the rows: the mean over some shuffles.
    deviation: over these shuffles.
    """

    column: str
    loss: float
    deviation: float


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What a net says of all validation rows.

    labels: (N,), the true classes.  chances: (N, classes), the probability of each.
    """

    labels: NDArray[np.int64]
    chances: NDArray[np.floating]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts, (true class, predicted class)."""
        return confusion_matrix(self.chances.argmax(axis=1), self.labels, self.chances.shape[1])


def judge(winner: Winner) -> Judgement:
    """Return what the winner's net says of the validation rows."""
    split = winner.data.validation
    return Judgement(split.labels[split.rows], probabilities(winner.net, split, winner.preprocessing))


def column_importances(winner: Winner, metric: Metric) -> list[Importance]:
    """Return the columns, the one that the net needs most first; none where there are more than 1,000.

    metric: of the study; where the rows that are looked at have no such score, there are none either.

    Each is shuffled five times, by a fixed seed, in up to 2,000 validation rows; of a wide table in fewer.
    """
    table, preprocessing = winner.data.table, winner.preprocessing
    if table is None or not isinstance(preprocessing, TablePreprocessing) or len(table.columns) > _MOST_COLUMNS:
        return []
    rows = min(_MOST_ROWS, max(_FEWEST_ROWS, _ALL_ROWS // (_REPEATS * len(table.columns))))
    sample, blocks = winner.data.validation.sample(rows), preprocessing.blocks()
    inputs, labels = preprocessing.everything(sample), sample.labels[sample.rows]
    if not metric.is_defined(labels):
        return []
    whole = metric.score(winner.net.logits(inputs), labels)
    found, place, generator = list[Importance](), 0, np.random.default_rng(0)
    for column in table.columns:
        own = blocks[place : place + len(column.stored())]
        place += len(own)
        part = inputs[:, own[0].start : own[-1].stop]
        kept, losses = part.copy(), []
        for _ in range(_REPEATS):
            part[:] = kept[generator.permutation(len(kept))]
            losses.append(metric.gain(whole, metric.score(winner.net.logits(inputs), labels)))
        part[:] = kept
        found.append(Importance(column.name, float(np.mean(losses)), float(np.std(losses, ddof=1))))
    return sorted(found, key=lambda one: -one.loss)


def calibration(judgement: Judgement) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return of two classes, for rows of like probability together: what the net says, what is true, how many.

    The first two are shares of the second class, from the least to the most probable rows.
    """
    chances, is_second = judgement.chances[:, 1], judgement.labels == 1
    order = np.argsort(chances, kind="stable")
    bins = np.array_split(order, max(1, min(_BINS, len(order) // _ROWS_A_BIN)))
    said = np.array([chances[rows].mean() for rows in bins], np.float64)
    true = np.array([is_second[rows].mean() for rows in bins], np.float64)
    return said, true, np.array([len(rows) for rows in bins], np.int64)


def roc(judgement: Judgement) -> tuple[NDArray[np.float64], NDArray[np.float64], float] | None:
    """Return of two classes the shares of false and of true alarms by threshold, and the area under that curve.

    An alarm says the second class. None where the rows are all of one class.
    """
    from sklearn.metrics import auc, roc_curve

    if len(np.unique(judgement.labels)) < 2:
        return None
    false, true, _ = roc_curve(judgement.labels == 1, judgement.chances[:, 1])
    some = np.unique(np.linspace(0, len(false) - 1, _POINTS).round().astype(np.int64))
    return false[some], true[some], float(auc(false, true))
