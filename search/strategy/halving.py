"""Successive halving without a memory, and its rule for what stays behind the best trial."""

import math
from collections.abc import Iterable

from optuna.pruners import BasePruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

FIRST_SHARE = 0.04  # of the epochs, after which trials are compared first
FACTOR = 2
IN_A_ROW = 4  # epochs behind the leader: a single score of a small validation split is too noisy
LEADER_FROM = 3  # times the first rung: earlier the leader may be one that began well


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
    leader: whether a trial is ended, too, that was below the best complete trial after each of the last IN_A_ROW
        epochs, from LEADER_FROM times the first rung on. Equals go on.
    """

    def __init__(self, epochs: int, *, leader: bool = False) -> None:
        self._first, self._epochs, self._leader = first_rung(epochs), epochs, leader

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Whether the trial shall end after the epoch that it reported last."""
        epoch = trial.last_step
        if epoch is None or not self._first <= epoch < self._epochs:
            return False
        value = trial.intermediate_values[epoch]
        if math.isnan(value):
            return True
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
        if self._is_rung(epoch):
            others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
            if sign * value < _least(epoch, sign * value, others, sign):
                return True
        return self._leader and epoch >= LEADER_FROM * self._first and _is_behind(study, trial, epoch, sign)

    def _is_rung(self, epoch: int) -> bool:
        rung, rest = divmod(epoch, self._first)
        return rest == 0 and rung & (rung - 1) == 0  # a power of FACTOR


def _least(epoch: int, value: float, trials: list[FrozenTrial], sign: int) -> float:
    """What a trial that reported `value` must have reached after the epoch of a rung to go on."""
    others = [trial for trial in trials if trial.state != TrialState.FAIL]
    reached = sorted([value, *_reported(epoch, others, sign)], reverse=True)
    return reached[max(1, len(reached) // FACTOR) - 1]


def _is_behind(study: Study, trial: FrozenTrial, epoch: int, sign: int) -> bool:
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if not complete:
        return False
    leader = max(complete, key=lambda one: sign * (one.value or 0.0))
    curve, end = leader.intermediate_values, leader.last_step or 0
    reached = [
        # After the end of a run that got no better, what was kept of it.
        (
            trial.intermediate_values.get(one, math.nan),
            curve.get(one, math.nan) if one <= end else leader.value or 0.0,
        )
        for one in range(epoch - IN_A_ROW + 1, epoch + 1)
    ]
    return all(sign * value < sign * best for value, best in reached)


def _reported(epoch: int, trials: Iterable[FrozenTrial], sign: int) -> list[float]:
    values = (trial.intermediate_values.get(epoch, math.nan) for trial in trials)
    return [sign * value for value in values if not math.isnan(value)]
