"""Trials are remembered, but never those of a deleted study: SQLite gives its ids, and its trials', to others."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.studies.storage.opening import Storage, open_storage, sqlite_path

MAXIMIZE, MINIMIZE = [StudyDirection.MAXIMIZE], [StudyDirection.MINIMIZE]


@pytest.fixture
def two(url: str) -> Iterator[tuple[Storage, Storage]]:
    """The storage as a process has it that reads, and as another has it."""
    storages = open_storage(url), open_storage(url)
    yield storages
    for storage in storages:
        storage.close()


def done(value: float, **attributes: object) -> FrozenTrial:
    return create_trial(
        value=value, params={"x": value}, distributions={"x": FloatDistribution(0, 1)}, user_attrs=attributes
    )


def without_password(storage: Storage, study: int) -> list[tuple[int, float | None]]:
    return [(trial.number, trial.value) for trial in storage.optuna.get_all_trials(study)]


STATES = (TrialState.RUNNING, TrialState.WAITING)


@pytest.mark.parametrize("name", ["s", "another"])
@pytest.mark.parametrize("first", [0, 1, 3])
@pytest.mark.parametrize("second", [0, 1, 3, 4])
@pytest.mark.parametrize("unfinished", [0, 2])
def test_a_study_with_the_id_of_a_deleted_one_shows_its_own_trials(
    two: tuple[Storage, Storage], name: str, first: int, second: int, unfinished: int
) -> None:
    reading, other = two
    study = other.optuna.create_new_study(MAXIMIZE, "s")
    for state in STATES[:unfinished]:
        other.optuna.create_new_trial(study, create_trial(state=state))
    for _ in range(first):
        other.optuna.create_new_trial(study, done(0.25))
    assert len(without_password(reading, study)) == first + unfinished
    generation = reading.optuna.generation(study)
    other.optuna.delete_study(study)
    assert other.optuna.create_new_study(MAXIMIZE, name) == study
    for _ in range(second):
        other.optuna.create_new_trial(study, done(0.75))
    assert without_password(reading, study) == [(number, 0.75) for number in range(second)]
    if first or name != "s":
        assert reading.optuna.generation(study) != generation


def test_the_generation_of_a_study_stays_while_it_grows(two: tuple[Storage, Storage]) -> None:
    reading, other = two
    study = other.optuna.create_new_study(MAXIMIZE, "s")
    generation = reading.optuna.generation(study)
    for value in (0.25, 0.5):
        trial = other.optuna.create_new_trial(study)
        assert reading.optuna.generation(study) == generation
        other.optuna.create_new_trial(study, done(value))
        assert reading.optuna.generation(study) == generation
        other.optuna.set_trial_state_values(trial, TrialState.COMPLETE, [value])
        assert reading.optuna.generation(study) == generation
    assert without_password(reading, study) == [(0, 0.25), (1, 0.25), (2, 0.5), (3, 0.5)]


def test_a_trial_with_the_id_of_a_deleted_one_is_itself(two: tuple[Storage, Storage]) -> None:
    reading, other = two
    study = other.optuna.create_new_study(MAXIMIZE, "s")
    old = [other.optuna.create_new_trial(study, done(0.25, of="old")) for _ in range(2)]
    reading.optuna.get_all_trials(study)
    other.optuna.delete_study(study)
    study = other.optuna.create_new_study(MINIMIZE, "another")
    assert other.optuna.create_new_trial(study, done(0.75, of="new")) == old[0]
    assert reading.optuna.get_trial(old[0]).user_attrs == {"of": "new"}
    with pytest.raises(KeyError):
        reading.optuna.get_trial(old[1])
    with pytest.raises(KeyError):
        reading.optuna.get_trial_id_from_study_id_trial_number(study, 1)
    assert reading.optuna.get_study_name_from_id(study) == "another"
    assert reading.optuna.get_study_directions(study) == MINIMIZE


def test_parameters_are_compared_with_those_of_the_same_study(two: tuple[Storage, Storage]) -> None:
    reading, other = two
    for choices in (("a", "b"), ("a", "c")):
        study = other.optuna.create_new_study(MAXIMIZE, "s")
        trial = other.optuna.create_new_trial(study)  # which the one who reads never listed
        reading.optuna.set_trial_param(trial, "kind", 1, CategoricalDistribution(choices))
        assert reading.optuna.get_trial(trial).params == {"kind": choices[1]}
        other.optuna.delete_study(study)


def test_a_database_restored_from_a_copy_is_shown_as_it_is(
    two: tuple[Storage, Storage], url: str, tmp_path: Path
) -> None:
    """Its ids are given again, and the study keeps its name and id."""
    reading, other = two
    study = other.optuna.create_new_study(MAXIMIZE, "s")
    other.optuna.set_study_user_attr(study, "id", "f" * 32)
    running = other.optuna.create_new_trial(study)
    other.optuna.create_new_trial(study, done(0.25))
    with (
        closing(sqlite3.connect(sqlite_path(url))) as database,
        closing(sqlite3.connect(tmp_path / "copy")) as copy,
    ):
        database.backup(copy)
        other.optuna.set_trial_state_values(running, TrialState.COMPLETE, [1.0])
        other.optuna.create_new_trial(study, done(0.5))
        assert without_password(reading, study) == [(0, 1.0), (1, 0.25), (2, 0.5)]
        copy.backup(database)
    assert without_password(reading, study) == [(0, None), (1, 0.25)]
    other.optuna.create_new_trial(study, done(0.75))
    assert without_password(reading, study) == [(0, None), (1, 0.25), (2, 0.75)]


def test_a_deleted_study_has_no_trials(two: tuple[Storage, Storage]) -> None:
    reading, other = two
    study = other.optuna.create_new_study(MAXIMIZE, "s")
    other.optuna.create_new_trial(study, done(0.25))
    assert len(without_password(reading, study)) == 1
    other.optuna.delete_study(study)
    for ask in (reading.optuna.get_all_trials, reading.optuna.generation):
        with pytest.raises(KeyError):
            ask(study)
