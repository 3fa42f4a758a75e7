"""After the search: the best trial on the test split. The only module that opens one.

Each opening is recorded on the study, so that a number that was looked at often cannot pass for one that was
looked at once.
"""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.announcements import announce
from mlpsearch.models.arrays import Labels
from mlpsearch.models.errors import DataError
from mlpsearch.models.metrics import confusion_matrix, split_logits
from mlpsearch.models.score_interval import score_interval
from mlpsearch.models.scores import ACCURACY, Metric
from mlpsearch.models.statistics import accuracy_interval, deviation, mean
from mlpsearch.search.results.average import nets_average, validation_temperature
from mlpsearch.search.results.confirmation import Confirmation, last_confirmation, refuse_runs, to_json
from mlpsearch.search.results.hits import keep_hits
from mlpsearch.search.results.openings import TestReport, report_of
from mlpsearch.search.results.winner import Winner, best_of_search, reported_nets, with_net
from mlpsearch.search.results.wording import items
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.data.holdout import TestData, open_test_split
from mlpsearch.studies.data.training import own_copy
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import exclusive
from mlpsearch.studies.study_data import load_study_data


def evaluate(record: StudyRecord, command: str) -> TestReport:
    """Evaluate the winner on the test split, and record it; what was tested is not tested again.

    command: what opened it, for the record.
    """
    refuse_runs(record)
    with exclusive(record.url, "opening"):  # two that finish a study at once open its test split once
        return _evaluated(record, command)


def _evaluated(record: StudyRecord, command: str) -> TestReport:
    confirmation = last_confirmation(record)
    if confirmation is not None:
        return _confirmed(record, confirmation, command)
    best = best_of_search(record)
    return report_of(record, best.number, []) or _open(
        [with_net(record, best, load_study_data(record))], record, command
    )


def confirm(record: StudyRecord, confirmation: Confirmation, command: str) -> TestReport:
    """Record a confirmation, and evaluate the reported runs of its winner on the test split, in one opening.

    What was tested is not tested again: the same winner over the same seeds gives the report there is.
    """
    with exclusive(record.url, "opening"):
        report = _confirmed(record, confirmation, command)
        record.set("confirmation", to_json(confirmation))  # last: whoever finds one finds its test as well
        return report


def _confirmed(record: StudyRecord, confirmation: Confirmation, command: str) -> TestReport:
    known = report_of(record, confirmation.winner, confirmation.result.seeds)
    return known or _open(reported_nets(record, confirmation), record, command)


def _open(winners: list[Winner], record: StudyRecord, command: str) -> TestReport:
    """Open the test split for the nets of one configuration, and put what it said on record."""
    announce(f"testing trial {winners[0].trial} on the test split")
    temperature = validation_temperature(winners) if len(winners) > 1 else None  # before any test image is seen
    dataset, recorded = record.spec.dataset, record.attributes()["source"]["data"]
    held_out = open_test_split(dataset, data := own_copy(dataset, recorded), record.spec.data_options)
    if held_out.classes != winners[0].data.classes or held_out.shape != winners[0].data.shape:
        raise DataError(
            f"study {record.name}: its test {items(dataset)} have other classes or another size than in training",
            study=record.name,
            path=data,
        )
    _refuse_other_images(record, held_out.fingerprint, str(data or dataset))
    labels = held_out.test.labels[held_out.test.rows]
    logits = np.stack([split_logits(one.net, held_out.test, one.preprocessing) for one in winners])
    report = _with_score(
        _report(winners, record, held_out, logits, command), record.metric, winners, logits, labels
    )
    if len(winners) > 1:
        report = replace(report, average=nets_average(logits, labels, record.metric, temperature))
    return _on_record(record, report)


def _report(
    winners: list[Winner], record: StudyRecord, held_out: TestData, logits: NDArray[Any], command: str
) -> TestReport:
    """What the nets got right. logits: (nets, images, classes)."""
    labels, predictions = held_out.test.labels[held_out.test.rows], logits.argmax(axis=2)
    correct = predictions == labels
    accuracies = [float(share) for share in correct.mean(axis=1)]
    return TestReport(
        trial=winners[0].trial,
        validation_accuracy=mean([one.validation_accuracy for one in winners]),
        accuracy=mean(accuracies),
        interval=[*accuracy_interval(correct)],
        images=len(labels),
        classes=list(held_out.classes),
        confusion=confusion_matrix(
            predictions.ravel(), np.tile(labels, len(winners)), len(held_out.classes)
        ).tolist(),
        fingerprint=held_out.fingerprint,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        opening=len(record.attributes()["tests"]) + 1,
        seeds=[one.config.seed for one in winners] if len(winners) > 1 else [],
        accuracies=accuracies,
        deviation=deviation(accuracies),
        search_trials=Ledger(record).ended(),
        hits=keep_hits(record, correct),
        also_in_training=held_out.also_in_training,
    )


def _with_score(
    report: TestReport, metric: Metric, winners: list[Winner], logits: NDArray[Any], labels: Labels
) -> TestReport:
    """The report with what its nets reach by the study's metric. logits: (nets, images, classes)."""
    scored = replace(
        report,
        metric=metric.name,
        validation_score=mean([one.validation_score for one in winners]),
    )
    if metric is ACCURACY:
        return replace(
            scored,
            score=report.accuracy,
            scores=report.accuracies,
            score_deviation=report.deviation,
            score_interval=report.interval,
        )
    if not metric.is_defined(labels):
        return scored
    scores = [metric.score(one, labels) for one in logits]
    return replace(
        scored,
        score=mean(scores),
        scores=scores,
        score_deviation=deviation(scores),
        score_interval=[*score_interval(metric, logits, labels)],
    )


def _refuse_other_images(record: StudyRecord, fingerprint: str, where: str) -> None:
    """Raise DataError for other test images than the first opening's."""
    tests = record.attributes()["tests"]
    if tests and (first := tests[0].get("fingerprint", fingerprint)) != fingerprint:
        what = items(record.spec.dataset)
        raise DataError(
            f"study {record.name}: its test {what} had the fingerprint {first[:12]} when they were first tested, "
            f"those at {where} have {fingerprint[:12]}; nothing was tested",
            study=record.name,
        )


def _on_record(record: StudyRecord, report: TestReport) -> TestReport:
    """Add the report to the study's openings, which another process may have added to since; return it as kept."""
    kept = report

    def add(tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal kept
        if asdict(kept) in tests:  # the answer to the first attempt got lost
            return tests
        kept = replace(report, opening=len(tests) + 1)
        return [*tests, asdict(kept)]

    record.change("tests", add)
    return kept
