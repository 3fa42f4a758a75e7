"""Studies by other metrics than accuracy, from search to export; of losses the lowest is the best everywhere."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from mlpsearch.models.errors import StudyError
from mlpsearch.models.metrics import accuracy, split_logits
from mlpsearch.models.scores import METRICS, log_probabilities
from mlpsearch.search.cli.progress import SearchProgress
from mlpsearch.search.dashboard.note import note
from mlpsearch.search.export.exporting import export_study
from mlpsearch.search.report.comparison import compare
from mlpsearch.search.report.figures import history
from mlpsearch.search.report.side_by_side import curves, rows
from mlpsearch.search.report.study_report import report_page
from mlpsearch.search.results.confirmation import last_confirmation, runs_of
from mlpsearch.search.results.confirming import confirmed
from mlpsearch.search.results.headline import headline
from mlpsearch.search.results.openings import openings_of
from mlpsearch.search.results.status import study_status
from mlpsearch.search.results.trial import trials_of
from mlpsearch.search.results.winner import load_winner, with_net
from mlpsearch.search.results.wording import percent, score
from mlpsearch.search.service import confirm
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.training import load_training
from mlpsearch.studies.record import StudyRecord, open_study
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.study_data import load_study_data, source_of
from tests.models.oracles import ORACLES
from tests.search.conftest import Command
from tests.search.export.reading import read_export
from tests.search.makers import NETS, TESTED, confirmation_runs, never, run_both, searched_to
from tests.search.pages import Page, charts
from tests.studies.stores import SOURCE, new_storage, spec

OTHERS = [name for name in METRICS if name != "accuracy"]
ASKED = Confirm(top=2, seeds=2, report=3)


def searched(folder: Path, net: str, metric: str) -> StudyRecord:
    """A study of the digits that was searched, confirmed and tested."""
    specification = spec(
        name=f"{net}-{metric}",
        trials=3,
        epochs=2,
        net=net,
        validation=250,
        metric=metric,
        fixed=NETS[net] | {"batch_size": 128},
    )
    images = load_training("digits", None, validation=250, split_seed=0)
    source = {"data": None, "fingerprint": images.fingerprint}
    record = create_or_resume(new_storage(folder), specification, trials=None, source=source)
    Worker(record, load_study_data(record), never).run()
    confirmation_runs(record, ASKED)
    confirm(record, confirmed(record, ASKED), "mlpsearch run mine")
    return record


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], StudyRecord]:
    """Such a study, made once for each net and metric: it is only looked at."""

    @cache
    def get(net: str, metric: str) -> StudyRecord:
        return searched(tmp_path_factory.mktemp(f"{net}-{metric}"), net, metric)

    return get


Made = Callable[[str, str], StudyRecord]
EACH = pytest.mark.parametrize(("net", "metric"), [(net, metric) for net in NETS for metric in OTHERS])


# ---- from the search to the export ----


@EACH
def test_trials_report_the_metric_and_the_best_wins(made: Made, net: str, metric: str) -> None:
    record = made(net, metric)
    trials, ranked = record.own_trials(), METRICS[metric]
    lowest = metric == "log-loss"
    values = [trial.value for trial in trials if trial.value is not None]
    assert len(set(values)) == len(trials) == 3
    for trial in trials:
        assert trial.value == trial.intermediate_values[2]
        assert 0 <= trial.user_attrs["validation_accuracy"] <= 1
    best = Ledger(record).best()
    assert best is not None
    assert best.value == (min if lowest else max)(values)
    assert record.optuna_study().best_trial.number == best.number
    assert record.optuna_study().direction == (StudyDirection.MINIMIZE if lowest else StudyDirection.MAXIMIZE)
    assert record.optuna_study().metric_names == [f"validation {ranked.title}"]
    status = study_status(record, Ledger(record))
    assert (status.metric, status.best and status.best.validation_score) == (metric, best.value)
    assert status.best is not None
    assert status.best.validation_accuracy == best.user_attrs["validation_accuracy"]
    plain = trials_of(record)[best.number]
    assert (plain.validation_score, plain.validation_accuracy) == (best.value, status.best.validation_accuracy)


@EACH
def test_a_confirmation_and_a_test_say_what_the_nets_reach(made: Made, net: str, metric: str) -> None:
    record = made(net, metric)
    found, data = last_confirmation(record), load_study_data(record)
    assert found is not None
    runs = runs_of(record, found)
    nets = [with_net(record, run, data, found) for run in runs]
    validation, test = data.validation, open_test_split("digits", None).test
    of_validation, of_test, accuracies, shares = [], [], [], []
    for one in nets:
        logits = split_logits(one.net, validation, one.preprocessing).astype(np.float64)
        of_validation.append(ORACLES[metric](logits, validation.labels[validation.rows]))
        accuracies.append(accuracy(logits.argmax(axis=1), validation))
        logits = split_logits(one.net, test, one.preprocessing).astype(np.float64)
        of_test.append(ORACLES[metric](logits, test.labels[test.rows]))
        shares.append(np.exp(log_probabilities(logits)))
    assert found.result.scores == pytest.approx(of_validation)
    assert found.result.accuracies == pytest.approx(accuracies)
    assert found.result.mean == pytest.approx(np.mean(of_validation))
    (opening,) = openings_of(record)
    assert (opening["metric"], opening["scores"]) == (metric, pytest.approx(of_test))
    assert opening["score"] == pytest.approx(np.mean(of_test))
    assert opening["score_interval"][0] < opening["score"] < opening["score_interval"][1]
    assert opening["interval"][0] < opening["accuracy"] < opening["interval"][1]
    assert opening["validation_score"] == pytest.approx(np.mean(of_validation))
    assert opening["score"] != opening["accuracy"]
    average, together = opening["average"], np.log(np.mean(shares, axis=0))
    assert average["score"] == pytest.approx(ORACLES[metric](together, test.labels[test.rows]))
    assert average["score_interval"][0] < average["score"] < average["score_interval"][1]
    assert average["accuracy"] == accuracy(together.argmax(axis=1), test)
    first = headline(record, Ledger(record))
    assert first is not None
    assert (first.validation, first.test) == (found.result.mean, opening)
    assert first.validation_accuracy == pytest.approx(np.mean(accuracies))


@EACH
def test_the_best_of_the_reported_nets_is_exported(made: Made, net: str, metric: str, tmp_path: Path) -> None:
    record = made(net, metric)
    found, ranked = last_confirmation(record), METRICS[metric]
    assert found is not None
    best = (min if metric == "log-loss" else max)(found.result.scores)
    winner = load_winner(record)
    assert winner.validation_score == best
    exported = export_study(record, tmp_path / "best")
    assert f"of its 3 reported nets the one of the {ranked.extreme} validation {ranked.title}" in exported.taken
    document = read_export(tmp_path / "best")
    (opening,) = openings_of(record)
    place = opening["seeds"].index(document.config["seed"])
    assert document.metric == metric
    assert document.score is not None
    assert (document.score.validation, document.score.this_net_on_test) == (best, opening["scores"][place])
    assert (document.score.test, document.score.test_interval) == (opening["score"], opening["score_interval"])
    assert document.score.confirmations == found.result.scores
    assert document.score.selection_bias == found.selection_bias
    assert document.accuracy.validation == winner.validation_accuracy
    assert document.accuracy.test is not None
    assert document.accuracy.test.accuracy == opening["accuracy"]
    assert document.accuracy.confirmation is not None
    assert document.accuracy.confirmation.accuracies == found.result.accuracies
    assert document.accuracy.confirmation.mean == pytest.approx(np.mean(found.result.accuracies))


@pytest.mark.parametrize("metric", OTHERS)
def test_everything_shown_names_the_metric_and_the_accuracy_beside_it(
    made: Made, mlpsearch: Command, metric: str
) -> None:
    record, ranked = made("numpy", metric), METRICS[metric]
    (opening,) = openings_of(record)
    found = last_confirmation(record)
    assert found is not None
    best = ranked.best(one.search_score for one in found.candidates)
    of_test, of_accuracy = score(opening["score"], ranked), percent(opening["accuracy"])
    shown = mlpsearch("status", record.name, "--storage", record.url).out
    assert f"{ranked.title} {of_test} ± " in shown
    assert f"accuracy {of_accuracy} ± " in shown
    assert f"the search's best validation {ranked.title}, {score(best, ranked)}, is " in shown
    text = note(record)
    extreme = "lowest" if metric == "log-loss" else "highest"
    assert f"give the NumPy net the {extreme} validation {ranked.title} on digits?" in text
    assert f"**{of_test} ± " in text
    assert of_accuracy in text
    page = Page(report_page(record)).plain
    assert f"test {ranked.title} of one net, mean ± sd over 3 seeds" in page
    assert f"{of_accuracy} ± " in page
    assert f"Time against {ranked.title}" in page
    document = json.loads(mlpsearch("status", record.name, "--storage", record.url, "--json").out)
    assert (document["metric"], document["tests"][0]["score"]) == (metric, opening["score"])


def test_studies_by_different_metrics_are_compared_by_their_accuracies(made: Made) -> None:
    one, other = made("numpy", "auc"), made("numpy", "log-loss")
    comparison = compare([one, other])
    table = {row.name: row.values for row in rows(comparison.studies)}
    assert table["metric"] == ["AUC", "log loss"]
    assert table["test accuracy ± sd"][0].startswith(percent(openings_of(one)[0]["accuracy"]))
    assert table["test by that metric ± sd"][1].startswith(
        score(openings_of(other)[0]["score"], METRICS["log-loss"])
    )
    assert curves(comparison.studies)[0] == "validation by epoch, each on its own scale"
    assert (
        "They were searched by different metrics (AUC, log loss): none is compared but the accuracy."
        in comparison.warnings
    )
    assert any("points of accuracy" in finding for finding in comparison.findings)


def test_with_folds_a_trial_has_the_mean_loss_and_its_net_that_of_its_own_fold(tmp_path: Path) -> None:
    fixed = NETS["numpy"] | {"batch_size": 128}
    specification = spec(trials=1, epochs=1, folds=2, metric="log-loss", fixed=fixed)
    images = load_training("digits", None, validation=None, split_seed=0, folds=2)
    record = create_or_resume(new_storage(tmp_path), specification, trials=None, source=source_of(images, None))
    Worker(record, load_study_data(record), never).run()
    (trial,) = record.own_trials()
    assert trial.value == pytest.approx(np.mean(trial.user_attrs["fold_scores"]))
    assert trial.user_attrs["validation_accuracy"] == pytest.approx(np.mean(trial.user_attrs["fold_accuracies"]))
    winner = load_winner(record)
    logits = split_logits(winner.net, winner.data.validation, winner.preprocessing).astype(np.float64)
    labels = winner.data.validation.labels[winner.data.validation.rows]
    assert winner.validation_score == trial.user_attrs["fold_scores"][0]
    assert winner.validation_score == pytest.approx(ORACLES["log-loss"](logits, labels))


# ---- the direction of a loss, where a wrong one would show ----


def with_losses(folder: Path, *losses: float, **changes: Any) -> StudyRecord:
    """A study by log loss whose trials are done, with these validation losses and no weights."""
    return searched_to(folder, *losses, metric="log-loss", **changes)


def test_the_lowest_losses_come_first_also_those_above_1(tmp_path: Path) -> None:
    record = with_losses(tmp_path, 2.5, 0.3, 1.5, 0.3)
    assert [trial.number for trial in Ledger(record).top(4)] == [1, 3, 2, 0]
    status = study_status(record, Ledger(record))
    assert status.best is not None
    assert (status.best.number, status.best.validation_score, status.best.validation_accuracy) == (1, 0.3, 0.5)


@pytest.mark.parametrize("pruner", ["halving", "leader", "median", "hyperband"])
def test_the_higher_losses_are_pruned(tmp_path: Path, pruner: str) -> None:
    losses = [*np.random.default_rng(0).permutation(np.linspace(0.1, 3, 30))]
    record = with_losses(tmp_path, *map(float, losses), pruner=pruner, epochs=9)
    pruned = [loss for loss, trial in zip(losses, record.own_trials(), strict=True) if is_pruned(trial)]
    others = [loss for loss, trial in zip(losses, record.own_trials(), strict=True) if not is_pruned(trial)]
    assert len(pruned) >= 3
    assert np.mean(pruned) > np.mean(others)
    assert min(others) == min(losses)


def is_pruned(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.PRUNED


def test_the_lowest_mean_loss_wins_and_the_bias_is_by_how_much_the_search_was_luckier(tmp_path: Path) -> None:
    record = with_losses(tmp_path, 0.5, 0.2, 0.3, 0.9)
    losses = {1: [0.40, 0.42, 0.41], 2: [0.30, 0.31, 0.32, 0.30, 0.31], 0: [0.45, 0.39, 0.42]}
    found = run_both(record, Confirm(top=3, seeds=3, report=2), losses, validation_accuracy=0.9)
    assert [one.trial for one in found.candidates] == [2, 1, 0]
    assert found.winner == 2
    assert found.selection_bias == pytest.approx(found.result.mean - 0.2)
    assert found.selection_bias > 0.1
    assert found.chance is not None
    assert found.chance < 0.1, "it leads with all seeds, and the highest loss with two"
    assert found.result.accuracies == [0.9, 0.9]


def test_weights_of_a_higher_loss_than_the_best_are_not_kept(tmp_path: Path) -> None:
    record = with_losses(tmp_path, 0.5)
    worker = Worker(record, load_training("digits", None, validation=250, split_seed=0), never)

    class Outcome:
        score = 0.4

    assert worker._keeps_weights(Outcome())  # type: ignore[arg-type]
    Outcome.score = 0.6
    assert not worker._keeps_weights(Outcome())  # type: ignore[arg-type]


def test_progress_shows_the_lowest_loss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = with_losses(tmp_path, 2.0, 0.25, 0.5)
    with SearchProgress(Console(stderr=True, force_terminal=False)).shown() as progress:
        progress.update(study_status(record, Ledger(record)))
    assert "3/3 trials, best log loss 0.2500 (trial 1), 0 pruned" in capsys.readouterr().err


def test_the_history_of_the_best_goes_down(tmp_path: Path) -> None:
    record = with_losses(tmp_path, 0.5, 0.7, 0.3, 0.4)
    (chart,) = charts(history(record.own_trials(), METRICS["log-loss"]))
    (best,) = chart.drawn("path", "best")
    heights = [float(place) for place in re.findall(r"V([0-9.]+)", best.get("d", ""))]
    assert heights == sorted(heights), "downwards on the page"
    assert "validation log loss" in chart.texts("title")


# ---- what a study keeps ----


def test_a_study_of_an_earlier_version_is_by_accuracy(tmp_path: Path) -> None:
    record = create_or_resume(new_storage(tmp_path), spec(), trials=None, source=SOURCE)
    kept = record.attributes()["spec"]
    del kept["metric"]
    record.set("spec", kept)
    older = open_study(record.url, record.name)
    assert older.metric.name == "accuracy"
    assert create_or_resume(record.url, spec(), trials=None, source=SOURCE).id == record.id


def test_another_metric_is_another_study(tmp_path: Path) -> None:
    record = create_or_resume(new_storage(tmp_path), spec(), trials=None, source=SOURCE)
    with pytest.raises(StudyError, match=r'\(metric: "accuracy" → "log-loss"\)'):
        create_or_resume(record.url, spec(metric="log-loss"), trials=None, source=SOURCE)


def test_a_test_that_an_earlier_version_recorded_has_its_accuracy_as_its_score(tmp_path: Path) -> None:
    record = create_or_resume(new_storage(tmp_path), spec(), trials=None, source=SOURCE)
    record.set("tests", [TESTED])
    (opening,) = openings_of(record)
    assert (opening["metric"], opening["score"], opening["score_interval"]) == ("accuracy", 0.25, [0.2, 0.31])
    assert (opening["scores"], opening["validation_score"]) == ([], 0.5)


def one_kind_from(day: int, folder: Path) -> None:
    """Write a study by AUC of 100 days, the last 20 for the test; from this day on all rows are of one class."""
    lines = ["day,value,kind", *(f"{row},{row % 7},{'ab'[row % 2] if row < day else 'a'}" for row in range(100))]
    (folder / "rows.csv").write_text("\n".join(lines))
    document: dict[str, Any] = {"name": "one", "net": "numpy", "dataset": "table", "data": "rows.csv"}
    document |= {"label": "kind", "order": "day", "metric": "auc", "budget": {"trials": 1, "epochs": 1}}
    document |= {"search": {"hidden_size": {"low": 2, "high": 4}}}
    (folder / "one.toml").write_text(tomli_w.dumps(document))


def test_a_metric_that_one_class_cannot_have_is_refused_before_the_search(
    tmp_path: Path, mlpsearch: Command
) -> None:
    one_kind_from(40, tmp_path)
    answer = mlpsearch("submit", "one.toml")
    assert answer.code == 1
    assert answer.err.splitlines()[-1] == (
        "error: study one: metric = 'auc' needs two classes to tell apart, and for validation there is only 'a'; "
        "choose another metric, or a larger validation split"
    )
    assert mlpsearch("status", "one").code == 1


def test_a_test_split_of_one_class_has_an_accuracy_and_no_auc(tmp_path: Path, mlpsearch: Command) -> None:
    one_kind_from(80, tmp_path)
    assert mlpsearch("submit", "one.toml", "--no-evaluate").code == 0
    record = open_study(f"sqlite:///{tmp_path}/mlpsearch.db", "one")
    Worker(record, load_study_data(record), never).run()
    answer = mlpsearch("evaluate", "one")
    assert answer.code == 0
    (opening,) = openings_of(record)
    assert (opening["score"], opening["scores"], opening["score_interval"]) == (None, [], None)
    assert 0 <= opening["accuracy"] <= 1
    assert "AUC – (–), accuracy " in answer.out
    assert "its test images are all of one class, and have no AUC" in answer.out
    assert "AUC" in Page(report_page(record)).plain
    document = export_study(record, tmp_path / "best.toml")
    assert document.missing == ""
    exported = read_export(tmp_path / "best.toml")
    assert exported.score is not None
    assert (exported.score.test, exported.score.tests) == (None, [])
