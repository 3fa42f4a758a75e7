"""Whether a queued point fits the study, and what is said where it does not."""

import math
from typing import Any

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from mlpsearch.search.trials.waiting import is_whole, misfit
from mlpsearch.studies.record import PlannedRun
from mlpsearch.studies.storage.ownership import CLAIMED, Ownership
from tests.studies.stores import spec

SPEC = spec(
    search={
        "hidden_size": {"low": 4, "high": 16},
        "learning_rate": {"low": 1e-3, "high": 0.1, "log": True},
        "nesterov": {"choices": [True, False]},
        "depth": {"choices": [2, 4]},
        "optimizer": {"choices": ["sgd", "adam"]},
    },
    fixed={"momentum": 0.5},
)
OWN = Ownership("id")


def reason(fixed: Any, **options: Any) -> str | None:
    trial = create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": fixed}, **options)
    return misfit(trial, SPEC, None, OWN)


@pytest.mark.parametrize(
    "fixed",
    [
        {},
        {"hidden_size": 4},
        {"hidden_size": 16.0},
        {"learning_rate": 0.1},
        {"nesterov": True, "depth": 2.0, "optimizer": "adam"},
        {"hidden_size": 9, "learning_rate": 1e-3, "nesterov": False, "depth": 4, "optimizer": "sgd"},
    ],
)
def test_points_of_the_space_fit_also_in_part(fixed: dict[str, Any]) -> None:
    assert reason(fixed) is None


@pytest.mark.parametrize(
    ("fixed", "said"),
    [
        ({"hidden_size": 400}, "hidden_size = 400: must be from 4 to 16, as search.hidden_size says"),
        ({"hidden_size": 3.0}, "hidden_size = 3: must be from 4 to 16, as search.hidden_size says"),
        ({"hidden_size": 8.5}, "hidden_size = 8.5: must be from 4 to 16"),
        ({"hidden_size": True}, "hidden_size = true: must be from 4 to 16"),
        ({"hidden_size": "8"}, "hidden_size = '8': must be from 4 to 16"),
        ({"hidden_size": None}, "hidden_size = None: must be from 4 to 16"),
        ({"hidden_size": [8]}, "hidden_size = [..]: must be from 4 to 16"),
        ({"hidden_size": math.nan}, "hidden_size = nan: must be from 4 to 16"),
        ({"hidden_size": math.inf}, "hidden_size = inf: must be from 4 to 16"),
        ({"hidden_size": 10**400}, "hidden_size = a huge number: must be from 4 to 16"),
        ({"learning_rate": 0}, "learning_rate = 0: must be from 0.001 to 0.1"),
        ({"learning_rate": math.nan}, "learning_rate = nan: must be from 0.001 to 0.1"),
        ({"learning_rate": "0.01"}, "learning_rate = '0.01': must be from 0.001 to 0.1"),
        ({"nesterov": 1}, "nesterov = 1: must be one of true, false, as search.nesterov says"),
        ({"depth": 3}, "depth = 3: must be one of 2, 4, as search.depth says"),
        ({"depth": True}, "depth = true: must be one of 2, 4"),
        ({"optimizer": "adamw"}, "optimizer = 'adamw': must be one of 'sgd', 'adam'"),
        ({"momentum": 0.5}, "momentum = 0.5: is not under [search]"),
        ({"hiden_size": 8}, "hiden_size = 8: is not under [search] (did you mean hidden_size?)"),
        ({"hidden_size": 8, "depth": 9}, "depth = 9: must be one of 2, 4"),
        ([1, 2], "fixed_params = [..]: must be a table of hyperparameters"),
        ("x", "fixed_params = 'x': must be a table of hyperparameters"),
    ],
)
def test_what_does_not_fit_is_named_with_its_value_and_what_is_allowed(fixed: Any, said: str) -> None:
    found = reason(fixed)
    assert found is not None
    assert found.startswith(said)
    assert "\n" not in found


@pytest.mark.parametrize(
    ("space", "value", "said"),
    [
        (IntDistribution(4, 400), 8, None),
        (IntDistribution(4, 400), 400, "hidden_size = 400: must be from 4 to 16"),
        (FloatDistribution(4, 16), 8.0, "hidden_size: comes from another range or other choices than"),
        (IntDistribution(4, 16, log=True), 8, "hidden_size: comes from another range or other choices than"),
        (CategoricalDistribution((8, 9)), 8, "hidden_size: comes from another range or other choices than"),
    ],
)
def test_values_that_a_trial_has_already_come_from_the_space(
    space: BaseDistribution, value: Any, said: str | None
) -> None:
    found = reason({}, params={"hidden_size": value}, distributions={"hidden_size": space})
    assert found is None if said is None else found is not None and found.startswith(said)


@pytest.mark.parametrize("attribute", ["planned_seed", "of_trial", "earlier", "failures", "deaths"])
def test_what_mlpsearch_notes_of_a_trial_nobody_else_may_set(attribute: str) -> None:
    assert reason({}, user_attrs={attribute: "x"}) == f"attribute {attribute}: is set by mlpsearch alone"
    claimed = {"fixed_params": {}, CLAIMED: "id/0"}
    trial = create_trial(state=TrialState.WAITING, user_attrs={attribute: 1}, system_attrs=claimed)
    trial.number = 0
    assert misfit(trial, SPEC, None, OWN) is None


def test_a_trial_that_no_worker_began_has_no_epochs() -> None:
    said = reason({}, intermediate_values={1: 0.5})
    assert said == "it comes with accuracies of epochs that nobody trained here"


@pytest.mark.parametrize("name", ["x" * 10_000, "a\nb", ""])
def test_names_of_any_kind_are_shown_on_one_short_line(name: str) -> None:
    found = reason({name: 1})
    assert found is not None
    assert len(found) < 300
    assert "\n" not in found


def test_a_confirmations_trial_is_a_run_of_its_plan() -> None:
    plan = [PlannedRun(3, {"hidden_size": 8}, 11), PlannedRun(3, {"hidden_size": 8}, 12)]
    facts = {"of_trial": 3, "planned_seed": 12}

    def fits(changed: dict[str, Any], size: int = 8) -> bool:
        system = {"fixed_params": {"hidden_size": size}}
        trial = create_trial(state=TrialState.WAITING, system_attrs=system, user_attrs=facts | changed)
        return misfit(trial, SPEC, plan, OWN) is None

    assert fits({})
    assert not fits({}, size=9)
    for changed in ({"of_trial": 4}, {"of_trial": 3.0}, {"planned_seed": 13}, {"planned_seed": "12"}):
        assert not fits(changed)


def test_a_whole_trial_has_all_hyperparameters_and_no_other() -> None:
    whole = {"hidden_size": 9, "learning_rate": 1e-3, "nesterov": False, "depth": 4, "optimizer": "sgd"}
    assert is_whole(whole, SPEC)
    assert not is_whole(whole | {"more": 1}, SPEC)
    assert not is_whole(whole | {"hidden_size": 400}, SPEC)
    for name in whole:
        assert not is_whole({key: value for key, value in whole.items() if key != name}, SPEC)
