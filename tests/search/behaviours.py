"""Objectives that do what a test needs, and checks that are true after a while."""

from collections.abc import Callable
from dataclasses import replace

import optuna
import pytest

from mlpsearch.search.trials.objective import Objective, Outcome

Behaviour = Callable[[Objective, optuna.Trial, Callable[[], bool]], Outcome]

well = Objective.__call__


def behave(monkeypatch: pytest.MonkeyPatch, behaviour: Behaviour) -> None:
    """Let the objective do something else; it can call `well` to do what it should."""
    monkeypatch.setattr(Objective, "__call__", behaviour)


def reaching(*accuracies: float) -> Behaviour:
    """An objective whose trials reach the given accuracies, by their numbers."""

    def reach(objective: Objective, trial: optuna.Trial, check: Callable[[], bool]) -> Outcome:
        outcome = well(objective, trial, check)
        return replace(outcome, score=accuracies[trial.number], pruned=False)

    return reach


def raising(error: BaseException, *, times: int = 1000, number: int = 0) -> Behaviour:
    """An objective that raises in one trial, the first few times."""
    left = iter(range(times))

    def act(objective: Objective, trial: optuna.Trial, check: Callable[[], bool]) -> Outcome:
        if trial.number == number and next(left, None) is not None:
            raise error
        return well(objective, trial, check)

    return act


def stops_after(calls: int) -> Callable[[], bool]:
    """True from the given call on; it is asked between epochs and between trials."""
    count = iter(range(1, 10_000))
    return lambda: next(count) >= calls
