"""Confirming the best trials over fresh seeds: the runs, the winner, and the one opening of the test split."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from optuna.trial import TrialState

from models.errors import StudyError
from search.confirmation import confirmed, plan
from search.objective import Objective
from search.trial_queue import TrialQueue
from search.wording import bias
from search.worker import Worker, load_study_data
from studies.creation import create_or_resume
from studies.garbage import collect_garbage
from studies.record import StudyRecord, confirmation_of, delete_study, open_study, study_names
from studies.storage import stored_names
from tests.search.conftest import Command
from tests.search.makers import claim, kept_weights, never, same_study
from tests.studies.stores import SOURCE, folder_of, new_storage, spec

Finished = Callable[..., StudyRecord]


def searched(folder: Path, *accuracies: float) -> StudyRecord:
    """A study whose trials are done, with these validation accuracies and no weights."""
    specification = spec(trials=len(accuracies))
    record = create_or_resume(new_storage(folder), specification, trials=None, source=SOURCE)
    queue = TrialQueue(record)
    for accuracy in accuracies:
        claimed = claim(queue)
        claimed.trial.suggest_int("hidden_size", 4, 16)
        claimed.trial.suggest_float("learning_rate", 1e-3, 0.1, log=True)
        queue.finish(claimed, accuracy)
    return record


def run_all(runs: StudyRecord, accuracies: dict[int, list[float]]) -> None:
    """Do the runs that are not done, with these validation accuracies of each trial, one a seed."""
    queue, plans = TrialQueue(runs), runs.plan
    assert plans is not None
    seeds = list(dict.fromkeys(run.seed for run in plans))
    while (claimed := queue.claim("w")) is not None:
        run = plans[claimed.trial.user_attrs["run"]]
        queue.finish(claimed, accuracies[run.trial][seeds.index(run.seed)])


# ---- the runs ----


def test_the_best_trials_run_again_with_common_fresh_seeds(tmp_path: Path) -> None:
    record = searched(tmp_path, 0.1, 0.4, 0.3, 0.2)
    runs = plan(record, top=2, seeds=3).plan
    assert runs is not None
    assert [run.trial for run in runs] == [1, 1, 1, 2, 2, 2]
    assert [run.seed for run in runs[:3]] == [run.seed for run in runs[3:]]
    trials = record.optuna_study().trials
    assert [run.params for run in runs] == [trials[run.trial].params for run in runs]
    assert len({run.seed for run in runs}) == 3


def test_fewer_finished_trials_than_asked_for(tmp_path: Path) -> None:
    assert len(plan(searched(tmp_path, 0.5), top=5, seeds=2).plan or []) == 2


def test_each_run_is_done_once_whatever_fails(tmp_path: Path) -> None:
    runs = plan(searched(tmp_path, 0.5, 0.6), top=2, seeds=2)
    queue = TrialQueue(runs)
    lost = claim(queue)
    for _ in range(3):
        queue.fail(lost, "no memory")
        if lost.trial.study.get_trials(deepcopy=False)[lost.number].state == TrialState.WAITING:
            lost = claim(queue)
    run_all(runs, {0: [0.5, 0.5], 1: [0.6, 0.6]})
    trials = runs.optuna_study().trials
    assert [trial.state.name for trial in trials] == ["FAIL", *["COMPLETE"] * 4]
    assert sorted(trial.user_attrs["run"] for trial in trials[1:]) == [0, 1, 2, 3]
    assert queue.is_complete()


def test_asking_for_more_adds_only_what_lacks(tmp_path: Path) -> None:
    record = searched(tmp_path, 0.5, 0.6, 0.7)
    run_all(plan(record, top=2, seeds=2), {1: [0.6] * 2, 2: [0.7] * 2})
    runs = plan(same_study(record), top=3, seeds=3)
    assert (TrialQueue(runs).ended(), runs.budget.trials) == (4, 9)
    run_all(runs, {0: [0.5] * 3, 1: [0.6] * 3, 2: [0.7] * 3})
    assert len(confirmed(record, 3, 3).candidates) == 3
    assert TrialQueue(plan(record, top=3, seeds=3)).is_complete()


def test_the_runs_are_apart_from_the_search(tmp_path: Path) -> None:
    record = searched(tmp_path, 0.5, 0.6)
    runs = plan(record, top=1, seeds=2)
    run_all(runs, {1: [0.6] * 2})
    assert len(record.optuna_study().trials) == 2
    assert study_names(record.storage) == stored_names(record.url) == ["mine"]
    assert study_names(record.storage, confirmations=True) == ["mine", "mine (confirmation)"]
    assert folder_of(runs) != folder_of(record)


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ((), "study mine: no trial is finished, so there is none to confirm"),
        ((0.5,), "study mine: its search is not over .1 of 2 trials.; .* with --trials 1 it ends here"),
    ],
)
def test_a_search_must_be_over(tmp_path: Path, trials: tuple[float, ...], message: str) -> None:
    record = create_or_resume(new_storage(tmp_path), spec(trials=2), trials=None, source=SOURCE)
    for accuracy in trials:
        queue = TrialQueue(record)
        queue.finish(claim(queue), accuracy)
    with pytest.raises(StudyError, match=message):
        plan(record, 5, 5)
    assert confirmation_of(record) is None


def test_runs_that_are_not_done_are_counted(tmp_path: Path) -> None:
    record = searched(tmp_path, 0.5)
    queue = TrialQueue(plan(record, top=1, seeds=3))
    queue.finish(claim(queue), 0.5)
    with pytest.raises(StudyError, match="2 of the runs that confirm trial 0 are not done; `mlpsearch"):
        confirmed(record, 1, 3)


# ---- the winner ----


def test_the_best_mean_wins_not_the_luckiest_trial(tmp_path: Path) -> None:
    record = searched(tmp_path, 0.80, 0.90, 0.70, 0.10)
    run_all(plan(record, 3, 3), {1: [0.70, 0.71, 0.72], 0: [0.76, 0.75, 0.74], 2: [0.69, 0.70, 0.68]})
    found = confirmed(record, 3, 3)
    assert [one.trial for one in found.candidates] == [0, 1, 2]
    assert found.winner == 0
    assert found.candidates[0].accuracies == [0.76, 0.75, 0.74]
    assert found.candidates[0].mean == pytest.approx(0.75)
    assert found.candidates[0].deviation == pytest.approx(0.01)
    assert found.selection_bias == pytest.approx(0.90 - 0.75)
    t = 0.04 / (0.02 / np.sqrt(3))  # differences 0.06, 0.04, 0.02
    assert found.chance == pytest.approx(1 - t / np.sqrt(2 + t * t))


def test_one_candidate_has_no_runner_up(tmp_path: Path) -> None:
    record = searched(tmp_path, 0.5)
    run_all(plan(record, 1, 2), {0: [0.4, 0.4]})
    assert confirmed(record, 1, 2).chance is None


def test_a_diverged_run_counts_for_what_it_reached(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a result of that configuration: leaving it out would flatter it."""
    record = finished()
    runs = plan(record, 1, 2)
    run = Objective.__call__
    monkeypatch.setattr(Objective, "__call__", lambda *given: replace(run(*given), pruned=True))
    Worker(runs, load_study_data(runs), never).run()
    assert [trial.state.name for trial in runs.optuna_study().trials] == ["COMPLETE"] * 2
    assert kept_weights(folder_of(runs)) == [0, 1]


# ---- its study ----


def test_deleting_the_study_deletes_its_confirmation(tmp_path: Path) -> None:
    record = searched(tmp_path, 0.5)
    runs = plan(record, 1, 2)
    (folder_of(runs) / "weights").mkdir(parents=True)
    delete_study(record)
    assert study_names(record.storage, confirmations=True) == []
    assert not folder_of(runs).exists()


def test_a_new_study_does_not_take_over_the_runs_of_an_old_one_of_its_name(tmp_path: Path) -> None:
    record = searched(tmp_path, 0.5)
    run_all(plan(record, 1, 2), {0: [0.5, 0.5]})
    record.storage.optuna.delete_study(record.study_id)  # as the dashboard does
    again = create_or_resume(record.url, spec(trials=1), trials=None, source=SOURCE)
    queue = TrialQueue(again)
    queue.finish(claim(queue), 0.5)
    assert confirmation_of(again) is None
    assert TrialQueue(plan(again, 1, 2)).ended() == 0


def test_gc_removes_the_confirmation_of_a_study_that_is_gone(tmp_path: Path) -> None:
    record = searched(tmp_path, 0.5)
    runs = plan(record, 1, 2)
    (folder_of(runs) / "weights").mkdir(parents=True)
    (folder_of(runs) / "weights" / "0.safetensors").write_bytes(b"12345")
    assert collect_garbage(record.storage) == (0, 0)
    record.storage.optuna.delete_study(record.study_id)  # as the dashboard does
    files = [file for one in (record, runs) for file in folder_of(one).rglob("*") if file.is_file()]
    expected = len(files), sum(file.stat().st_size for file in files)
    assert collect_garbage(record.storage) == expected
    assert study_names(record.storage, confirmations=True) == []


# ---- the command ----


def test_the_command(finished: Finished, mlpsearch: Command) -> None:
    url = finished().url
    answer = mlpsearch("confirm", "mine", "--top", "1", "--seeds", "2", "--storage", url)
    assert answer.code == 0, answer.err
    assert "confirmed: the best 1 trials, trained again over 2 seeds:\n" in answer.out
    assert "selection bias: the best of the search is " in answer.out
    assert "by `mlpsearch confirm mine`: trial " in answer.out
    assert "mine (confirmation): 2/2 trials" in answer.err or "mine (confirmation): 0/2 trials" in answer.err
    assert open_study(url, "mine").attributes()["confirmation"]["winner"] in (0, 1)


def test_a_study_file_may_ask_for_it(finished: Finished, mlpsearch: Command, tmp_path: Path) -> None:
    """Also one that did not when the study was made."""
    record = finished()
    document = tomli_w.dumps(record.spec.to_json() | {"confirm": {"top": 1, "seeds": 2}})
    (tmp_path / "mine.toml").write_text(document)
    answer = mlpsearch("run", "mine.toml", "--storage", record.url)
    assert answer.code == 0, answer.err
    assert "confirmed: the best 1 trials, trained again over 2 seeds:\n" in answer.out
    assert len(record.attributes()["tests"]) == 1
    assert same_study(record).spec.confirm is not None
    resumed = mlpsearch("resume", "mine", "--storage", record.url)
    assert "by `mlpsearch run mine.toml`: trial " in resumed.out


def test_stop_stops_it_too(finished: Finished, mlpsearch: Command) -> None:
    record = finished()
    runs = plan(record, 1, 2)
    assert mlpsearch("stop", "mine", "--storage", record.url).code == 0
    assert TrialQueue(runs).is_stopped()


def test_a_search_that_was_unlucky_is_told_so() -> None:
    assert bias(0.0125, 7) == "the best of the search is 1.25 points above the mean of trial 7"
    assert bias(-0.0125, 7) == "the best of the search is 1.25 points below the mean of trial 7"
