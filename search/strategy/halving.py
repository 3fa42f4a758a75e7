"""Successive halving without a memory, and its rule for what the best trials have shown to be hopeless."""

import heapq
import math
from collections.abc import Iterable

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

FIRST_SHARE = 0.04  # of the epochs, after which trials are compared first
FACTOR = 2


def first_rung(epochs: int) -> int:
    """The epoch after which trials are compared first, at least 2: after one a rank says nothing of the last."""
    return max(2, round(FIRST_SHARE * epochs))


class HalvingPruner(BasePruner):
    """Asynchronous successive halving (Li et al., arXiv:1810.05934): at each rung the better half goes on.

    The rungs are the epochs first_rung, twice that, four times that and so on, below `epochs`. At a rung a trial
    is compared with all that have reached it so far. It goes on where it is among the better half of them, rounded
    down, but at least one; equals of the last of these go on, too. Its decisions are those of Optuna's
    SuccessiveHalvingPruner, but they follow from the reported values alone: asked again, it says the same.

    epochs: of a trial that is not ended early; it reports each of them.
    best: with 2, once so many trials are complete, what is below the worse of the two best of these after the same
        epoch is ended instead, at any epoch from the first rung on; 0 for halving alone.
    """

    def __init__(self, epochs: int, *, best: int = 0) -> None:
        self._first, self._epochs, self._best = first_rung(epochs), epochs, best

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial shall end after the epoch that it reported last."""
        epoch = trial.last_step
        if epoch is None or not self._first <= epoch < self._epochs:
            return False
        value = trial.intermediate_values[epoch]
        if math.isnan(value):
            return True
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
        if self._best:
            complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            if len(complete) >= self._best:
                best = heapq.nlargest(self._best, complete, key=lambda one: sign * (one.value or 0.0))
                return sign * value < min(_reported(epoch, best, sign), default=-math.inf)
        if not self._is_rung(epoch):
            return False
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        return sign * value < _least(epoch, sign * value, others, sign)

    def _is_rung(self, epoch: int) -> bool:
        rung, rest = divmod(epoch, self._first)
        return rest == 0 and rung & (rung - 1) == 0  # a power of FACTOR


def _least(epoch: int, value: float, trials: list[FrozenTrial], sign: int) -> float:
    """What a trial that reported `value` must have reached after the epoch of a rung to go on."""
    others = [trial for trial in trials if trial.state != TrialState.FAIL]
    reached = sorted([value, *_reported(epoch, others, sign)], reverse=True)
    return reached[max(1, len(reached) // FACTOR) - 1]


def _reported(epoch: int, trials: Iterable[FrozenTrial], sign: int) -> list[float]:
    values = (trial.intermediate_values.get(epoch, math.nan) for trial in trials)
    return [sign * value for value in values if not math.isnan(value)]
