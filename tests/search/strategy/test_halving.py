"""Successive halving: what goes on at a rung, and what the best complete trials end."""

import math
from typing import Literal

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.pruners import BasePruner, SuccessiveHalvingPruner
from optuna.trial import TrialState, create_trial

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
    study = optuna.create_study(direction="maximize", pruner=HalvingPruner(epochs, best=2))
    for value in (0.9, 0.9, 0.1):
        trial = study.ask()
        for epoch in range(1, epochs + 1):
            trial.report(value, epoch)
            assert not trial.should_prune()
        study.tell(trial, value)


def test_a_value_that_is_no_number_ends_its_trial_and_no_other() -> None:
    curves = [level(math.nan), level(0.1), level(math.nan), level(0.2)]
    study = optuna.create_study(direction="maximize")
    assert ends(HalvingPruner(20, best=2), curves[:1] + curves[1:2]) == [2, 20]
    study.add_trial(create_trial(state=TrialState.PRUNED, value=0.5, intermediate_values={2: math.nan}))
    trial = create_trial(state=TrialState.RUNNING, intermediate_values={1: 0.1, 2: 0.1})
    trial.number = 1
    assert not HalvingPruner(20).prune(study, trial)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_what_is_below_the_worse_of_the_two_best_complete_ones_ends_at_any_epoch(direction: Direction) -> None:
    late = [0.9] * 6 + [0.7] * 14  # ahead at first, behind from epoch 7 on
    curves = [level(0.5), level(0.8), level(0.81), late]
    if direction == "minimize":
        curves = [[1 - value for value in curve] for curve in curves]
    assert ends(HalvingPruner(20, best=2), curves, direction) == [20, 20, 20, 7]
    assert ends(HalvingPruner(20), curves, direction) == [20, 20, 20, 8]


def test_of_the_best_two_the_worse_one_decides() -> None:
    between = [0.85] * 20
    study = optuna.create_study(direction="maximize")
    for value in (0.8, 0.9, 0.1):
        study.add_trial(create_trial(value=value, intermediate_values=dict.fromkeys(range(1, 21), value)))
    trial = create_trial(state=TrialState.RUNNING, intermediate_values=dict(enumerate(between[:3], 1)))
    trial.number = 3
    assert not HalvingPruner(20, best=2).prune(study, trial)
    trial.intermediate_values[3] = 0.79
    assert HalvingPruner(20, best=2).prune(study, trial)


def test_asked_again_it_says_the_same() -> None:
    """Also where other trials have been at other rungs since: nothing is noted on a trial."""
    study = optuna.create_study(direction="maximize", pruner=HalvingPruner(20, best=2))
    study.add_trial(create_trial(value=0.5, intermediate_values=dict.fromkeys(range(1, 21), 0.5)))
    trial = study.ask()
    for epoch in (1, 2):
        trial.report(0.4, epoch)
    assert [trial.should_prune() for _ in range(3)] == [True] * 3
    assert not study.trials[-1].system_attrs
