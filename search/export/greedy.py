"""Nets that are chosen from those of all confirmed candidates, to be averaged, and what the choice is worth.

In a study with folds no single net joins, but all nets of a candidate that have the folds in turn. Of each row
those count that have not learnt from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from mlpsearch.models.announcements import announce
from mlpsearch.models.arrays import Floats
from mlpsearch.models.ensemble import average_log_probabilities
from mlpsearch.models.greedy_selection import select
from mlpsearch.models.metrics import split_logits
from mlpsearch.models.scores import Array
from mlpsearch.search.export.exported_figures import ExportedSelection
from mlpsearch.search.results.confirmation import Confirmation, done_runs, runs_of
from mlpsearch.search.results.winner import with_net
from mlpsearch.search.results.wording import items
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.record import PLANNED_FOLD, StudyRecord


@dataclass(frozen=True, slots=True)
class GreedyChoice:
    """The chosen runs of a confirmation, the weight of each in the average, and what is to be said of them."""

    runs: list[FrozenTrial]
    weights: list[float]
    selection: ExportedSelection


def choose(record: StudyRecord, confirmation: Confirmation, data: TrainingData) -> GreedyChoice:
    """Choose from the nets of all confirmed candidates, by the study's metric, on validation rows.

    Raises WeightsError where the weights of one of them are gone.
    """
    reported, others = _runs(record, confirmation)
    if record.spec.folds is None:
        groups = [[run] for run in [*reported, *(run for of_candidate in others for run in of_candidate)]]
        of_winner = len(reported)
    else:
        groups, of_winner = [reported, *others], 1
    rows, metric = _rows(groups, data), record.metric
    found = np.stack([_log_probabilities(record, group, data, confirmation)[rows] for group in groups])
    labels = data.validation.labels[rows]
    chosen = select(found, labels, metric)
    total = int(chosen.counts.sum())
    weighted = [
        (run, int(count) / total / len(group))
        for group, count in zip(groups, chosen.counts, strict=True)
        for run in group
        if count
    ]
    return GreedyChoice(
        runs=[run for run, _ in weighted],
        weights=[weight for _, weight in weighted],
        selection=ExportedSelection(
            nets=sum(map(len, groups)),
            rows=len(rows),
            score=chosen.score,
            unseen=chosen.unseen,
            selection_bias=None if chosen.unseen is None else metric.gain(chosen.score, chosen.unseen),
            winner=metric.score(average_log_probabilities(found[:of_winner]), labels),
        ),
    )


def _runs(record: StudyRecord, confirmation: Confirmation) -> tuple[list[FrozenTrial], list[list[FrozenTrial]]]:
    """The reported runs of the winner, and of each candidate the others, by which it was chosen or not."""
    done, reported = done_runs(record), runs_of(record, confirmation)
    known = {run.number for run in reported}  # what mlpsearch 0.1.0 reported are the runs that chose
    keys = [[(one.trial, seed) for seed in confirmation.seeds] for one in confirmation.candidates]
    others = [[done[key] for key in of_one if key in done and done[key].number not in known] for of_one in keys]
    return reported, [runs for runs in others if runs]


def _rows(groups: Sequence[Sequence[FrozenTrial]], data: TrainingData) -> NDArray[np.int64]:
    """The rows that each group has a net for which has not learnt from them."""
    if data.folds is None:
        return data.validation.rows
    common = set.intersection(*({int(run.user_attrs[PLANNED_FOLD]) for run in group} for group in groups))
    return np.flatnonzero(np.isin(data.folds, [*common]))


def _log_probabilities(
    record: StudyRecord, runs: Sequence[FrozenTrial], data: TrainingData, confirmation: Confirmation
) -> Array:
    """Of all rows, (N, classes), what the nets say together that have them for validation; NaN where none has."""
    by_fold = dict[int | None, tuple[NDArray[np.int64], list[Floats]]]()
    for run in runs:
        announce(f"predicting validation {items(record.spec.dataset)} by run {run.number} of the confirmation")
        one = with_net(record, run, data, confirmation)
        rows, logits = by_fold.setdefault(one.fold, (one.data.validation.rows, []))
        logits.append(split_logits(one.net, one.data.validation, one.preprocessing))
    found = np.full((len(data.validation.labels), len(data.classes)), np.nan)
    for rows, logits in by_fold.values():
        found[rows] = average_log_probabilities(logits)
    return found
