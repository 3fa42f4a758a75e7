"""Successive halving: what goes on at a rung, and what the best complete trials end."""

import math
from typing import Literal

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.pruners import BasePruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.search.strategy.halving import HalvingPruner, first_rung

Curves = list[list[float]]
Direction = Literal["maximize", "minimize"]


def ends(pruner: BasePruner, curves: Curves, direction: Direction = "maximize") -> list[int]:
    """After how many epochs each trial of one worker ends; curves: what each would report, epoch by epoch."""
    study = optuna.create_study(direction=direction, pruner=pruner)
    ended = []
    for curve in curves:
        trial = study.ask()
        for epoch, value in enumerate(curve, 1):
            trial.report(value, epoch)
            if epoch < len(curve) and trial.should_prune():
                study.tell(trial, state=TrialState.PRUNED)
                break
        else:
            study.tell(trial, curve[-1])
        ended.append(epoch)
    return ended


def level(value: float, epochs: int = 20) -> list[float]:
    return [value] * epochs


@pytest.mark.parametrize(("epochs", "first"), [(1, 2), (5, 2), (20, 2), (30, 2), (52, 2), (100, 4), (1000, 40)])
def test_the_first_rung_is_a_25th_of_the_epochs_and_no_less_than_two(epochs: int, first: int) -> None:
    assert first_rung(epochs) == first


values = st.integers(0, 5).map(lambda value: value / 5) | st.floats(0, 1)  # some of them equal


@given(
    st.integers(1, 24).flatmap(
        lambda epochs: st.lists(st.lists(values, min_size=epochs, max_size=epochs), max_size=12)
    ),
    st.sampled_from(["maximize", "minimize"]),
)
def test_it_decides_as_optunas_pruner_does(curves: Curves, direction: Direction) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    epochs = len(curves[0]) if curves else 1
    theirs = SuccessiveHalvingPruner(min_resource=first_rung(epochs), reduction_factor=2)
    assert ends(HalvingPruner(epochs), curves, direction) == ends(theirs, curves, direction)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_a_trial_goes_on_at_a_rung_where_half_of_the_others_are_worse(direction: Direction) -> None:
    curves = [level(value) for value in (0.5, 0.4, 0.6, 0.55, 0.45, 0.56)]
    if direction == "minimize":
        curves = [[1 - value for value in curve] for curve in curves]
    assert ends(HalvingPruner(20), curves, direction) == [20, 2, 20, 4, 2, 8]


def test_what_equals_the_last_that_goes_on_goes_on_too() -> None:
    assert ends(HalvingPruner(20), [level(0.5)] * 5) == [20] * 5


@pytest.mark.parametrize("epochs", [1, 2])
def test_no_trial_is_ended_after_its_last_epoch(epochs: int) -> None:
    study = optuna.create_study(direction="maximize", pruner=HalvingPruner(epochs, leader=True))
    for value in (0.9, 0.9, 0.1):
        trial = study.ask()
        for epoch in range(1, epochs + 1):
            trial.report(value, epoch)
            assert not trial.should_prune()
        study.tell(trial, value)


def test_a_value_that_is_no_number_ends_its_trial_and_no_other() -> None:
    curves = [level(math.nan), level(0.1), level(math.nan), level(0.2)]
    study = optuna.create_study(direction="maximize")
    assert ends(HalvingPruner(20, leader=True), curves[:1] + curves[1:2]) == [2, 20]
    study.add_trial(create_trial(state=TrialState.PRUNED, value=0.5, intermediate_values={2: math.nan}))
    trial = create_trial(state=TrialState.RUNNING, intermediate_values={1: 0.1, 2: 0.1})
    trial.number = 1
    assert not HalvingPruner(20).prune(study, trial)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_what_is_below_the_best_complete_trial_for_four_epochs_ends(direction: Direction) -> None:
    late = [0.9] * 8 + [0.7] * 12  # ahead at first, behind from epoch 9 on
    early = [0.9] * 8 + [0.79, 0.79, 0.79, 0.81] * 3  # never behind four times in a row
    curves = [level(0.8), early, late]
    if direction == "minimize":
        curves = [[1 - value for value in curve] for curve in curves]
    assert ends(HalvingPruner(20, leader=True), curves, direction) == [20, 20, 12]
    assert ends(HalvingPruner(20), curves, direction) == [20, 20, 16]


def running(reported: list[float]) -> FrozenTrial:
    trial = create_trial(state=TrialState.RUNNING, intermediate_values=dict(enumerate(reported, 1)))
    trial.number = 2
    return trial


def test_the_leader_is_the_trial_that_ended_best_and_its_equals_go_on() -> None:
    study = optuna.create_study(direction="maximize")
    ended_best = [0.3] * 19 + [0.9]
    for curve in ([0.5] * 20, ended_best):
        study.add_trial(create_trial(value=curve[-1], intermediate_values=dict(enumerate(curve, 1))))
    pruner = HalvingPruner(20, leader=True)
    assert not pruner.prune(study, running([0.3] * 7))
    assert pruner.prune(study, running([0.29] * 7))
    assert not pruner.prune(study, running([0.3] * 4 + [0.29] * 3))
    assert not pruner.prune(study, running([0.29] * 5))  # not looked at so early


def test_asked_again_it_says_the_same() -> None:
    """Also where other trials have been at other rungs since: nothing is noted on a trial."""
    study = optuna.create_study(direction="maximize", pruner=HalvingPruner(20, leader=True))
    study.add_trial(create_trial(value=0.5, intermediate_values=dict.fromkeys(range(1, 21), 0.5)))
    trial = study.ask()
    for epoch in (1, 2):
        trial.report(0.4, epoch)
    assert [trial.should_prune() for _ in range(3)] == [True] * 3
    assert not study.trials[-1].system_attrs
