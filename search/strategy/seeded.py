"""A sampler without a memory, so that equal histories give equal points in any process."""

import math
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.search.strategy.history import ShownStudy, View, as_they_are, few
from mlpsearch.search.strategy.points import Space, given, nearest, point_of, size, tried, values_of, with_steps

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
        held = given(trial)
        missing = [name for name in search_space if name not in held]
        if not missing:
            return {}
        trials = study._get_trials(deepcopy=False)
        shown = ShownStudy(study, self._view(few(trials, study.direction), study.direction))
        drawn = self._seeded(trial.number).sample_relative(shown, trial, search_space)
        for name in missing:
            if name not in drawn:
                drawn[name] = self.sample_independent(shown, trial, name, search_space[name])
        drawn = with_steps(drawn, search_space)
        whole = {name: held.get(name, drawn.get(name)) for name in search_space}
        point = self._untried(whole, held, trials + _waiting(study, search_space), search_space, trial.number)
        return {name: point[name] for name in missing}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """What Optuna's sampler, seeded for this trial and parameter, draws for one parameter."""
        sampler = self._seeded(trial.number, zlib.crc32(param_name.encode()))
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _untried(
        self, whole: dict[str, Any], held: Iterable[str], trials: list[FrozenTrial], space: Space, number: int
    ) -> dict[str, Any]:
        """The point that was drawn, or the nearest one that no other trial has, if there is one."""
        # Of 2,000 trials to compare the values takes a millisecond, to make points of them many.
        if not any((one.params if one.state.is_finished() else given(one)) == whole for one in trials):
            return whole
        others = [one for one in trials if one.number != number]
        point = point_of(whole, space)
        if point is None:  # it holds what is none of the space
            return whole
        near = nearest(point, space, held, tried(others, space), self._number(number, _TIES))
        return whole if near is None else values_of(near, space)

    def _number(self, *key: int) -> int:
        return int(np.random.SeedSequence(self._seed, spawn_key=key).generate_state(1)[0])

    def _seeded(self, *key: int) -> BaseSampler:
        return self._make(self._number(*key))


def _waiting(study: Study, space: Space) -> list[FrozenTrial]:
    """The trials that wait, where points are few: whose they are shows once they begin."""
    if size(space) == math.inf:
        return []
    return study._storage.get_all_trials(study._study_id, deepcopy=False, states=(TrialState.WAITING,))
