"""The backend answers as Optuna's own storage does, on the same database."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.studies.storage.opening import is_server, open_storage
from mlpsearch.studies.storage.postgres import engine_options
from tests.studies.stores import new_storage

pytestmark = pytest.mark.usefixtures("database")

# The tables that have rows of a study with one trial.
OF_A_STUDY = (
    *("study_directions", "study_user_attributes", "study_system_attributes", "trials", "trial_params"),
    *("trial_values", "trial_intermediate_values", "trial_heartbeats"),
    *("trial_user_attributes", "trial_system_attributes"),
)


@pytest.fixture(params=["backend", "stock"])
def storages(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[BaseStorage, BaseStorage]:
    """(the one to write with, the other) on one database."""
    url = new_storage(tmp_path)
    backend = open_storage(url).optuna
    stock = RDBStorage("postgresql+psycopg://", engine_options(url)) if is_server(url) else RDBStorage(url)
    return (backend, stock) if request.param == "backend" else (stock, backend)


def new_study(storage: BaseStorage) -> int:
    return storage.create_new_study([StudyDirection.MAXIMIZE], "one")


def written(storage: BaseStorage) -> int:
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


def test_reads_what_optuna_reads(storages: tuple[BaseStorage, BaseStorage]) -> None:
    ours, other = storages
    study = written(ours)
    trials = other.get_all_trials(study)
    assert len(trials) == 6
    assert as_text(ours.get_all_trials(study)) == as_text(trials)
    for trial in trials:
        assert as_text([ours.get_trial(trial._trial_id)]) == as_text([trial])
        assert as_text([other.get_trial(trial._trial_id)]) == as_text([trial])


def test_selects_what_optuna_selects(storages: tuple[BaseStorage, BaseStorage]) -> None:
    ours, other = storages
    study = written(ours)
    ours.create_new_trial(ours.create_new_study([StudyDirection.MAXIMIZE], "another"))
    for states in ((TrialState.COMPLETE,), (TrialState.RUNNING, TrialState.WAITING), ()):
        wanted = other.get_all_trials(study, states=states)
        assert as_text(ours.get_all_trials(study, states=states)) == as_text(wanted), states
        assert ours.get_n_trials(study, states) == len(wanted)
    assert as_text([ours.get_best_trial(study)]) == as_text([other.get_best_trial(study)])


def test_a_trial_is_added_as_it_is(storages: tuple[BaseStorage, BaseStorage]) -> None:
    ours, other = storages
    template = other.get_all_trials(written(other))[0]
    study = ours.create_new_study([StudyDirection.MAXIMIZE], "copy")
    ours.create_new_trial(study)
    ours.create_new_trial(study, template)
    added = other.get_all_trials(study)[1]
    assert as_text(ours.get_all_trials(study)[1:]) == as_text([added])
    template.number, template._trial_id = added.number, added._trial_id
    assert as_text([added]) == as_text([template])


def test_describes_studies_as_optuna_does(storages: tuple[BaseStorage, BaseStorage]) -> None:
    ours, other = storages
    for name, directions in (("a", ["MINIMIZE"]), ("b", ["MAXIMIZE", "MINIMIZE"]), ("c", ["MAXIMIZE"])):
        study = ours.create_new_study([StudyDirection[direction] for direction in directions], name)
        ours.set_study_user_attr(study, "note", {"of": name})
        ours.set_study_system_attr(study, "note", [study])
        ours.set_study_system_attr(study, "note", "changed")
        assert other.get_study_id_from_name(name) == study
        for ask in ("name_from_id", "directions", "user_attrs", "system_attrs"):
            assert getattr(ours, f"get_study_{ask}")(study) == getattr(other, f"get_study_{ask}")(study), ask
    assert [vars(one) for one in ours.get_all_studies()] == [vars(one) for one in other.get_all_studies()]
    with pytest.raises(DuplicatedStudyError):
        ours.create_new_study([StudyDirection.MAXIMIZE], "c")
    assert len(other.get_all_studies()) == 3


def test_nothing_is_left_of_a_deleted_study(tmp_path: Path) -> None:
    storage = open_storage(new_storage(tmp_path))
    deleted, kept = (storage.optuna.create_new_study([StudyDirection.MAXIMIZE], name) for name in "ab")
    template = create_trial(
        value=0.5,
        params={"rate": 0.5},
        distributions={"rate": FloatDistribution(0.0, 1.0)},
        user_attrs={"a": 1},
        system_attrs={"a": 1},
        intermediate_values={1: 0.5},
    )
    for study in (deleted, kept):
        storage.optuna.set_study_user_attr(study, "a", 1)
        storage.optuna.set_study_system_attr(study, "a", 1)
        storage.optuna.record_heartbeat(storage.optuna.create_new_trial(study, template))
    storage.optuna.delete_study(deleted)
    with storage.connections.transaction(read_only=True) as connection:
        for table in ("studies", *OF_A_STUDY):
            assert connection.scalar(f"SELECT COUNT(*) FROM {table}") == 1, table
    (left,) = storage.optuna.get_all_trials(kept)
    assert (left.value, left.params, left.user_attrs) == (0.5, {"rate": 0.5}, {"a": 1})
    with pytest.raises(KeyError):
        storage.optuna.delete_study(deleted)


def test_params_keep_their_order(tmp_path: Path) -> None:
    storage = open_storage(new_storage(tmp_path)).optuna
    study = new_study(storage)
    for names in (["z", "a", "m"], ["m", "z", "a"]):
        trial = storage.create_new_trial(study)
        for name in names:
            storage.set_trial_param(trial, name, 1.0, FloatDistribution(0.0, 2.0))
        assert list(storage.get_trial(trial).params) == names


def test_missing_trials_and_studies_raise_key_error(storages: tuple[BaseStorage, BaseStorage]) -> None:
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


def test_an_ended_trial_is_not_changed(storages: tuple[BaseStorage, BaseStorage]) -> None:
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


def test_study_attributes(storages: tuple[BaseStorage, BaseStorage]) -> None:
    storage, other = storages
    study = new_study(storage)
    assert storage.get_study_user_attrs(study) == {}
    storage.set_study_user_attr(study, "tests", [{"opening": 1}])
    assert storage.get_study_user_attrs(study) == other.get_study_user_attrs(study) == {"tests": [{"opening": 1}]}
