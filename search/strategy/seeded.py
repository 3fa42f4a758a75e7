"""A sampler without a memory, so that equal histories give equal points in any process."""

import copy
import heapq
import zlib
from collections.abc import Callable, Container
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

_SHOWN, _SHOWN_BEST = 2_000, 100  # of the trials of a large study, to its sampler


class SeededByTrial(BaseSampler):
    """A sampler whose random numbers depend on the study's seed and the number of the trial alone.

    Optuna's samplers draw from one stream for as long as a process lives: a resumed study would repeat the
    points it began with, and workers with one seed would try the same points. This one keeps nothing between
    two calls: it makes Optuna's sampler anew for each, seeded for the trial (and, where a parameter is drawn
    by itself, for the parameter, so that a trial taken up again midway draws what it would have drawn).

    make: builds Optuna's sampler from a seed.
    seed: the study's.
    space: all that is searched, the same in every trial. To infer it from them, as Optuna's samplers do,
        takes time in proportion to their number.
    """

    def __init__(
        self, make: Callable[[int], BaseSampler], *, seed: int, space: dict[str, BaseDistribution]
    ) -> None:
        self._make = make
        self._seed = seed
        self._space = space

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """The whole search space, in each study: what other trials there had in common plays no part."""
        return dict(self._space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What Optuna's sampler, seeded for this trial, draws for all parameters together, if it does."""
        return self._seeded(trial.number).sample_relative(_shown(study), trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """What Optuna's sampler, seeded for this trial and parameter, draws for one parameter."""
        sampler = self._seeded(trial.number, zlib.crc32(param_name.encode()))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _seeded(self, *key: int) -> BaseSampler:
        return self._make(int(np.random.SeedSequence(self._seed, spawn_key=key).generate_state(1)[0]))


class _Shown(Study):
    """The same study with some of its trials, to look at."""

    def __init__(self, study: Study, trials: list[FrozenTrial]) -> None:
        super().__init__(study.study_name, study._storage, study.sampler, study.pruner)
        self._shown = trials

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,  # noqa: ARG002
    ) -> list[FrozenTrial]:
        trials = [trial for trial in self._shown if states is None or trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials


def _shown(study: Study) -> Study:
    """The study as a sampler sees it: of a large one the best and the newest trials.

    Its time grows with the trials, its advice hardly: TPE divides at most 25 good ones from all others.
    """
    # Under Hyperband the study is Optuna's view of one bracket. Its `get_trials` gives the bracket's trials, but
    # samplers call `_get_trials`, which gives those of all brackets.
    trials = study._get_trials(deepcopy=False)
    if len(trials) <= _SHOWN:
        return study
    complete = (trial for trial in trials if trial.state == TrialState.COMPLETE)
    choose = heapq.nsmallest if study.direction == StudyDirection.MINIMIZE else heapq.nlargest
    best = choose(_SHOWN_BEST, complete, key=lambda trial: trial.value or 0.0)
    newest = trials[_SHOWN_BEST - _SHOWN :]
    shown = sorted({trial.number: trial for trial in (*best, *newest)}.items())
    return _Shown(study, [trial for _, trial in shown])
