"""The report of a study: what is on the page, for any study, and that nothing of a study's becomes markup."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from PIL import Image

from mlpsearch.models.errors import StudyError
from mlpsearch.search.report.study_report import report_page
from mlpsearch.search.service import evaluate
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
    for _ in range(12):
        add(record, 0.5, hidden_size=5, learning_rate=0.01)


def pruned_and_failed(record: StudyRecord) -> None:
    add(record, 0.1, TrialState.PRUNED, hidden_size=5, learning_rate=0.01)
    add(record, 0.1, TrialState.FAIL)


def some(record: StudyRecord) -> None:
    for number in range(12):
        add(record, 0.3 + 0.02 * number, hidden_size=4 + number, learning_rate=0.001 * (1 + number))
        add(record, 0.2, TrialState.PRUNED, hidden_size=4 + number, learning_rate=0.05)


ONE_FIELD = {"search": {"hidden_size": {"low": 4, "high": 16}}}
CATEGORICAL = {"search": {"optimizer": {"choices": ["sgd", "adam"]}, "batch_size": {"choices": [10, 20]}}}


def one_field(record: StudyRecord) -> None:
    for number in range(12):
        add(record, 0.3 + 0.02 * number, hidden_size=4 + number)


def categorical(record: StudyRecord) -> None:
    for number in range(12):
        add(record, 0.3 + 0.02 * number, optimizer=("sgd", "adam")[number % 2], batch_size=(10, 20)[number // 6])


ALWAYS = ["tests", "provenance"]


@pytest.mark.parametrize(
    ("changes", "fill", "expected"),
    [
        ({}, nothing, []),
        ({}, pruned_and_failed, ["search", "failed"]),
        ({}, one, ["winner", "search", "efficiency", "parallel", "slices", "net"]),
        ({}, all_alike, ["winner", "search", "efficiency", "parallel", "slices", "net"]),
        ({}, some, ["winner", "search", "efficiency", "importances", "parallel", "slices", "contours", "net"]),
        (ONE_FIELD, one_field, ["winner", "search", "efficiency", "importances", "parallel", "slices", "net"]),
        (
            CATEGORICAL,
            categorical,
            ["winner", "search", "efficiency", "importances", "parallel", "slices", "contours", "net"],
        ),
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
    drawn, best, *_ = page_of(record).plots[0]["data"]
    assert (drawn["x"], drawn["y"]) == ([1, 3, 5], [0.5, 0.25, 0.75])
    assert dict(zip(best["x"], best["y"], strict=True))[5] == 0.75


def test_hundreds_of_trials_make_no_more_plots_than_a_few(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec())
    for number in range(300):
        add(record, 0.3 + 0.001 * number, hidden_size=4 + number % 13, learning_rate=0.001 * (1 + number % 90))
    page = report_page(record)
    kinds = [trace["type"] for plot in Page(page).plots for trace in plot["data"]]
    assert kinds.count("contour") == 1
    assert len(page) < 8_000_000


# ---- what is on it ----


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
    assert "Not shown" not in page.plain


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
    assert sum("plotly.js v" in script for script in page.scripts) == 1


def test_the_policy_lets_no_other_script_run(tmp_path: Path) -> None:
    page = page_of(new_study(tmp_path))
    (policy,) = [attributes["content"] or "" for tag, attributes in page.tags if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none'; ")
    allowed = policy.split("script-src ")[1].split()
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in page.scripts]
    assert allowed == [f"'sha256-{digest}'" for digest in digests]


def test_what_a_storage_says_stays_text(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec(search={"optimizer": {"choices": ["sgd", "adam"]}}))
    clean = page_of(record)
    planted: dict[str, BaseDistribution] = {"optimizer": CategoricalDistribution(("sgd", "adam", HOSTILE))}
    for number in range(12):
        add(record, 0.3 + 0.02 * number, space=planted, optimizer=(HOSTILE, "sgd")[number % 2])
    add(record, 0.1, TrialState.FAIL)
    text = {"classes": [HOSTILE, "dog"], "command": HOSTILE, "when": HOSTILE}
    record.set("tests", [TEST | text])
    record.set("source", {"data": HOSTILE, "fingerprint": HOSTILE})
    page = report_page(record)
    assert b"<script>window.ran" not in page
    read = Page(page)
    assert {tag for tag, _ in read.tags} - {tag for tag, _ in clean.tags} <= PAGE_TAGS
    assert all(script in clean.scripts for script in read.scripts[-2:])
    assert read.text.count(HOSTILE) >= 4
    for plot in read.plots:
        assert re.findall(r"<(?!br>|extra>|/extra>|b>|/b>)", json.dumps(plot)) == []


PAGE_TAGS = {"div", "figure", "h3", "img", "thead", "th", "td", "tr", "table", "tbody", "b", "span", "code"}


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
