"""What a sampler sees of the trials before: some of many, and where it serves, other values than their scores."""

import copy
import heapq
import math
import statistics
from collections.abc import Callable, Container, Iterable
from itertools import chain

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

SECONDS = "seconds"  # the attribute of a trial that says how long its training steps took
PRICE = 0.5  # of a logarithm of the seconds, in logarithms of the rank's share

_SHOWN, _SHOWN_BEST = 250, 50  # of the trials of a large study, to its sampler

View = Callable[[list[FrozenTrial], StudyDirection], list[FrozenTrial]]


class ShownStudy(Study):
    """The same study with some trials in place of its own, to look at."""

    def __init__(self, study: Study, trials: list[FrozenTrial]) -> None:
        vars(self).update(vars(study))  # Optuna's __init__ would ask the storage for what is known
        self._shown = trials

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,  # noqa: ARG002
    ) -> list[FrozenTrial]:
        trials = [trial for trial in self._shown if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials


def few(trials: list[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
    """Of many trials the best and the newest, by number.

    A sampler's time grows with the trials, its advice hardly: TPE divides at most 25 good ones from all others.
    """
    if len(trials) <= _SHOWN:
        return trials
    complete = (trial for trial in trials if trial.state == TrialState.COMPLETE)
    best = heapq.nlargest(_SHOWN_BEST, complete, key=lambda trial: _gain(trial, direction))
    newest = trials[_SHOWN_BEST - _SHOWN :]
    return [trial for _, trial in sorted({trial.number: trial for trial in chain(best, newest)}.items())]


def as_they_are(trials: list[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:  # noqa: ARG001
    """The trials with their scores."""
    return trials


def with_pruned(trials: list[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:  # noqa: ARG001
    """The trials, those that were pruned as complete ones of their last value.

    For Optuna's Gaussian process, which knows nothing of pruned ones, and would try what was ended again.
    """
    return [_complete(trial) if trial.state == TrialState.PRUNED else trial for trial in trials]


def priced(trials: list[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
    """The trials, of complete ones with a value that their time is part of, in place of their score.

    It is -log(rank / n) - PRICE * log(seconds / median seconds), where the rank counts those of the n complete
    trials that are at least as good. A trial that does not say its seconds took the median.
    """
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    prices = _prices(complete)
    ranks = _ranks([_gain(trial, direction) for trial in complete])
    sign = 1 if direction == StudyDirection.MAXIMIZE else -1
    worths = {
        trial.number: -math.log(rank / len(complete)) - price
        for trial, rank, price in zip(complete, ranks, prices, strict=True)
    }
    return [
        _with_value(trial, sign * worths[trial.number]) if trial.number in worths else trial for trial in trials
    ]


def _gain(trial: FrozenTrial, direction: StudyDirection) -> float:
    value = trial.value or 0.0
    return value if direction == StudyDirection.MAXIMIZE else -value


def _ranks(gains: list[float]) -> list[int]:
    """How many are at least as good as each."""
    place = {gain: rank for rank, gain in enumerate(sorted(gains, reverse=True), 1)}  # of equals the last
    return [place[gain] for gain in gains]


def _prices(trials: Iterable[FrozenTrial]) -> list[float]:
    seconds = [trial.user_attrs.get(SECONDS) for trial in trials]
    known = [max(1e-3, float(one)) for one in seconds if isinstance(one, int | float)]
    median = statistics.median(known) if known else 1.0
    return [
        PRICE * math.log(max(1e-3, float(one)) / median) if isinstance(one, int | float) else 0.0
        for one in seconds
    ]


def _complete(trial: FrozenTrial) -> FrozenTrial:
    value = trial.value
    if value is None:
        value = trial.intermediate_values[trial.last_step] if trial.last_step is not None else None
    if value is None or math.isnan(value):
        return trial
    shown = _with_value(trial, value)
    shown.state = TrialState.COMPLETE
    return shown


def _with_value(trial: FrozenTrial, value: float) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.values = [value]
    return shown
