"""The command line on a study to which somebody added trials with Optuna itself."""

import json
import math
from collections.abc import Iterator

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from tests.search.conftest import Command
from tests.search.foreign import trial_of
from tests.studies.stores import spec


@pytest.fixture
def others(record: StudyRecord) -> Iterator[optuna.Study]:
    """The same study, as a notebook with Optuna alone opens it."""
    storage = RDBStorage(record.url)
    yield optuna.load_study(study_name="mine", storage=storage)
    storage.engine.dispose()


def test_run_says_of_trials_of_others_what_is_not_waited_for_and_what_is_refused(
    record: StudyRecord, others: optuna.Study, mlpsearch: Command
) -> None:
    others.add_trial(trial_of(0.999))
    others.add_trial(trial_of(0.999, {"hidden_size": 7}))
    others.ask()
    others.enqueue_trial({"hidden_size": 400})
    others.enqueue_trial({"hidden_size": 5})
    answer = mlpsearch("run", "mine", "--trials", "3", "--json")
    assert answer.code == 0
    study = json.loads(answer.out)
    assert study["state"] == "complete"
    assert study["trials"] == {"finished": 3, "pruned": 0, "failed": 0, "running": 0, "waiting": 0, "foreign": 4}
    assert study["foreign_running"] == 1
    reason = "hidden_size = 400: must be from 4 to 16, as search.hidden_size says"
    assert study["refused"] == [{"number": 5, "reason": reason}]
    assert study["best"]["number"] in (0, 1, 6)
    assert record.optuna_study().trials[6].params["hidden_size"] == 5
    assert record.optuna_study().trials[6].state == TrialState.COMPLETE
    for said in (answer.err, mlpsearch("status", "mine").out):
        assert said.count("1 trial of others is running, and not waited for\n") == 1
        assert said.count(f"trial 5 was queued by others and is refused: {reason}\n") == 1
    assert "trials of others, added with Optuna itself: 4; they count for nothing\n" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "mine"),
        ("evaluate", "mine"),
        ("confirm", "mine", "--top", "1", "--seeds", "2"),
        ("export", "mine", "-o", "best"),
        ("export", "mine", "--trials", "trials.csv"),
        ("report", "mine", "-o", "report.html"),
        ("compare", "mine", "other"),
        ("status", "mine"),
        ("status",),
        ("delete", "mine", "--yes"),
    ],
    ids=" ".join,
)
def test_no_command_stumbles_over_trials_of_others(
    record: StudyRecord, others: optuna.Study, mlpsearch: Command, arguments: tuple[str, ...]
) -> None:
    create_or_resume(record.url, spec(name="other"), trials=None, source=record.attributes()["source"])
    best = TrialQueue(record).ledger.best()
    assert best is not None
    everything = {"worker": 3, "seed": "x", "seconds": "long", "earlier": "never", "run": {}, "planned_seed": None}
    odd = {1: math.nan, 7: math.inf}
    others.add_trial(trial_of(0.999, {}, user_attrs=everything, intermediate_values=odd))
    others.add_trial(trial_of(0.998, user_attrs=everything, system_attrs={"fixed_params": 1}))
    others.add_trial(trial_of(math.inf))
    others.add_trial(trial_of(None, {}, state=TrialState.FAIL, user_attrs=everything))
    others.add_trial(trial_of(None, {}, state=TrialState.RUNNING, user_attrs=everything))
    others.add_trial(trial_of(None, {}, state=TrialState.WAITING, user_attrs=everything))
    answer = mlpsearch(*arguments)
    assert answer.code == 0, answer.err
    if arguments[0] != "delete":
        assert TrialQueue(record).ledger.top(10)[0].number == best.number
