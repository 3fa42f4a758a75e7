"""How well a search did: epochs, what pruning saved, and what random search would have been expected to reach."""

from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models.scores import METRICS
from mlpsearch.search.results.efficiency import FEWEST_RANDOM, Efficiency, efficiency, expected_bests
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.space import suggest
from tests.search.makers import add_own, claim, confirmed_as
from tests.studies.stores import new_study, spec

ACCURACY, LOSS = METRICS["accuracy"], METRICS["log-loss"]
SCORES = st.lists(st.floats(0, 1), min_size=1, max_size=7)


@given(SCORES, st.sampled_from([ACCURACY, LOSS]))
def test_the_expected_best_is_the_mean_over_all_draws(scores: list[float], metric: Any) -> None:
    over_all = [
        fmean(metric.best(drawn) for drawn in combinations(scores, count)) for count in range(1, len(scores) + 1)
    ]
    assert expected_bests(scores, metric) == pytest.approx(over_all)


def trial(value: float, epochs: int = 4, state: TrialState = TrialState.COMPLETE, **more: Any) -> FrozenTrial:
    reports = dict.fromkeys(range(1, epochs + 1), value)
    return create_trial(
        state=state, value=None if state == TrialState.FAIL else value, intermediate_values=reports, **more
    )


def of(tmp_path: Path, trials: list[FrozenTrial], **changes: Any) -> Efficiency:
    record = new_study(tmp_path, spec(epochs=4, trials=20, **changes))
    for one in trials:
        add_own(record, one)
    return efficiency(record, record.own_trials())


def test_the_best_so_far_is_of_finished_trials_by_the_epochs_of_all(tmp_path: Path) -> None:
    found = of(
        tmp_path,
        [
            trial(0.9, 1, TrialState.PRUNED),
            trial(0.5),
            trial(0.5),
            trial(0.2, 3, TrialState.FAIL),
            trial(0.7),
            trial(0.6),
        ],
    )
    assert found.best == [(5, 0.5), (16, 0.7)]
    assert found.epochs == 20
    assert [found.best_after(epochs) for epochs in (4, 5, 15, 16, 99)] == [None, 0.5, 0.5, 0.7, 0.7]
    assert found.saved == pytest.approx(3 / 20), "the failed one is no part of it"


def test_of_losses_the_lowest_is_best(tmp_path: Path) -> None:
    trials = [trial(value) for value in (2.0, 1.0, 3.0, 1.5, 0.5)]
    found = of(tmp_path, trials, metric="log-loss")
    assert found.best == [(4, 2.0), (8, 1.0), (20, 0.5)]
    assert found.random[-1] == (20, 0.5)
    assert found.late_gain == 0.5


def test_a_study_without_trials_has_nothing_to_say(tmp_path: Path) -> None:
    found = of(tmp_path, [])
    assert (found.epochs, found.saved, found.best, found.random, found.late_gain) == (0, None, [], [], None)


def test_with_few_random_trials_nothing_is_expected_of_random_search(tmp_path: Path) -> None:
    few = of(tmp_path / "few", [trial(0.5)] * (FEWEST_RANDOM - 1))
    assert (few.random_trials, few.random) == (FEWEST_RANDOM - 1, [])
    enough = of(tmp_path / "enough", [*[trial(0.5)] * (FEWEST_RANDOM - 1), trial(0.4, 2, TrialState.PRUNED)])
    assert (enough.random_trials, enough.random_pruned) == (FEWEST_RANDOM, 1)
    assert [epochs for epochs, _ in enough.random] == [4, 8, 12, 16, 20]
    assert enough.random[0][1] == pytest.approx((4 * 0.5 + 0.4) / 5)


def test_points_that_somebody_gave_are_not_random(tmp_path: Path) -> None:
    found = of(tmp_path, [trial(0.5, system_attrs={"fixed_params": {"hidden_size": 5}}), trial(0.5)])
    assert found.random_trials == 1


@pytest.mark.parametrize(
    ("sampler", "starts", "drawn"),
    [("random", 0, 13), ("random", 2, 11), ("tpe", 0, 10), ("tpe", 2, 8), ("gp", 2, 8)],
)
def test_the_random_trials_are_those_before_the_sampler_learns(
    tmp_path: Path, sampler: str, starts: int, drawn: int
) -> None:
    points = [{"hidden_size": 4 + place} for place in range(starts)]
    record = new_study(tmp_path, spec(trials=13, sampler=sampler, start=points))
    queue = TrialQueue(record)
    for number in range(13):
        claimed = claim(queue)
        suggest(claimed.trial, record.spec, seed=0)
        queue.finish(claimed, number / 20)
    assert efficiency(record, record.own_trials()).random_trials == drawn


def test_with_several_workers_more_are_random(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=16, sampler="tpe"))
    queue = TrialQueue(record)
    for _ in range(4):
        claims = [claim(queue, f"w{worker}") for worker in range(4)]
        for one in claims:
            suggest(one.trial, record.spec, seed=0)
        for one in claims:
            queue.finish(one, one.number / 20)
    assert efficiency(record, record.own_trials()).random_trials == 12


def test_the_standard_error_is_that_of_the_reported_runs(tmp_path: Path) -> None:
    record: StudyRecord = new_study(tmp_path, spec())
    add_own(record, trial(0.5))
    assert efficiency(record, record.own_trials()).standard_error is None
    run = {"trial": 0, "params": {}, "search_accuracy": 0.5, "accuracies": [], "mean": None, "deviation": None}
    reported = {"seeds": [1, 2, 3, 4], "accuracies": [0.5] * 4, "mean": 0.5, "deviation": 0.02}
    more = {"candidates": [run], "winner": 0, "chance": None, "selection_bias": 0.0, "search_trials": 1}
    confirmed_as(record, {"seeds": [], **more, "reported": reported})
    assert efficiency(record, record.own_trials()).standard_error == pytest.approx(0.01)
