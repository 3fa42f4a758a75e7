"""Which trials are a study's own: the database says the same as the trials themselves."""

import random
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.counts import Counts, TrialKey
from mlpsearch.studies.storage.ownership import CLAIMED, ENDED, Ownership
from tests.studies.stores import new_study

pytestmark = pytest.mark.usefixtures("database")

FACTS: tuple[dict[str, Any], ...] = ({}, {"worker": "w"}, {"worker": "w", "seed": 1}, {"seed": 1})
MARKS = (None, "{study}/{number}", "{study}/{other}", "x/{number}", 3)


@pytest.fixture
def visited(tmp_path: Path) -> StudyRecord:
    """A study with a trial of each state, with every combination of what may be said of whose it is."""
    record = new_study(tmp_path)
    kinds = list(product(TrialState, FACTS, MARKS, MARKS))
    random.Random(0).shuffle(kinds)
    for number, (state, facts, claimed, ended) in enumerate(kinds[:120]):
        marks = {
            key: mark.format(study=record.id, number=number, other=number + 1) if isinstance(mark, str) else mark
            for key, mark in ((CLAIMED, claimed), (ENDED, ended))
            if mark is not None
        }
        value = 0.5 if state in (TrialState.COMPLETE, TrialState.PRUNED) else None
        trial = create_trial(
            state=state, value=value, user_attrs=facts, system_attrs=marks, intermediate_values={1: 0.5}
        )
        record.storage.optuna.create_new_trial(record.study_id, trial)
    return record


@pytest.mark.parametrize("marked", [True, False])
def test_counting_in_the_database_agrees_with_each_trial(visited: StudyRecord, marked: bool) -> None:
    own = Ownership(visited.id, marked)
    counts = Counts(visited.storage, visited.study_id, own)
    trials = visited.optuna_study().trials
    mine = [trial for trial in trials if own.has(trial)]
    others = [trial for trial in trials if not own.has(trial) and trial.state != TrialState.WAITING]
    waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
    complete = [trial for trial in mine if trial.state == TrialState.COMPLETE]
    running = [trial for trial in mine if trial.state == TrialState.RUNNING]
    assert len({own.has(trial) for trial in trials}) == 2
    assert counts.by_state() == by_state([*(set_aside(mine)), *waiting])
    assert counts.foreign() == by_state(others)
    assert counts.in_state(TrialState.WAITING) == keys(waiting)
    assert counts.in_state(TrialState.RUNNING) == keys(running)
    assert counts.best(1000) == keys(complete)
    assert counts.best(1000, after=1) == keys(complete[1:])
    assert counts.epochs() == len(mine)
    assert len(counts.last_ended(1000)) == sum(trial.state.is_finished() for trial in mine)
    assert counts.refused(10) == []


@pytest.mark.parametrize("marked", [True, False])
def test_the_budget_has_room_for_those_that_were_begun_first(visited: StudyRecord, marked: bool) -> None:
    own = Ownership(visited.id, marked)
    counts = Counts(visited.storage, visited.study_id, own)
    trials = visited.optuna_study().trials
    used = sum(own.has(trial) and trial.state not in (TrialState.WAITING, TrialState.FAIL) for trial in trials)
    waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
    ranked = keys(sorted(waiting, key=lambda trial: not own.has(trial)))
    for room in (-1, 0, 1, 5, len(waiting), 1000):
        assert counts.waiting(used + room) == ranked[: max(0, room)]


def test_a_study_of_now_is_marked(tmp_path: Path) -> None:
    assert new_study(tmp_path).own.marked


def set_aside(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    return [trial for trial in trials if trial.state != TrialState.WAITING]


def by_state(trials: list[FrozenTrial]) -> dict[TrialState, int]:
    counted = Counter(trial.state for trial in trials)
    return {state: counted[state] for state in TrialState}


def keys(trials: list[FrozenTrial]) -> list[TrialKey]:
    return [TrialKey(trial.number, trial._trial_id) for trial in trials]
