"""The search space as Optuna sees it, and back: from a trial's parameters to a training configuration."""

from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial

from mlpsearch.models.config import TYPES, TrainConfig
from mlpsearch.studies.spec.dimensions import FIELDS, Choices, Dimension
from mlpsearch.studies.spec.study import StudySpec


def distributions(spec: StudySpec) -> dict[str, BaseDistribution]:
    """The distribution of each searched field, in the order of TrainConfig's fields.

    The order of the study file does not matter: moving a line there changes nothing in the study.
    """
    return {name: _distribution(name, spec.search[name]) for name in FIELDS if name in spec.search}


def suggest(trial: BaseTrial, spec: StudySpec, *, seed: int) -> TrainConfig:
    """The configuration of a trial; for a finished trial, with the same seed, the one it ran with.

    seed: of the training run, fixed by whoever runs the trial.
    """
    searched = {name: _suggest(trial, name, space) for name, space in distributions(spec).items()}
    values: dict[str, Any] = {**defaults_of(spec), **spec.fixed, **searched}
    return TrainConfig(epochs=spec.budget.epochs, seed=seed, **values)


def defaults_of(spec: StudySpec) -> dict[str, Any]:
    """Return what a study's kind of data has in place of TrainConfig's defaults, by field."""
    return {} if spec.table_options is None else {"preprocessing": "standardize"}


def _distribution(name: str, dimension: Dimension) -> BaseDistribution:
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.choices)
    if TYPES[name] is int:
        return IntDistribution(int(dimension.low), int(dimension.high), dimension.log, int(dimension.step or 1))
    return FloatDistribution(dimension.low, dimension.high, dimension.log, dimension.step)


def _suggest(trial: BaseTrial, name: str, space: BaseDistribution) -> object:
    if isinstance(space, CategoricalDistribution):
        return trial.suggest_categorical(name, space.choices)
    if isinstance(space, IntDistribution):
        return trial.suggest_int(name, space.low, space.high, step=space.step, log=space.log)
    assert isinstance(space, FloatDistribution)  # noqa: S101 - the last of the three that _distribution makes
    # Not a float for every range: Optuna lets one of NumPy's through.
    return float(trial.suggest_float(name, space.low, space.high, step=space.step, log=space.log))
