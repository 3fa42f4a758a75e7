"""The report of a study: what there is of it for any study, and from how many trials on."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models.scores import ACCURACY
from mlpsearch.search.report.search_figures import FEWEST_FINISHED, SearchFigures
from mlpsearch.search.report.study_report import report_page
from mlpsearch.search.strategy.own_study import OwnStudy
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import add_own, confirmed_as
from tests.search.pages import CONFIRMATION, Page
from tests.search.report.makers import (
    CATEGORICAL,
    ONE_FIELD,
    SPACE,
    add,
    all_alike,
    categorical,
    nothing,
    one,
    one_field,
    page_of,
    pruned_and_failed,
    some,
)
from tests.studies.stores import new_study, spec

ALWAYS = ["tests", "provenance"]
FINISHED = ["winner", "take", "search", "efficiency", "parallel", "slices", "net", "trials"]


@pytest.mark.parametrize(
    ("changes", "fill", "expected"),
    [
        ({}, nothing, []),
        ({}, pruned_and_failed, ["search", "failed", "trials"]),
        ({}, one, [*FINISHED, "importances"]),
        ({}, all_alike, FINISHED),
        ({}, some, [*FINISHED, "importances", "contours"]),
        (ONE_FIELD, one_field, [*FINISHED, "importances"]),
        (CATEGORICAL, categorical, [*FINISHED, "importances", "contours"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_any_study_has_a_report_of_what_there_is(
    tmp_path: Path, changes: dict[str, Any], fill: Callable[[StudyRecord], None], expected: list[str]
) -> None:
    record = new_study(tmp_path, spec(**changes))
    fill(record)
    page = page_of(record)
    assert sorted(page.ids) == sorted([*expected, *ALWAYS])
    linked = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert {f"#{identity}" for identity in page.ids} - {"#failed"} == {*linked}
    assert ("No trial is finished yet" in page.plain) == ("winner" not in expected)


def told(record: StudyRecord) -> str:
    """What the report says on how well the search did."""
    return page_of(record).plain.partition("How well the search did")[2].partition("How well the search did")[2]


def test_the_report_says_how_well_the_search_did(tmp_path: Path) -> None:
    start = {"hidden_size": 5, "learning_rate": 0.01}
    record = new_study(tmp_path, spec(trials=20, epochs=4, patience=3, start=[start]))
    fixed = create_trial(
        value=0.5,
        params=start,
        distributions={name: SPACE[name] for name in start},
        system_attrs={"fixed_params": start},
    )
    add_own(record, fixed)
    for value in (0.2, 0.3, 0.3, 0.25):
        add(record, value, hidden_size=4, learning_rate=0.02)
    said = told(record)
    assert "5 trials ended, and all trials took 8 epochs. Ending trials early saved 60% of the epochs" in said
    assert "4 trials were drawn at random" in said
    assert "Tried first: 1 of the study file." in said
    assert "trial 0, is a starting point of the study file" in said
    assert "The search ended by budget.patience: 3 trials without a better one." in said
    assert "brought nothing better. Nothing is confirmed yet" in said
    confirmed_as(record, CONFIRMATION)
    assert "brought nothing better. A gain below 1.15 points, the standard error of the" in told(record)
    add(record, 0.6, hidden_size=4, learning_rate=0.02)
    said = told(record)
    assert "After 8 epochs, as many as 2 trials take in full, the best score was 50.00%" in said
    assert "going by the 5 trials that were drawn at random." in said
    assert "budget.patience" not in said
    assert "made the best score 10.00 points better" in said
    for deviation, verdict in ((0.1, "could be"), (0.5, "could not be")):
        reported = {"seeds": [21, 22, 23], "accuracies": [0.56, 0.58, 0.6], "mean": 0.58, "deviation": deviation}
        confirmed_as(record, CONFIRMATION | {"reported": reported})
        assert f"Another gain of that size {verdict} told from luck: the standard error" in told(record)


def test_trials_of_others_leave_each_finished_trial_in_its_place(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec())
    for value in (0.5, 0.25, 0.75):
        record.optuna_study().add_trial(create_trial(value=0.999))
        add(record, value, hidden_size=5, learning_rate=0.01)
    history = next(chart for chart in page_of(record).charts if chart.label.endswith("and the best so far"))
    assert sorted(history.tips("circle")) == ["trial 1: 50.00%", "trial 3: 25.00%", "trial 5: 75.00%"]


def test_thousands_of_trials_leave_the_page_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = new_study(tmp_path, spec())
    trials = [
        create_trial(
            state=TrialState.PRUNED if number % 3 == 0 else TrialState.COMPLETE,
            value=0.3 + 0.0003 * number,
            params={"hidden_size": 4 + number % 13, "learning_rate": 0.001 * (1 + number % 90)},
            distributions={name: SPACE[name] for name in ("hidden_size", "learning_rate")},
            intermediate_values={epoch: 0.3 + 0.0003 * number * epoch / 100 for epoch in range(1, 101)},
            user_attrs={"seconds": 1.5 + number, "parameters": 1234, "epochs": 100},
        )
        for number in range(2_000)
    ]
    for number, trial in enumerate(trials):
        trial.number = number
    monkeypatch.setattr(StudyRecord, "own_trials", lambda _: trials)
    monkeypatch.setattr(OwnStudy, "get_trials", lambda *_, **__: trials)
    monkeypatch.setattr("mlpsearch.search.report.trials.read_trials", lambda _: rows_of(trials))
    page = report_page(record)
    assert len(page) < 1_500_000
    assert "Drawn are the best 300." in Page(page).plain


def rows_of(trials: list[FrozenTrial]) -> tuple[list[str], list[dict[str, Any]]]:
    columns = ["hidden_size", "learning_rate"]
    facts = {"state": "COMPLETE", "foreign": False, "origin": "sampler", "epochs": 100, "seconds": 123.45}
    return columns, [{**facts, **one.params, "number": one.number, "value": one.value} for one in trials]


def test_nothing_that_draws_with_javascript_is_loaded() -> None:
    code = "import mlpsearch.search.report.study_report, sys; sys.exit('plotly' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- what it takes for importances and contours ----


@pytest.mark.parametrize(("count", "shown"), [(2, False), (FEWEST_FINISHED - 1, False), (FEWEST_FINISHED, True)])
def test_importances_and_contours_are_shown_from_a_number_of_trials_on(
    tmp_path: Path, count: int, shown: bool
) -> None:
    record = new_study(tmp_path, spec())
    for number in range(count):
        add(record, 0.3 + 0.02 * number, hidden_size=4 + number % 13, learning_rate=0.001 * (1 + number))
    page = page_of(record)
    assert ("contours" in page.ids) is shown
    assert ("By PED-ANOVA: how far each sets the best quarter of the finished trials" in page.plain) is shown
    assert (f"they are from 20 finished trials on, and there are {count}." in page.plain) is not shown


def test_of_so_many_trials_the_one_that_decides_is_the_most_important() -> None:
    """Of four hyperparameters three do nothing, and points are drawn at random."""
    names, right = ("first", "second", "third", "fourth"), 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        study = optuna.create_study(direction="maximize")
        for _ in range(FEWEST_FINISHED):
            params = {name: float(value) for name, value in zip(names, generator.random(4), strict=True)}
            distributions: dict[str, BaseDistribution] = {name: FloatDistribution(0, 1) for name in names}
            value = params["third"] + 0.1 * generator.normal()
            study.add_trial(create_trial(value=value, params=params, distributions=distributions))
        right += SearchFigures(study, [*names], ACCURACY).params[0] == "third"
    assert right >= 18
