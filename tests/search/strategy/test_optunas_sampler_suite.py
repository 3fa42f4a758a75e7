"""Optuna's own tests of samplers, over ours, with each of Optuna's that it makes anew for every trial.

Left out is what no study here has: more than one objective (MultiObjectiveSamplerTestCase), and spaces that depend
on a parameter or change between trials (the tests set to None below): all that is searched is in every trial.
"""

from collections.abc import Callable, Iterator

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, RelativeSamplerTestCase

from mlpsearch.search.strategy.samplers import _SAMPLERS
from mlpsearch.search.strategy.seeded import SeededByTrial

_SPACE = {"x": FloatDistribution(-10, 10), "y": FloatDistribution(-10, 10)}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


class TestParametersByThemselves(BasicSamplerTestCase):
    """What is drawn for one parameter at a time."""

    test_conditional_sample_independent = None  # type: ignore[assignment]
    test_conditional_parameter_objective = None  # type: ignore[assignment]
    test_dynamic_range_objective = None  # type: ignore[assignment]

    @pytest.fixture(params=_SAMPLERS)
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        return lambda: SeededByTrial(_SAMPLERS[request.param], seed=0, space={})


class TestParametersTogether(RelativeSamplerTestCase):
    """What is drawn for all parameters together; at random, each is drawn by itself."""

    @pytest.fixture(params=[TPESampler, pytest.param(GPSampler, marks=pytest.mark.stress)])
    def sampler(self, request: pytest.FixtureRequest) -> Callable[[], BaseSampler]:
        def make(seed: int) -> BaseSampler:  # as Optuna's suite wants it: hardly at random at first
            chosen: BaseSampler = request.param(seed=seed, n_startup_trials=int(request.param is GPSampler))
            return chosen

        # Each of the other tests hands its own space over.
        space = _SPACE if request.node.originalname == "test_trial_relative_params" else {}
        return lambda: SeededByTrial(make, seed=0, space=dict(space))
