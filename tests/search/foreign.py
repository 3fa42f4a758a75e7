"""Trials that somebody adds to a study with Optuna itself, and trials as workers leave them, for tests."""

import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, create_trial

from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.ownership import CLAIMED, ENDED, MARKED
from tests.search.makers import same_study

# The search space of tests.studies.stores.spec, and a point of it.
SPACE: dict[str, BaseDistribution] = {
    "hidden_size": IntDistribution(4, 16),
    "learning_rate": FloatDistribution(1e-3, 0.1, log=True),
}
PARAMS: dict[str, Any] = {"hidden_size": 7, "learning_rate": 0.01}


def trial_of(value: float | None = 0.999, params: dict[str, Any] | None = None, **options: Any) -> FrozenTrial:
    """A trial with these hyperparameters, by default whole and better than all others."""
    params = PARAMS if params is None else params
    distributions = {name: SPACE[name] for name in params}
    return create_trial(value=value, params=params, distributions=distributions, **options)


def as_before_marks(record: StudyRecord) -> StudyRecord:
    """The study as a version of mlpsearch would have left it that marked no trial."""
    with record.storage.connections.transaction() as connection:
        for key in (CLAIMED, ENDED):
            connection.execute("DELETE FROM trial_system_attributes WHERE key = :key", {"key": key})
        connection.execute("DELETE FROM study_user_attributes WHERE key = :key", {"key": MARKED})
    return same_study(record)


def ask(record: StudyRecord) -> optuna.Trial:
    """Take a trial as somebody in a notebook does; Optuna warns that such a trial gets no heartbeat."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return record.optuna_study().ask()
