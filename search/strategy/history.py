"""What a sampler sees of the trials before: some of many, and where it serves, other values than their scores."""

import copy
import heapq
import math
import statistics
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import chain, groupby

from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

SECONDS = "seconds"  # the attribute of a trial that says how long its training steps took
DIVERGED = "diverged"  # the attribute of a trial whose training broke down, and which was ended for that
PRICE = 0.5  # of a logarithm of the seconds, in logarithms of the rank's share
_LEAST_SECONDS = 0.01  # a trial's are kept as hundredths: below that they say nothing

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


def projected(trials: list[FrozenTrial], direction: StudyDirection) -> list[FrozenTrial]:
    """The trials, those that were pruned as complete ones with what they might have reached.

    That is the last value and the median of what others gained after that epoch: the complete trials, and those
    that were pruned later, up to their own projection. Where there is none of them, it is the last value. A trial
    that diverged, or whose last value is no number, counts as the worst of the others.

    In place of Optuna's rules: to its TPE each complete trial is better than each pruned one, and its Gaussian
    process knows nothing of pruned ones, and would try what was ended again.
    """
    reached = {trial.number: trial.value or 0.0 for trial in trials if trial.state == TrialState.COMPLETE}
    gone_on = [(trial.intermediate_values, reached[trial.number]) for trial in trials if trial.number in reached]
    for epoch, ended in _pruned_from_the_longest(trials):
        gain = _median_gain(epoch, gone_on)
        for trial in ended:
            reached[trial.number] = trial.intermediate_values[epoch] + gain
            gone_on.append((trial.intermediate_values, reached[trial.number]))
    if reached:
        worst = (min if direction == StudyDirection.MAXIMIZE else max)(reached.values())
        reached |= {trial.number: worst for trial in trials if _is_lost(trial)}
    return [
        _completed(trial, reached[trial.number])
        if trial.state == TrialState.PRUNED and trial.number in reached
        else trial
        for trial in trials
    ]


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
    known = [max(_LEAST_SECONDS, float(one)) for one in seconds if isinstance(one, int | float)]
    median = statistics.median(known) if known else 1.0
    return [
        PRICE * math.log(max(_LEAST_SECONDS, float(one)) / median) if isinstance(one, int | float) else 0.0
        for one in seconds
    ]


def _pruned_from_the_longest(trials: Iterable[FrozenTrial]) -> Iterator[tuple[int, list[FrozenTrial]]]:
    """The trials that were pruned with a value to go by, by the epoch that they reported last."""
    pruned = [
        (trial.last_step, trial)
        for trial in trials
        if trial.state == TrialState.PRUNED and trial.last_step is not None and not _is_lost(trial)
    ]
    pruned.sort(key=lambda one: one[0], reverse=True)
    for epoch, ended in groupby(pruned, key=lambda one: one[0]):
        yield epoch, [trial for _, trial in ended]


def _is_lost(trial: FrozenTrial) -> bool:
    if trial.state != TrialState.PRUNED or trial.last_step is None:
        return False
    return DIVERGED in trial.user_attrs or not math.isfinite(trial.intermediate_values[trial.last_step])


def _median_gain(epoch: int, gone_on: Iterable[tuple[dict[int, float], float]]) -> float:
    """gone_on: of each trial its values by epoch, and the one in the end."""
    gains = [end - curve[epoch] for curve, end in gone_on if epoch in curve]
    known = [gain for gain in gains if math.isfinite(gain)]
    return statistics.median(known) if known else 0.0


def _completed(trial: FrozenTrial, value: float) -> FrozenTrial:
    shown = _with_value(trial, value)
    shown.state = TrialState.COMPLETE
    return shown


def _with_value(trial: FrozenTrial, value: float) -> FrozenTrial:
    shown = copy.copy(trial)
    shown.values = [value]
    return shown
