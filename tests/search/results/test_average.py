"""What the reported nets of a winner say together: tested in the one opening, kept, and shown beside one net."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from mlpsearch.models.ensemble import average_log_probabilities, calibration_error, fitted_temperature
from mlpsearch.models.metrics import probabilities, split_logits
from mlpsearch.models.scores import LOG_LOSS
from mlpsearch.models.statistics import wilson_interval
from mlpsearch.search.dashboard.note import note
from mlpsearch.search.report.study_report import report_page
from mlpsearch.search.results import average, finalize
from mlpsearch.search.results import openings as kept_openings
from mlpsearch.search.results.average import validation_temperature
from mlpsearch.search.results.confirmation import Confirmation
from mlpsearch.search.results.openings import openings_of, report_of
from mlpsearch.search.results.winner import reported_nets
from mlpsearch.search.results.wording import calibration
from mlpsearch.search.service import confirm, evaluate
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.record import StudyRecord
from tests.search.conftest import Command
from tests.search.makers import same_study

Confirmable = tuple[StudyRecord, Confirmation]


def test_the_average_of_the_reported_nets_is_tested_in_the_one_opening(
    confirmable: Confirmable, openings: list[str]
) -> None:
    record, found = confirmable
    said = confirm(record, found, "c").average
    assert said is not None
    assert openings == ["digits"]
    nets, held_out = reported_nets(record, found), open_test_split("digits", None).test
    labels = held_out.labels[held_out.rows]
    shares = np.mean([probabilities(one.net, held_out, one.preprocessing) for one in nets], axis=0)
    right = int((shares.argmax(axis=1) == labels).sum())
    assert said.accuracy == right / len(labels)
    assert said.interval == [*wilson_interval(right, len(labels))], "of this average, not of other seeds"
    assert (said.score, said.score_interval) == (said.accuracy, said.interval)
    assert said.log_loss == pytest.approx(-np.log(shares[np.arange(len(labels)), labels]).mean(), rel=1e-4)
    assert said.log_loss <= said.nets_log_loss, "the loss is convex"
    assert 0 <= said.calibration_error <= 1


def test_the_temperature_is_of_validation_images_alone(
    confirmable: Confirmable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known before the test split is open, and of the images that no net was trained on."""
    record, found = confirmable
    order: list[str] = []

    def fit(*given: Any) -> float | None:
        order.append("fit")
        return fitted_temperature(*given)

    def opened(*given: Any) -> Any:
        order.append("open")
        return open_test_split(*given)

    monkeypatch.setattr(average, "fitted_temperature", fit)
    monkeypatch.setattr(finalize, "open_test_split", opened)
    said = confirm(record, found, "c").average
    assert said is not None
    assert order == ["fit", "open"]
    nets = reported_nets(record, found)
    validation, held_out = nets[0].data.validation, open_test_split("digits", None).test

    def together(split: Any) -> Any:
        return average_log_probabilities(split_logits(one.net, split, one.preprocessing) for one in nets)

    expected = fitted_temperature(together(validation), validation.labels[validation.rows])
    assert expected is not None
    assert said.temperature == expected
    tempered, labels = together(held_out) / expected, held_out.labels[held_out.rows]
    assert said.tempered_log_loss == LOG_LOSS.score(tempered, labels)
    assert said.tempered_calibration_error == calibration_error(tempered, labels)


def test_nets_of_other_folds_have_no_temperature_in_common(confirmable: Confirmable) -> None:
    nets = reported_nets(*confirmable)
    assert validation_temperature(nets) is not None
    assert validation_temperature([replace(one, fold=place) for place, one in enumerate(nets)]) is None


def test_the_net_of_a_search_alone_has_no_average(finished: Callable[[], StudyRecord]) -> None:
    assert evaluate(finished(), "c").average is None


def test_what_is_kept_is_read_back(confirmable: Confirmable) -> None:
    record, found = confirmable
    report = confirm(record, found, "c")
    again = same_study(record)
    assert report_of(again, report.trial, report.seeds) == report
    assert openings_of(again) == [json.loads(json.dumps(asdict(report)))]


def without_average(record: StudyRecord, report: kept_openings.TestReport) -> None:
    """Keep the opening as versions did that knew no average."""
    kept = asdict(report)
    del kept["average"]
    record.set("tests", [kept])


def test_an_opening_of_an_earlier_version_has_no_average_and_stays_the_only_one(
    confirmable: Confirmable, openings: list[str]
) -> None:
    record, found = confirmable
    report = confirm(record, found, "c")
    without_average(record, report)
    assert report_of(record, report.trial, report.seeds) == replace(report, average=None)
    assert confirm(record, found, "again") == evaluate(record, "again") == replace(report, average=None)
    assert len(openings) == 1


def test_what_a_later_version_keeps_besides_is_passed_over(confirmable: Confirmable) -> None:
    record, found = confirmable
    report = confirm(record, found, "c")
    kept = asdict(report)
    record.set("tests", [kept | {"later": 1, "average": kept["average"] | {"later": 2}}])
    assert report_of(record, report.trial, report.seeds) == report


def shown(record: StudyRecord, mlpsearch: Command) -> dict[str, str]:
    """All texts about a study, by where they are."""
    return {
        "status": mlpsearch("status", record.name, "--storage", record.url).out,
        "report": report_page(record).decode(),
        "note": note(record),
    }


def test_one_net_and_the_average_are_shown_beside_each_other(confirmable: Confirmable, mlpsearch: Command) -> None:
    record, found = confirmable
    report = confirm(record, found, "c")
    said = report.average
    assert said is not None
    texts = shown(record, mlpsearch)
    assert f"  test       one net {report.accuracy:.2%} ± " in texts["status"]
    assert f"             the nets' average {said.accuracy:.2%} (95% interval " in texts["status"]
    trusted = calibration(asdict(said), "digits")
    assert f"the nets' average: {trusted}" in texts["status"]
    assert trusted in texts["report"]
    assert f"<b>{said.accuracy:.2%}</b> <span>test accuracy of the average of these nets" in texts["report"]
    assert f"| the average of these nets | {said.accuracy:.2%} |" in texts["note"]
    document = json.loads(mlpsearch("status", record.name, "--storage", record.url, "--json").out)
    assert document["headline"]["test"]["average"] == asdict(said)
    without_average(record, report)
    for where, text in shown(record, mlpsearch).items():
        assert not re.search(r"\baverage\b", text), where
        assert "one net" not in text, where
        assert f"{report.accuracy:.2%} ± " in text, where


def test_calibration_is_said_with_its_bins_and_without_a_temperature_where_there_is_none() -> None:
    said: dict[str, Any] = {
        "log_loss": 0.1,
        "nets_log_loss": 0.2,
        "calibration_error": 0.0123,
        "temperature": None,
    }
    before = "log loss 0.1000, of one net 0.2000; calibration error 1.23% (15 bins)"
    assert calibration(said, "iris") == before
    said |= {"temperature": 0.87654, "tempered_log_loss": 0.09, "tempered_calibration_error": 0.01}
    assert calibration(said, "iris") == (
        f"{before}; at the temperature 0.877, fitted on validation rows, log loss 0.0900, calibration error 1.00%"
    )
