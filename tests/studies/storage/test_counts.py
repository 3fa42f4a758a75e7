"""Every count against the same computed slowly, from all trials as Optuna gives them."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.studies.storage.counts import Counts, TrialKey
from mlpsearch.studies.storage.opening import Storage, open_storage
from mlpsearch.studies.storage.transaction import Transaction
from tests.conftest import DATABASES
from tests.studies.stores import new_storage, on

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
NOON = datetime(2026, 1, 1, 12)
BEFORE = NOON - timedelta(hours=1)


@pytest.fixture(scope="module", params=DATABASES)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with on(request.getfixturevalue("server") if request.param == "postgresql" else None):
        storage = open_storage(new_storage(tmp_path_factory.mktemp("counts")))
        yield storage
        storage.close()


@pytest.fixture(scope="module", params=range(4))
def random_study(shared: Storage, request: pytest.FixtureRequest) -> tuple[Counts, list[FrozenTrial]]:
    """Studies with up to 40 trials in all states, with equal values and equal times among them."""
    draw = random.Random(request.param)
    study = shared.optuna.create_new_study([StudyDirection.MAXIMIZE], f"random {request.param}")
    for _ in range(draw.randrange(15, 40) if request.param else 0):
        shared.optuna.create_new_trial(study, random_trial(draw))
    return Counts(shared, study), shared.optuna.get_all_trials(study)


def random_trial(draw: random.Random) -> FrozenTrial:
    state = draw.choice([*TrialState])
    value = draw.choice([0.125, 0.25])
    epochs = draw.randrange(5)
    trial = create_trial(
        state=state,
        value=value if state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        params={"x": 0.5},
        distributions={"x": FloatDistribution(0, 1)},
        intermediate_values=dict.fromkeys(range(1, epochs + 1), value),
    )
    if state != TrialState.WAITING:
        trial.datetime_start = BEFORE + timedelta(seconds=draw.randrange(100))
    if state in ENDED:
        trial.datetime_complete = BEFORE + timedelta(seconds=draw.randrange(100, 110))
    return trial


def keys(trials: list[FrozenTrial]) -> list[TrialKey]:
    return [TrialKey(trial.number, trial._trial_id) for trial in trials]


def test_trials_by_state(random_study: tuple[Counts, list[FrozenTrial]]) -> None:
    counts, trials = random_study
    assert counts.by_state() == {state: sum(trial.state == state for trial in trials) for state in TrialState}


@pytest.mark.parametrize("state", TrialState)
def test_trials_in_a_state(random_study: tuple[Counts, list[FrozenTrial]], state: TrialState) -> None:
    counts, trials = random_study
    assert counts.in_state(state) == keys([trial for trial in trials if trial.state == state])


def test_the_best_is_the_first_of_the_highest(random_study: tuple[Counts, list[FrozenTrial]]) -> None:
    counts, trials = random_study
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = max(complete, key=lambda trial: trial.value or 0, default=None)  # max keeps the first of equals
    assert counts.best() == ([] if best is None else keys([best]))


@pytest.mark.parametrize("count", [1, 5, 1000])
def test_those_that_ended_last(random_study: tuple[Counts, list[FrozenTrial]], count: int) -> None:
    counts, trials = random_study
    ended = [trial for trial in trials if trial.state in ENDED]
    ended.sort(key=lambda trial: (trial.datetime_complete or BEFORE, trial.number), reverse=True)
    expected = [(trial.state, key) for trial, key in zip(ended, keys(ended), strict=True)][:count]
    assert counts.last_ended(count) == expected


@pytest.mark.parametrize("number", [-1, 0, 7, 1000])
def test_those_that_ended_well_after_one(random_study: tuple[Counts, list[FrozenTrial]], number: int) -> None:
    counts, trials = random_study
    well = [trial for trial in trials if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert counts.ended_after(number) == sum(trial.number > number for trial in well)


def test_epochs_of_all_trials(random_study: tuple[Counts, list[FrozenTrial]]) -> None:
    counts, trials = random_study
    assert counts.epochs() == sum(len(trial.intermediate_values) for trial in trials)


def test_seconds_in_which_something_ran(
    random_study: tuple[Counts, list[FrozenTrial]], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, trials = random_study
    freeze(monkeypatch)
    spans = [
        (int((trial.datetime_start - BEFORE).total_seconds()), end(trial))
        for trial in trials
        if trial.datetime_start is not None
    ]
    assert counts.seconds() == sum(any(start <= second < stop for start, stop in spans) for second in range(3600))


def end(trial: FrozenTrial) -> int:
    return int(((trial.datetime_complete or NOON) - BEFORE).total_seconds())


def freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon."""

    noon = NOON.astimezone(UTC).replace(tzinfo=None)
    monkeypatch.setattr("mlpsearch.studies.storage.counts.utc_now", lambda _: noon)


@pytest.mark.parametrize(
    ("spans", "seconds"),
    [
        ([], 0),
        ([(0, 10)], 10),
        ([(0, 10), (20, 25)], 15),
        ([(0, 10), (5, 12)], 12),
        ([(0, 10), (10, 12)], 12),
        ([(0, 30), (5, 12), (20, 25)], 30),
        ([(0, 30), (0, 12), (29, 31)], 31),
        ([(3590, None)], 10),
        ([(3580, 3595), (3590, None)], 20),
        ([(50, 40)], 0),  # the clock was set back while it ran
        ([(50, 40), (45, 60)], 15),
        ([(4000, None)], 0),  # it started later than it is now
        ([(0, 10), (4000, None)], 10),
    ],
)
def test_seconds_of_spans(
    shared: Storage, monkeypatch: pytest.MonkeyPatch, spans: list[tuple[int, int | None]], seconds: float
) -> None:
    freeze(monkeypatch)
    study = shared.optuna.create_new_study([StudyDirection.MAXIMIZE])
    for start, stop in spans:
        trial = create_trial(state=TrialState.RUNNING if stop is None else TrialState.PRUNED)
        trial.datetime_start = BEFORE + timedelta(seconds=start)
        trial.datetime_complete = None if stop is None else BEFORE + timedelta(seconds=stop)
        shared.optuna.create_new_trial(study, trial)
    assert Counts(shared, study).seconds() == seconds


def test_other_studies_do_not_count(shared: Storage) -> None:
    for value in (0.25, 0.75):
        study = shared.optuna.create_new_study([StudyDirection.MAXIMIZE])
        for state in (TrialState.COMPLETE, TrialState.PRUNED):
            shared.optuna.create_new_trial(
                study, create_trial(state=state, value=value, intermediate_values={1: value})
            )
    counts = Counts(shared, study)
    assert counts.by_state()[TrialState.COMPLETE] == 1
    assert counts.best() == counts.in_state(TrialState.COMPLETE)[:1]
    assert len(counts.last_ended(10)) == counts.epochs() == 2


def test_counting_reads_no_trial(shared: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand trials are counted in the database, in one query a count."""
    study = shared.optuna.create_new_study([StudyDirection.MAXIMIZE])
    for _ in range(3):
        shared.optuna.create_new_trial(study, create_trial(value=0.5, intermediate_values={1: 0.5}))
    counts = Counts(shared, study)
    queries: list[str] = []

    execute = Transaction.execute

    def note(connection: Transaction, query: str, *rest: Any) -> list[Any]:
        queries.append(query)
        return execute(connection, query, *rest)

    monkeypatch.setattr(Transaction, "execute", note)
    counts.by_state(), counts.best(), counts.epochs(), counts.last_ended(2)
    assert counts.seconds() >= 0  # two: the spans, and those of earlier attempts
    assert len([sql for sql in queries if sql.startswith("SELECT")]) == 6


def test_a_trial_that_was_never_started_has_no_seconds(shared: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    freeze(monkeypatch)
    study = shared.optuna.create_new_study([StudyDirection.MAXIMIZE])
    trial = shared.optuna.create_new_trial(study, create_trial(state=TrialState.WAITING))
    with shared.connections.transaction() as connection:  # given back: Optuna leaves its start there
        connection.execute(
            f"UPDATE trials SET datetime_start = :start WHERE trial_id = {trial}", {"start": BEFORE}
        )
    assert Counts(shared, study).seconds() == 0
