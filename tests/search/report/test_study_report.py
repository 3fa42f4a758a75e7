"""The report of a study: what is on the page, for any study, and that nothing of a study's becomes markup."""

import base64
import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from PIL import Image

from mlpsearch.models.errors import StudyError
from mlpsearch.models.scores import ACCURACY
from mlpsearch.search.report.search_figures import FEWEST_FINISHED, SearchFigures
from mlpsearch.search.report.study_report import report_page
from mlpsearch.search.report.summary import summarize
from mlpsearch.search.report.trials import trial_table
from mlpsearch.search.results.wording import duration
from mlpsearch.search.service import evaluate
from mlpsearch.search.strategy.own_study import OwnStudy
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import ENVIRONMENT
from tests.search.conftest import Command
from tests.search.makers import add_own, confirmed_as, kept_weights
from tests.search.pages import CONFIRMATION, TEST, Page
from tests.studies.stores import folder_of, new_study, spec

HOSTILE = "</script><script>window.ran=1</script><b>\"'&"


def page_of(record: StudyRecord) -> Page:
    return Page(report_page(record))


def add(
    record: StudyRecord,
    value: float,
    state: TrialState = TrialState.COMPLETE,
    space: dict[str, BaseDistribution] | None = None,
    **params: Any,
) -> None:
    """Add a trial that ended with this accuracy, after one epoch below it."""
    trial = create_trial(
        state=state,
        value=None if state == TrialState.FAIL else value,
        params=params,
        distributions={name: (space or SPACE)[name] for name in params},
        intermediate_values={1: value / 2, 2: value},
        user_attrs={"error": HOSTILE} if state == TrialState.FAIL else {"seconds": 10 * value, "parameters": 1234},
    )
    add_own(record, trial)


SPACE: dict[str, BaseDistribution] = {
    "hidden_size": IntDistribution(4, 16),
    "learning_rate": FloatDistribution(1e-3, 0.1, log=True),
    "optimizer": CategoricalDistribution(("sgd", "adam")),
    "batch_size": CategoricalDistribution((10, 20)),
}


def nothing(record: StudyRecord) -> None:
    """No trials."""


def one(record: StudyRecord) -> None:
    add(record, 0.5, hidden_size=5, learning_rate=0.01)


def all_alike(record: StudyRecord) -> None:
    for _ in range(FEWEST_FINISHED):
        add(record, 0.5, hidden_size=5, learning_rate=0.01)


def pruned_and_failed(record: StudyRecord) -> None:
    add(record, 0.1, TrialState.PRUNED, hidden_size=5, learning_rate=0.01)
    add(record, 0.1, TrialState.FAIL)


def some(record: StudyRecord) -> None:
    for number in range(FEWEST_FINISHED):
        add(record, 0.3 + 0.02 * number, hidden_size=4 + number % 13, learning_rate=0.001 * (1 + number))
        add(record, 0.2, TrialState.PRUNED, hidden_size=4 + number % 13, learning_rate=0.05)


ONE_FIELD = {"search": {"hidden_size": {"low": 4, "high": 16}}}
CATEGORICAL = {"search": {"optimizer": {"choices": ["sgd", "adam"]}, "batch_size": {"choices": [10, 20]}}}


def one_field(record: StudyRecord) -> None:
    for number in range(FEWEST_FINISHED):
        add(record, 0.3 + 0.02 * number, hidden_size=4 + number % 13)


def categorical(record: StudyRecord) -> None:
    for number in range(FEWEST_FINISHED):
        add(record, 0.3 + 0.02 * number, optimizer=("sgd", "adam")[number % 2], batch_size=(10, 20)[number // 10])


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
    add(record, 0.6, hidden_size=4, learning_rate=0.02)
    said = told(record)
    assert "After 8 epochs, as many as 2 trials take in full, the best score was 50.00%" in said
    assert "going by the 5 trials that were drawn at random." in said
    assert "budget.patience" not in said
    assert "made the best score 10.00 points better" in said
    for deviation, verdict in ((0.1, "would be"), (0.5, "would not be")):
        reported = {"seeds": [21, 22, 23], "accuracies": [0.56, 0.58, 0.6], "mean": 0.58, "deviation": deviation}
        confirmed_as(record, CONFIRMATION | {"reported": reported})
        assert f"a further gain like that of the later half {verdict}." in told(record)


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


# ---- what is on it ----


def test_each_of_the_parallel_axes_has_its_name(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec())
    some(record)
    (chart,) = [one for one in page_of(record).charts if one.label.startswith("A line a finished trial")]
    assert sorted(chart.texts("axis-name")) == ["hidden_size", "learning_rate", "validation accuracy"]
    assert len(chart.drawn("line", "axis")) == 3


def test_the_answers_of_several_nets_are_counted_as_such(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec())
    for value in (0.6, 0.61):
        add(record, value, hidden_size=4, learning_rate=0.01)
    confirmed_as(record, CONFIRMATION)
    seeds = {"seeds": [21, 22, 23], "confusion": [[45, 15], [27, 33]], "search_trials": 2}
    record.set("tests", [TEST | seeds])
    plain = page_of(record).plain
    assert "120 answers: 40 test images, each by 3 nets, by true and predicted class: trial 1" in plain
    assert "On the test, the mean of 3 nets" in plain
    worst, best = plain.index("20 55.0%"), plain.index("20 75.0%")
    assert worst < best, "the worst comes first"
    assert "cat (27 of 60)" in plain[worst:best]


def test_a_search_whose_best_is_worse_than_confirmed_shows_no_bias(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec())
    for value in (0.6, 0.61):
        add(record, value, hidden_size=4, learning_rate=0.01)
    confirmed_as(record, CONFIRMATION | {"selection_bias": -0.03})
    plain = page_of(record).plain
    assert "none seen selection bias: the search's best is no better than the confirmed mean" in plain
    assert "-3.00" not in plain


def test_options_that_do_nothing_are_not_among_the_winners(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec())
    add(record, 0.6, hidden_size=4, learning_rate=0.01)
    shown = summarize(record, record.own_trials()).params
    assert {"hidden_size", "learning_rate", "preprocessing"} < {*shown}
    assert not {"whitening_epsilon", "components", "bins"} & {*shown}


def test_an_option_that_a_study_fixes_for_others_of_its_trials_is_not_the_winners(tmp_path: Path) -> None:
    given = spec(fixed={"preprocessing": "scale", "bins": 16, "components": 20, "momentum": 0.0})
    record = new_study(tmp_path, given)
    add(record, 0.6, hidden_size=4, learning_rate=0.01)
    shown = summarize(record, record.own_trials()).params
    assert "momentum" in shown, "it is off because somebody wants it so"
    assert not {"components", "bins"} & {*shown}


def test_what_took_a_moment_did_not_take_no_time() -> None:
    said = [duration(seconds) for seconds in (0.0, 0.012, 0.44, 7.03, 9.96, 75)]
    assert said == ["less than 0.01 s", "0.012 s", "0.44 s", "7 s", "10 s", "1 min 15 s"]


def test_all_trials_are_in_a_table_the_best_first(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec())
    record.optuna_study().add_trial(create_trial(value=0.999))
    add(record, 0.5, hidden_size=5, learning_rate=0.01)
    add(record, 0.7, hidden_size=6, learning_rate=0.02)
    add(record, 0.9, TrialState.PRUNED, hidden_size=7, learning_rate=0.03)
    table = trial_table(record)
    titles = ["trial", "state", "validation accuracy", "hidden_size", "learning_rate"]
    assert [name for name, _ in table.columns][:5] == titles
    assert [row[:4] for row in table.rows] == [
        ["2", "finished", "70.00%", "6"],
        ["1", "finished", "50.00%", "5"],
        ["3", "pruned", "90.00%", "7"],
    ]
    assert "3 trials, the best first" in page_of(record).plain


def test_the_commands_to_get_the_net_are_named(finished: Callable[..., StudyRecord]) -> None:
    record = finished()
    plain = page_of(record).plain
    assert record.command("export", "-o", "best", "--onnx") in plain
    assert "mlpsearch predict best image.png" in plain


def test_the_page_shows_the_winner_and_its_net(finished: Callable[..., StudyRecord]) -> None:
    record = finished()
    report = evaluate(record, "mlpsearch evaluate mine")
    page = page_of(record)
    assert f"Winner: trial {report.trial}" in page.plain
    assert f"{report.accuracy:.2%} test accuracy, 95% interval" in page.plain
    assert "hidden_size" in page.plain
    assert "mlpsearch evaluate mine" in page.plain
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert pictures[0]["alt"] == "First-layer weights as images"
    assert 1 <= len(pictures) - 1 <= 18
    assert "Not shown: " not in page.plain


def test_nothing_is_opened_for_it(finished: Callable[..., StudyRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError

    record = finished()
    monkeypatch.setattr("mlpsearch.search.results.finalize.open_test_split", refuse)
    page = page_of(record)
    assert "The test split is still sealed." in page.plain
    assert "None: the test split is sealed." in page.plain
    assert record.attributes()["tests"] == []


def test_mistakes_are_of_the_validation_split_the_surest_first(finished: Callable[..., StudyRecord]) -> None:
    page = page_of(finished())
    shares = [float(share) for share in re.findall(r"taken for \d, ([0-9.]+)%", page.plain)]
    assert shares == sorted(shares, reverse=True)
    assert 1 <= len(shares) <= 18
    sizes = {Image.open(io.BytesIO(png)).size for png in pngs(page)[1:]}
    assert sizes == {(8, 8)}


def pngs(page: Page) -> list[bytes]:
    sources = [attributes["src"] or "" for tag, attributes in page.tags if tag == "img"]
    return [base64.b64decode(source.removeprefix("data:image/png;base64,")) for source in sources]


def test_without_its_weights_the_rest_is_shown(finished: Callable[..., StudyRecord]) -> None:
    record = finished()
    for number in kept_weights(folder_of(record)):
        (folder_of(record) / "weights" / f"{number}.safetensors").unlink()
    page = page_of(record)
    assert "Not shown: " in page.plain
    assert "search" in page.ids
    assert pngs(page) == []


def test_a_confirmation_is_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(record: StudyRecord) -> None:
        raise StudyError("its runs are not done")

    monkeypatch.setattr("mlpsearch.search.report.study_report.load_winner", gone)
    record = new_study(tmp_path, spec())
    add(record, 0.61, hidden_size=4, learning_rate=0.01)
    add(record, 0.6, hidden_size=5, learning_rate=0.01)
    confirmed_as(record, CONFIRMATION)
    seeds = {"seeds": [21, 22, 23], "accuracies": [0.55, 0.56, 0.5475], "deviation": 0.0066, "search_trials": 2}
    record.set("tests", [TEST | seeds])
    page = page_of(record)
    assert "Winner: trial 1" in page.plain
    assert "55.25% ± 0.66 test accuracy, mean ± sd over 3 seeds, 95% interval 51.0% – 59.0%" in page.plain
    assert "58.00% ± 2.00 confirmed validation accuracy, mean ± sd over 3 seeds" in page.plain
    assert "1 (winner) 60.00% 58.00% ± 1.00 57.00% 58.00% 59.00%" in page.plain
    assert "3 seeds that had no part in choosing it: 58.00% ± 2.00 (56.00%, 58.00%, 60.00%)." in page.plain
    assert "is 3.00 points above the mean of trial 1 over its 3 reported runs" in page.plain
    assert "The lead of trial 1 may be luck with its seeds (3 seeds, p ≤ 0.2)." in page.plain
    add(record, 0.7, hidden_size=5, learning_rate=0.01)
    later = page_of(record)
    assert "Winner: trial 1" in later.plain
    assert "Confirmed when the search had 2 trials, it has 3 by now; `mlpsearch confirm mine` conf" in later.plain
    assert "55.25% ± 0.66 test accuracy" in later.plain


def test_a_winner_is_not_shown_with_the_test_of_another(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec())
    add(record, 0.61, hidden_size=4, learning_rate=0.01)
    add(record, 0.6, hidden_size=5, learning_rate=0.01)
    record.set("tests", [TEST])  # of trial 1
    page = page_of(record)
    assert "Winner: trial 0" in page.plain
    assert "test accuracy," not in page.plain
    assert "Trial 0 is not tested; the openings below are of other nets." in page.plain


def test_why_there_is_no_winner_is_said(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(trials=2))
    for _ in range(2):
        add(record, 0.1, TrialState.PRUNED, hidden_size=5, learning_rate=0.01)
    assert (
        "all 2 trials were pruned, so there is no winner; `mlpsearch run mine --trials 4`" in page_of(record).plain
    )


def test_every_opening_is_in_the_log(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec())
    one(record)
    record.set("tests", [TEST, TEST | {"opening": 2, "command": "mlpsearch evaluate mine", "search_trials": 7}])
    assert (
        "1 2026-01-02 03:04:05 UTC mlpsearch run mine 1 – 58.00% 55.25% 51.0% – 59.0% "
        "2 2026-01-02 03:04:05 UTC mlpsearch evaluate mine 1 7 58.00% 55.25% 51.0% – 59.0%"
    ) in page_of(record).plain


# ---- one file, and nothing of a study's in its markup ----


def test_it_needs_no_other_file(tmp_path: Path) -> None:
    record = new_study(tmp_path)
    some(record)
    page = page_of(record)
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    addresses = [attributes.get(key) for _, attributes in page.tags for key in ("src", "href", "srcset")]
    assert all(address is None or address.startswith(("#", "data:image/png")) for address in addresses)
    assert page.scripts == []


def test_the_policy_lets_no_script_run(tmp_path: Path) -> None:
    page = page_of(new_study(tmp_path))
    (policy,) = [attributes["content"] or "" for tag, attributes in page.tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; ")
    assert "script" not in policy


def test_what_a_storage_says_stays_text(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(search={"optimizer": {"choices": ["sgd", "adam"]}}))
    clean = page_of(record)
    planted: dict[str, BaseDistribution] = {"optimizer": CategoricalDistribution(("sgd", "adam", HOSTILE))}
    for number in range(FEWEST_FINISHED):
        add(record, 0.3 + 0.02 * number, space=planted, optimizer=(HOSTILE, "sgd")[number % 2])
    add(record, 0.1, TrialState.FAIL)
    text = {"classes": [HOSTILE, "dog"], "command": HOSTILE, "when": HOSTILE}
    record.set("tests", [TEST | text])
    record.set("source", {"data": HOSTILE, "fingerprint": HOSTILE})
    page = report_page(record)
    assert b"<script>window.ran" not in page
    read = Page(page)
    assert {tag for tag, _ in read.tags} - {tag for tag, _ in clean.tags} <= PAGE_TAGS
    assert read.scripts == []
    assert read.text.count(HOSTILE) >= 4
    assert any(HOSTILE in tip for chart in read.charts for tip in chart.tips("path"))


PAGE_TAGS = {
    *("div", "figure", "h3", "img", "thead", "th", "td", "tr", "table", "tbody", "b", "span", "code", "dl", "dt"),
    *("svg", "path", "line", "text", "title", "circle", "rect", "i", "p", "dd"),
}


# ---- the command ----


def test_the_command_writes_the_page(
    finished: Callable[..., StudyRecord], mlpsearch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT, finished().url)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    answer = mlpsearch("report", "mine")
    assert (answer.code, answer.out, answer.err) == (0, "", "wrote mine.html\n")
    assert Path("mine.html").read_bytes().startswith(b"<!DOCTYPE html>")
    assert opened == []
    assert mlpsearch("report", "mine", "-o", "sub/it.html", "--open").code == 0
    assert opened == [Path("sub/it.html").absolute().as_uri()]
    assert Path("sub/it.html").exists()
