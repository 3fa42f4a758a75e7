"""The backend answers as Optuna's own storage does, on the same database."""

import math
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.studies.storage.opening import is_server, open_storage
from mlpsearch.studies.storage.postgres import engine_options
from tests.studies.stores import new_storage

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(params=["backend", "stock"])
def storages(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[RDBStorage, RDBStorage]:
    """(the one to write with, the other) on one database."""
    url = new_storage(tmp_path)
    backend = open_storage(url).backend
    stock = RDBStorage("postgresql+psycopg://", engine_options(url)) if is_server(url) else RDBStorage(url)
    return (backend, stock) if request.param == "backend" else (stock, backend)


def new_study(storage: BaseStorage) -> int:
    return storage.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "one")


def written(storage: RDBStorage) -> int:
    """A study with a trial of each kind; return its id."""
    study = new_study(storage)
    first = storage.create_new_trial(study)
    storage.set_trial_param(first, "width", 7, IntDistribution(1, 1000, log=True))
    storage.set_trial_param(first, "rate", 0.125, FloatDistribution(1e-4, 1.0, log=True))
    storage.set_trial_param(first, "batch", 1, CategoricalDistribution((50, "x", None)))
    for step, value in enumerate([0.5, math.inf, -math.inf, math.nan, 0.25]):
        storage.set_trial_intermediate_value(first, step, value)
    storage.set_trial_intermediate_value(first, 0, 0.75)  # again
    storage.set_trial_user_attr(first, "note", {"ümlaut": [1, None, "'; DROP TABLE trials; --"]})
    storage.set_trial_user_attr(first, "note", "changed")
    storage.set_trial_system_attr(first, "fixed", {"a": 1.5})
    storage.set_trial_state_values(first, TrialState.COMPLETE, [0.875])
    storage.create_new_trial(study)  # running, with nothing
    storage.create_new_trial(study, create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": {}}))
    for state in (TrialState.PRUNED, TrialState.FAIL):
        storage.set_trial_state_values(storage.create_new_trial(study), state, None)
    storage.set_trial_state_values(storage.create_new_trial(study), TrialState.COMPLETE, [-math.inf])
    return study


def as_text(trials: list[FrozenTrial]) -> list[str]:
    """Comparable also where a value is NaN."""
    return [repr(trial) for trial in trials]


def test_reads_what_optuna_reads(storages: tuple[RDBStorage, RDBStorage]) -> None:
    ours, other = storages
    study = written(ours)
    trials = other.get_all_trials(study)
    assert len(trials) == 6
    assert as_text(ours.get_all_trials(study)) == as_text(trials)
    for trial in trials:
        assert as_text([ours.get_trial(trial._trial_id)]) == as_text([trial])
        assert as_text([other.get_trial(trial._trial_id)]) == as_text([trial])


def test_selects_what_optuna_selects(storages: tuple[RDBStorage, RDBStorage]) -> None:
    ours, other = storages
    study = written(ours)
    other_study = ours.create_new_study([optuna.study.StudyDirection.MAXIMIZE], "another")
    ours.create_new_trial(other_study)
    all_states: list[Any] = [None, (TrialState.COMPLETE,), (TrialState.RUNNING, TrialState.WAITING)]
    for after, known, states in product((-1, 0, 1, 3, 99), (set(), {1}, {1, 2, 3, 99}), all_states):
        wanted = as_text(other._get_trials(study, states, known, after))
        assert as_text(ours._get_trials(study, states, known, after)) == wanted, (after, known, states)


def test_params_keep_their_order(tmp_path: Path) -> None:
    storage = open_storage(new_storage(tmp_path)).backend
    study = new_study(storage)
    for names in (["z", "a", "m"], ["m", "z", "a"]):
        trial = storage.create_new_trial(study)
        for name in names:
            storage.set_trial_param(trial, name, 1.0, FloatDistribution(0.0, 2.0))
        assert list(storage.get_trial(trial).params) == names


def test_missing_trials_and_studies_raise_key_error(storages: tuple[RDBStorage, RDBStorage]) -> None:
    storage, _ = storages
    calls: list[Callable[[], Any]] = [
        lambda: storage.get_trial(7),
        lambda: storage.get_all_trials(7),
        lambda: storage.get_study_user_attrs(7),
        lambda: storage.set_trial_user_attr(7, "key", 1),
        lambda: storage.set_trial_system_attr(7, "key", 1),
        lambda: storage.set_trial_intermediate_value(7, 1, 0.5),
    ]
    for call in calls:
        with pytest.raises(KeyError):
            call()


def test_an_ended_trial_is_not_changed(storages: tuple[RDBStorage, RDBStorage]) -> None:
    storage, _ = storages
    study = written(storage)
    ended = storage.get_all_trials(study)[0]
    calls: list[Callable[[], None]] = [
        lambda: storage.set_trial_user_attr(ended._trial_id, "note", "late"),
        lambda: storage.set_trial_system_attr(ended._trial_id, "fixed", "late"),
        lambda: storage.set_trial_intermediate_value(ended._trial_id, 1, 0.5),
        lambda: storage.set_trial_param(ended._trial_id, "late", 1.0, FloatDistribution(0.0, 2.0)),
    ]
    for call in calls:
        with pytest.raises(UpdateFinishedTrialError):
            call()
    assert as_text([storage.get_trial(ended._trial_id)]) == as_text([ended])


def test_a_parameter_of_another_distribution_is_refused(tmp_path: Path) -> None:
    storage = open_storage(new_storage(tmp_path)).optuna
    first, second = (storage.create_new_trial(study) for study in [new_study(storage)] * 2)
    storage.set_trial_param(first, "kind", 0, CategoricalDistribution(("a", "b")))
    with pytest.raises(ValueError, match="CategoricalDistribution"):
        storage.set_trial_param(second, "kind", 0, CategoricalDistribution(("a", "c")))


def test_study_attributes(storages: tuple[RDBStorage, RDBStorage]) -> None:
    storage, other = storages
    study = new_study(storage)
    assert storage.get_study_user_attrs(study) == {}
    storage.set_study_user_attr(study, "tests", [{"opening": 1}])
    assert storage.get_study_user_attrs(study) == other.get_study_user_attrs(study) == {"tests": [{"opening": 1}]}
