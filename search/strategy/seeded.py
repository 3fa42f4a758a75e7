"""A sampler without a memory, so that equal histories give equal points in any process."""

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.search.strategy.history import ShownStudy, View, as_they_are, few
from mlpsearch.search.strategy.points import Space, given, nearest, point_of, size, tried, values_of

_TIES = 0  # beside a trial's number, the key of the seed that chooses among equally near points


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
    view: what Optuna's sampler sees in place of the trials it is shown.
    """

    def __init__(
        self,
        make: Callable[[int], BaseSampler],
        *,
        seed: int,
        space: dict[str, BaseDistribution],
        view: View = as_they_are,
    ) -> None:
        self._make = make
        self._view = view
        self._seed = seed
        self._space = space

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """The whole search space, in each study: what other trials there had in common plays no part."""
        return dict(self._space)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """All parameters that the trial does not have yet: a point that no trial has, where one is left.

        They are what Optuna's sampler, seeded for this trial, draws for all together, or for each, and of a point
        that was tried the nearest one that was not.
        """
        missing = [name for name in search_space if name not in given(trial)]
        if not missing:
            return {}
        shown = ShownStudy(
            study, self._view(few(study._get_trials(deepcopy=False), study.direction), study.direction)
        )
        together = self._seeded(trial.number).sample_relative(shown, trial, search_space)
        drawn = {
            name: together[name]
            if name in together
            else self.sample_independent(shown, trial, name, search_space[name])
            for name in missing
        }
        return self._untried(study, trial, search_space, drawn)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """What Optuna's sampler, seeded for this trial and parameter, draws for one parameter."""
        sampler = self._seeded(trial.number, zlib.crc32(param_name.encode()))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _untried(self, study: Study, trial: FrozenTrial, space: Space, drawn: dict[str, Any]) -> dict[str, Any]:
        """The point that was drawn, or the nearest one that no other trial has, if there is one."""
        held = given(trial)
        whole = {**drawn, **{name: held[name] for name in space if name in held}}
        others = [other for other in _all(study, space) if other.number != trial.number]
        # Of 2,000 trials to compare the values takes a millisecond, to make points of them many.
        if not any((other.params if other.state.is_finished() else given(other)) == whole for other in others):
            return drawn
        point = point_of(whole, space)
        if point is None:
            return drawn
        near = nearest(point, space, held, tried(others, space), self._number(trial.number, _TIES))
        return drawn if near is None else {name: values_of(near, space)[name] for name in drawn}

    def _number(self, *key: int) -> int:
        return int(np.random.SeedSequence(self._seed, spawn_key=key).generate_state(1)[0])

    def _seeded(self, *key: int) -> BaseSampler:
        return self._make(self._number(*key))


def _all(study: Study, space: Space) -> list[FrozenTrial]:
    """The study's trials and, where points are few, also those that wait: whose they are shows once they begin."""
    trials = study._get_trials(deepcopy=False)
    if size(space) == math.inf:
        return trials
    waiting = study._storage.get_all_trials(study._study_id, deepcopy=False, states=(TrialState.WAITING,))
    return [*trials, *waiting]
