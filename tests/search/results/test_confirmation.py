"""Confirming the best trials over fresh seeds: the runs, the winner, and what is reported of it."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from mlpsearch.models.errors import StudyError
from mlpsearch.models.scores import ACCURACY
from mlpsearch.search.results.confirmation import Candidate, last_confirmation, to_json
from mlpsearch.search.results.confirming import confirmed, plan, rank, reported_over
from mlpsearch.search.results.headline import headline
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.objective import Objective
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.search.trials.seeds import derived_seed
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import PLANNED_SEED, StudyRecord, confirmation_of, study_names
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.storage.opening import stored_names
from mlpsearch.studies.study_data import load_study_data
from tests.search.makers import claim, kept_weights, never, reach, run_all, run_both, same_study, searched_to
from tests.studies.stores import SOURCE, folder_of, new_storage, spec

Finished = Callable[..., StudyRecord]


# ---- the runs that choose ----


def test_the_best_trials_run_again_with_common_fresh_seeds(tmp_path: Path) -> None:
    record = searched_to(tmp_path, 0.1, 0.4, 0.3, 0.2)
    runs = plan(record, Confirm(top=2, seeds=3)).plan
    assert runs is not None
    assert [run.trial for run in runs] == [1, 1, 1, 2, 2, 2]
    assert [run.seed for run in runs[:3]] == [run.seed for run in runs[3:]]
    trials = record.optuna_study().trials
    assert [run.params for run in runs] == [trials[run.trial].params for run in runs]
    assert len({run.seed for run in runs}) == 3


def test_candidates_have_different_configurations(tmp_path: Path) -> None:
    """In a small space the best trials are the same points again; twins would only be compared with themselves."""
    search = {"learning_rate": {"choices": [0.01, 0.1]}, "batch_size": {"choices": [16, 32]}}
    record = create_or_resume(new_storage(tmp_path), spec(trials=5, search=search), trials=None, source=SOURCE)
    queue = TrialQueue(record)
    rates = (0.1, 0.1, 0.01, 0.1, 0.01)
    for accuracy, rate in zip((0.9, 0.8, 0.7, 0.6, 0.5), rates, strict=True):
        record.optuna_study().enqueue_trial({"learning_rate": rate, "batch_size": 16})
        claimed = claim(queue)
        claimed.trial.suggest_categorical("learning_rate", (0.01, 0.1))
        claimed.trial.suggest_categorical("batch_size", (16, 32))
        queue.finish(claimed, accuracy)
    runs = plan(record, Confirm(top=4, seeds=2)).plan
    assert runs is not None
    assert [run.trial for run in runs] == [0, 0, 2, 2]


def test_what_a_configuration_does_not_use_makes_no_other_candidate(tmp_path: Path) -> None:
    search = {"momentum": {"low": 0.0, "high": 0.9}}
    specification = spec(trials=3, search=search, fixed={"optimizer": "adam"})
    record = create_or_resume(new_storage(tmp_path), specification, trials=None, source=SOURCE)
    queue = TrialQueue(record)
    for accuracy in (0.9, 0.8, 0.7):
        claimed = claim(queue)
        claimed.trial.suggest_float("momentum", 0.0, 0.9)
        queue.finish(claimed, accuracy)
    runs = plan(record, Confirm(top=3, seeds=2, report=2)).plan
    assert [run.trial for run in runs or []] == [0, 0], "Adam has no momentum of that kind"


def test_a_twin_may_be_further_down_than_the_trials_that_were_asked_for(tmp_path: Path) -> None:
    record = create_or_resume(
        new_storage(tmp_path),
        spec(trials=9, search={"hidden_size": {"low": 4, "high": 5}}),
        trials=None,
        source=SOURCE,
    )
    queue = TrialQueue(record)
    for number in range(9):
        record.optuna_study().enqueue_trial({"hidden_size": 5 if number == 8 else 4})
        claimed = claim(queue)
        claimed.trial.suggest_int("hidden_size", 4, 5)
        queue.finish(claimed, 0.9 - 0.01 * number)
    assert {run.trial for run in plan(record, Confirm(top=2, seeds=2)).plan or []} == {0, 8}


def test_fewer_finished_trials_than_asked_for(tmp_path: Path) -> None:
    record = searched_to(tmp_path, 0.5, 0.6)
    assert len(plan(record, Confirm(top=5, seeds=2)).plan or []) == 4


@pytest.mark.usefixtures("database")
def test_each_run_is_done_once_whatever_fails(tmp_path: Path) -> None:
    runs = plan(searched_to(tmp_path, 0.5, 0.6), Confirm(top=2, seeds=2))
    queue = TrialQueue(runs)
    lost = claim(queue)
    for _ in range(3):
        queue.fail(lost, "no memory")
        if lost.trial.study.get_trials(deepcopy=False)[lost.number].state == TrialState.WAITING:
            lost = claim(queue)
    run_all(runs, {0: [0.5, 0.5], 1: [0.6, 0.6]})
    trials = runs.optuna_study().trials
    assert [trial.state.name for trial in trials] == ["FAIL", *["COMPLETE"] * 4]
    plans = runs.plan or []
    assert runs_done(runs) == sorted(run.key for run in plans)
    assert queue.ledger.is_complete()


def runs_done(runs: StudyRecord) -> list[tuple[int, int]]:
    """The runs of all trials that are complete."""
    trials = [trial for trial in runs.optuna_study().trials if trial.state == TrialState.COMPLETE]
    return sorted((trial.user_attrs["of_trial"], trial.user_attrs[PLANNED_SEED]) for trial in trials)


def test_asking_for_more_adds_only_what_lacks(tmp_path: Path) -> None:
    record = searched_to(tmp_path, 0.5, 0.6, 0.7)
    run_all(plan(record, Confirm(top=2, seeds=2)), {1: [0.6] * 2, 2: [0.7] * 2})
    runs = plan(same_study(record), Confirm(top=3, seeds=3))
    assert (TrialQueue(runs).ledger.ended(), runs.budget.trials) == (4, 9)
    run_all(runs, {0: [0.5] * 3, 1: [0.6] * 3, 2: [0.7] * 3})
    assert len(runs.optuna_study().trials) == 9
    assert TrialQueue(runs).ledger.is_complete()


@pytest.mark.usefixtures("database")
def test_asking_for_less_does_only_that_and_loses_nothing(tmp_path: Path) -> None:
    record = searched_to(tmp_path, 0.5, 0.6, 0.7)
    more, fewer = Confirm(top=3, seeds=5), Confirm(top=2, seeds=2, report=2)
    accuracies = {0: [0.5] * 5, 1: [0.6] * 5, 2: [0.7] * 10}
    queue = TrialQueue(plan(record, more))
    for _ in range(7):  # five runs of trial 2 and two of trial 1
        queue.finish(claim(queue), 0.7)
    runs = plan(same_study(record), fewer)
    assert (TrialQueue(runs).ledger.ended(), runs.budget.trials) == (4, 4 + 2), (
        "the choice is done, its report is not"
    )
    run_all(runs, accuracies)
    assert TrialQueue(plan(record, fewer)).ledger.is_complete()
    assert len(runs_done(runs)) == 7 + 2
    run_all(plan(record, more), accuracies)
    assert len(runs_done(runs)) == len({*runs_done(runs)}) == 15 + 2, "what was done is used again"


@pytest.mark.usefixtures("database")
def test_a_run_that_waits_and_is_not_asked_for_any_more_is_not_begun(tmp_path: Path) -> None:
    record = searched_to(tmp_path, 0.5, 0.6)
    queue = TrialQueue(plan(record, Confirm(top=2, seeds=3)))
    claims = [claim(queue, f"w{number}") for number in range(6)]
    for one in claims:
        queue.requeue(one)
    runs = plan(same_study(record), Confirm(top=2, seeds=2))
    run_all(runs, {0: [0.5] * 2, 1: [0.6] * 2})
    assert len(runs_done(runs)) == 4
    assert TrialQueue(runs).ledger.is_complete()
    assert TrialQueue(runs).claim("w") is None


def test_the_runs_are_apart_from_the_search(tmp_path: Path) -> None:
    record = searched_to(tmp_path, 0.5, 0.6)
    runs = plan(record, Confirm(top=1, report=2))
    run_all(runs, {1: [0.6] * 2})
    assert len(record.optuna_study().trials) == 2
    assert study_names(record.storage) == stored_names(record.url) == ["mine"]
    assert study_names(record.storage, confirmations=True) == ["mine", "mine (confirmation)"]
    assert folder_of(runs) != folder_of(record)


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ((), "study mine: no trial is finished yet; `mlpsearch run mine` goes on"),
        ((0.5,), "study mine: its search is not over .1 of 2 trials.; .* with --trials 1 it ends here"),
    ],
)
def test_a_search_must_be_over(tmp_path: Path, trials: tuple[float, ...], message: str) -> None:
    record = create_or_resume(new_storage(tmp_path), spec(trials=2), trials=None, source=SOURCE)
    for accuracy in trials:
        reach(record, accuracy)
    with pytest.raises(StudyError, match=message):
        plan(record, Confirm())
    assert confirmation_of(record) is None


@pytest.mark.parametrize(("top", "trial"), [(1, 1), (2, 0)])
def test_runs_that_are_not_done_are_counted(tmp_path: Path, top: int, trial: int) -> None:
    record = searched_to(tmp_path, 0.5, 0.6)
    asked = Confirm(top=top, seeds=3, report=3)
    runs = plan(record, asked)
    for _ in range(4 if top == 2 else 1):
        queue = TrialQueue(runs)
        queue.finish(claim(queue), 0.5)
    with pytest.raises(StudyError, match=f"2 of the runs that confirm trial {trial} are not done; `mlpsearch"):
        confirmed(record, asked)


# ---- the runs that are reported ----


def test_the_winner_is_reported_over_seeds_that_had_no_part_in_choosing_it(tmp_path: Path) -> None:
    record, asked = searched_to(tmp_path, 0.5, 0.6), Confirm(top=2, seeds=3, report=4)
    first = plan(record, asked)
    choosing = {run.seed for run in first.plan or []}
    assert len(first.plan or []) == 6, "who wins is not known yet"
    run_all(first, {0: [0.7, 0.6, 0.8], 1: [0.6, 0.6, 0.6]})
    second = plan(record, asked)
    further = (second.plan or [])[6:]
    assert [run.trial for run in further] == [0] * 4
    assert [run.params for run in further] == [record.optuna_study().trials[0].params] * 4
    assert not {run.seed for run in further} & choosing
    run_all(second, {0: [0.7, 0.6, 0.8, 0.61, 0.62, 0.63, 0.64]})
    found = confirmed(record, asked)
    assert found.reported == found.result
    assert found.result.seeds == [run.seed for run in further]
    assert found.result.accuracies == [0.61, 0.62, 0.63, 0.64]
    assert found.result.mean == pytest.approx(0.625)
    assert found.result.deviation == pytest.approx(np.std([1, 2, 3, 4], ddof=1) / 100)
    assert found.candidates[0].mean == pytest.approx(0.7), "that chose it"
    assert found.selection_bias == pytest.approx(0.6 - 0.625)
    assert found.flattery == 0


def test_the_seeds_are_those_of_their_stage(tmp_path: Path) -> None:
    """Long runs go by them: they may never change."""
    record = searched_to(tmp_path, 0.5, 0.6)
    found = run_both(record, Confirm(top=2, seeds=2, report=3), {0: [0.5] * 5, 1: [0.6] * 5})
    assert found.seeds == [derived_seed(record.spec, number, 1) for number in range(2)]
    assert found.result.seeds == [derived_seed(record.spec, number, 2) for number in range(3)]


def test_of_a_single_candidate_only_the_reported_runs_are_trained(tmp_path: Path) -> None:
    record, asked = searched_to(tmp_path, 0.5, 0.6), Confirm(top=1, seeds=5, report=3)
    runs = plan(record, asked)
    assert [run.seed for run in runs.plan or []] == [derived_seed(record.spec, number, 2) for number in range(3)]
    run_all(runs, {1: [0.5, 0.51, 0.52]})
    assert TrialQueue(plan(record, asked)).ledger.is_complete(), "nothing more is planned"
    found = confirmed(record, asked)
    (only,) = found.candidates
    assert (only.accuracies, only.mean, only.deviation, found.seeds) == ([], None, None, [])
    assert (found.winner, found.chance) == (1, None)
    assert found.result.mean == pytest.approx(0.51)
    assert found.selection_bias == pytest.approx(0.09)


@pytest.mark.parametrize(
    ("candidates", "seeds", "too_high"), [(2, 5, 0.18), (5, 5, 0.36), (10, 5, 0.48), (5, 2, 0.58)]
)
def test_what_is_reported_is_not_flattered_by_the_choice(candidates: int, seeds: int, too_high: float) -> None:
    """Of equally good candidates whose runs spread by 0.7 points the best mean is too high by so much."""
    draw = np.random.default_rng(candidates)
    of_the_choice, reported = [], []
    for _ in range(3000):
        runs = draw.normal(50, 0.7, (candidates, seeds))
        field = [Candidate(number, {}, 0.0, [*own], own.mean(), None, 0.0) for number, own in enumerate(runs)]
        of_the_choice.append((min(field, key=partial(rank, ACCURACY)).mean or 0) - 50)
        reported.append(reported_over([*range(5)], [*draw.normal(50, 0.7, 5)], []).mean - 50)
    assert np.mean(of_the_choice) == pytest.approx(too_high, abs=0.03)
    assert abs(np.mean(reported)) < 0.03


# ---- what 0.1.0 recorded ----


def test_a_confirmation_without_reported_runs_says_by_how_much_it_may_be_too_high(tmp_path: Path) -> None:
    record, asked = searched_to(tmp_path, 0.5, 0.6), Confirm(top=2, seeds=5)
    runs = [0.6 + 0.007 * step for step in (-1, 0, 1, 0, 0)]
    new = to_json(run_both(record, asked, {0: [run - 0.1 for run in runs], 1: [*runs, *[0.1] * 5]}))
    record.set("confirmation", {key: value for key, value in new.items() if key != "reported"})
    found = last_confirmation(record)
    assert found is not None
    assert (found.reported, found.winner, found.result.seeds) == (None, 1, found.seeds)
    assert found.result.accuracies == runs
    assert found.flattery == pytest.approx(0.5642 * np.std(runs, ddof=1) / np.sqrt(5), rel=1e-3)
    shown = headline(record, Ledger(record))
    assert shown is not None
    assert shown.remark == (
        "the winner was chosen and reported over the same seeds, which makes its mean up to 0.12 points too high; "
        "`mlpsearch confirm mine` confirms anew"
    )


# ---- the winner ----


def test_the_best_mean_wins_not_the_luckiest_trial(tmp_path: Path) -> None:
    record = searched_to(tmp_path, 0.80, 0.90, 0.70, 0.10)
    accuracies = {1: [0.70, 0.71, 0.72], 0: [0.76, 0.75, 0.74, 0.74, 0.72], 2: [0.69, 0.70, 0.68]}
    found = run_both(record, Confirm(top=3, seeds=3, report=2), accuracies)
    assert [one.trial for one in found.candidates] == [0, 1, 2]
    assert found.winner == 0
    assert found.candidates[0].accuracies == [0.76, 0.75, 0.74]
    assert found.candidates[0].mean == pytest.approx(0.75)
    assert found.candidates[0].deviation == pytest.approx(0.01)
    assert found.result.mean == pytest.approx(0.73)
    assert found.selection_bias == pytest.approx(0.90 - 0.73)
    t = 0.04 / (0.02 / np.sqrt(3))  # differences 0.06, 0.04, 0.02
    assert found.chance == pytest.approx(1 - t / np.sqrt(2 + t * t))


def test_a_diverged_run_counts_for_what_it_reached(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a result of that configuration: leaving it out would flatter it."""
    record = finished()
    runs = plan(record, Confirm(top=1, report=2))
    run = Objective.__call__
    monkeypatch.setattr(Objective, "__call__", lambda *given: replace(run(*given), pruned=True))
    Worker(runs, load_study_data(runs), never).run()
    assert [trial.state.name for trial in runs.optuna_study().trials] == ["COMPLETE"] * 2
    assert kept_weights(folder_of(runs)) == [0, 1]
