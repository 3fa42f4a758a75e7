"""What became of a study's trials, for whoever only looks: the queue (queue.py) is where they are changed.

The database counts them; of 10,000 trials none is loaded that is not asked for.
"""

from optuna.trial import FrozenTrial, TrialState

from mlpsearch.models.scores import ACCURACY, Metric
from mlpsearch.search.trials.planned_runs import PlannedRuns
from mlpsearch.search.trials.room import most_trials
from mlpsearch.search.trials.waiting import is_whole
from mlpsearch.studies.record import StudyRecord

VALIDATION_ACCURACY = "validation_accuracy"  # the attribute of trials whose value is by another metric
# Attributes of a trial over folds: what each of its nets reached; the second where its value is by another metric.
FOLD_ACCURACIES, FOLD_SCORES = "fold_accuracies", "fold_scores"


class Ledger:
    """The trials of one study that count, as they are now."""

    def __init__(self, record: StudyRecord):
        self._record = record
        self._own = record.own
        self._counts = record.counts
        self._storage = record.storage.optuna
        self._lowest = record.metric.lower_is_better
        self._planned = None if record.plan is None else PlannedRuns(record)

    def ended(self) -> int:
        """Return how many trials count towards the budget so far; of a confirmation, those that are asked for."""
        if self._planned is not None:
            return self._planned.count_done()
        counts = self._counts.by_state()
        return counts[TrialState.COMPLETE] + counts[TrialState.PRUNED]

    def is_stopped(self) -> bool:
        """Whether workers shall leave the study alone. Raises StudyError when it was deleted."""
        return bool(self._record.attributes()["stopped"])

    def is_complete(self) -> bool:
        """Whether the budget is spent and no trial runs any more; of a confirmation, whether its runs are done."""
        if self._planned is not None:
            return self._planned.count_done() == len(self._record.plan or [])
        counts = self._counts.by_state()
        if counts[TrialState.RUNNING]:
            return False
        ended = counts[TrialState.COMPLETE] + counts[TrialState.PRUNED]
        if ended >= self._record.budget.trials or self.is_used_up():
            return True
        return not counts[TrialState.WAITING] and ended >= most_trials(self._record)

    def is_space_used_up(self) -> bool:
        """Whether each point of the search space was tried before the budget was spent."""
        if self._planned is not None:
            return False
        most = most_trials(self._record)
        return most < self._record.budget.trials and self.ended() >= most

    def is_used_up(self) -> bool:
        """Whether no further trial may start, though the budget has trials left."""
        return self.limit() is not None

    def limit(self) -> str | None:
        """Return the limit of the budget that is used up, but for its trials; None where there is none."""
        budget = self._record.budget
        if budget.total_epochs is not None and self._counts.epochs() >= budget.total_epochs:
            return "total_epochs"
        if budget.seconds is not None and self._counts.seconds() >= budget.seconds:
            return "seconds"
        is_enough = budget.patience is not None and self._since_best() >= budget.patience
        return "patience" if is_enough else None

    def _since_best(self) -> int:
        """How many trials of a higher number than the best have ended: no clock decides, so all workers agree."""
        number = self._best_number()
        while True:
            since = self._counts.ended_after(number)
            before, number = number, self._best_number()
            if number == before:  # else a better one ended meanwhile, and was counted
                return since

    def _best_number(self) -> int:
        best = self.best()
        return -1 if best is None else best.number

    def ended_by(self) -> str | None:
        """Return what ended the search, a limit of the budget or "space"; None while it is not over."""
        if not self.is_complete():
            return None
        if self.ended() >= self._record.budget.trials:
            return "trials"
        return self.limit() or ("space" if self.is_space_used_up() else None)

    def best(self) -> FrozenTrial | None:
        """Return the complete trial of the best validation score, the first of equals, if there is any."""
        return next(iter(self.top(1)), None)

    def top(self, count: int) -> list[FrozenTrial]:
        """Return the complete trials of the best validation scores, best first."""
        found: list[FrozenTrial] = []
        seen = 0
        while len(found) < count and (keys := self._counts.best(count, after=seen, lowest=self._lowest)):
            seen += len(keys)
            trials = [self._storage.get_trial(key.trial_id) for key in keys]
            found += [trial for trial in trials if self._is_sound(trial)]
        return found[:count]

    def _is_sound(self, trial: FrozenTrial) -> bool:
        # Earlier versions let others have a say in what was tried.
        return self._planned is not None or self._own.has_mark(trial) or is_whole(trial.params, self._record.spec)

    def in_state(self, state: TrialState) -> list[FrozenTrial]:
        """Return the study's trials that are in this state."""
        return [self._storage.get_trial(key.trial_id) for key in self._counts.in_state(state)]

    def stale_ids(self) -> set[int]:
        """Return the ids of running trials whose worker is silent, or that somebody runs with Optuna itself."""
        return self._record.storage.stale_trial_ids(self._record.study_id) | self._counts.without_heartbeat()

    def running(self) -> list[tuple[FrozenTrial, bool]]:
        """Return the running trials, each with whether its worker's heartbeat is fresh."""
        stale = self.stale_ids()
        return [(trial, trial._trial_id not in stale) for trial in self.in_state(TrialState.RUNNING)]

    def unfinished(self) -> set[int]:
        """Return the numbers of the trials that have not ended, also of those of others."""
        return self._counts.unfinished()


def validation_accuracy(trial: FrozenTrial, metric: Metric) -> float | None:
    """Return the validation accuracy of a trial, 0 to 1; None where it has none.

    metric: by which its value is.
    """
    return trial.value if metric is ACCURACY else trial.user_attrs.get(VALIDATION_ACCURACY)


def net_scores(trial: FrozenTrial, metric: Metric) -> tuple[float, float]:
    """Return validation score and accuracy of the net that is kept of a finished trial; with folds the first."""
    mean_accuracy = float(validation_accuracy(trial, metric) or 0)
    own = float(trial.user_attrs.get(FOLD_ACCURACIES, [mean_accuracy])[0])
    if metric is ACCURACY:
        return own, own
    return float(trial.user_attrs.get(FOLD_SCORES, [trial.value or 0])[0]), own
