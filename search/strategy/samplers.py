"""Which points a search tries: the sampler that a specification names."""

from collections.abc import Callable

from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler

from mlpsearch.search.strategy.history import View, as_they_are, priced, projected
from mlpsearch.search.strategy.seeded import SeededByTrial
from mlpsearch.studies.spec.space import distributions
from mlpsearch.studies.spec.study import StudySpec


def _tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed)


def _gp(seed: int) -> BaseSampler:
    return GPSampler(seed=seed)


def _random(seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


_SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "auto": _tpe,
    "tpe": _tpe,
    "gp": _gp,
    "random": _random,
    "grid": _random,  # for points that somebody queued in part: the others are given (next_trial.py)
}


def make_sampler(spec: StudySpec) -> BaseSampler:
    """The sampler of a study: equal histories and trial numbers give equal points, in any process."""
    make = _SAMPLERS[spec.sampler]
    return SeededByTrial(make, seed=spec.seed, space=distributions(spec), view=_view(spec))


def _view(spec: StudySpec) -> View:
    """How trials are shown to the sampler: with a price on time where time is what the budget limits."""
    if spec.sampler == "auto" and spec.budget.seconds is not None:
        return priced
    return projected if spec.sampler in ("auto", "gp") else as_they_are
