"""The report of a study: its winner, what confirmed it, and its tests."""

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial
from PIL import Image

from mlpsearch.models.errors import StudyError
from mlpsearch.search.report.summary import summarize
from mlpsearch.search.report.trials import trial_table
from mlpsearch.search.results.wording import duration
from mlpsearch.search.service import evaluate
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import confirmed_as, kept_weights
from tests.search.pages import CONFIRMATION, TEST, Page
from tests.search.report.makers import (
    add,
    one,
    page_of,
    some,
)
from tests.studies.stores import folder_of, new_study, spec


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
    assert "--ensemble" not in plain, "nothing is confirmed"


def test_of_a_confirmed_winner_all_reported_nets_may_be_taken(tmp_path: Path) -> None:
    record = new_study(tmp_path, spec())
    add(record, 0.6, hidden_size=5, learning_rate=0.01)
    add(record, 0.61, hidden_size=4, learning_rate=0.01)
    confirmed_as(record, CONFIRMATION)
    plain = page_of(record).plain
    assert record.command("export", "-o", "best", "--ensemble", "--onnx") in plain
    assert "all 3 reported nets, averaged" in plain


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
