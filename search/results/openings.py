"""What each opening of a study's test split said; finalize.py opens it and puts a report on record."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from mlpsearch.studies.record import StudyRecord


@dataclass(frozen=True, slots=True)
class NetsAverage:
    """What the average of several nets, the mean of their probabilities, reached on the test split.

    accuracy, interval: 0 to 1, and its 95% interval on new images, of this very average: nothing is known of other
        seeds.  score, score_interval: the same by the study's metric; None where it is not defined on the test
        images.
    log_loss: in nats.  nets_log_loss: the mean of what the nets have, each by itself.
    calibration_error: the expected one, 0 to 1 (models.ensemble.calibration_error).
    temperature: fitted on validation images; None where none was (results.average).
    tempered_log_loss, tempered_calibration_error: with the average's log-probabilities divided by the temperature.
    """

    accuracy: float
    interval: list[float]
    score: float | None
    score_interval: list[float] | None
    log_loss: float
    nets_log_loss: float
    calibration_error: float
    temperature: float | None
    tempered_log_loss: float | None
    tempered_calibration_error: float | None


@dataclass(frozen=True, slots=True)
class TestReport:
    """What one opening of the test split said of one trial; accuracies are shares of 1.

    validation_accuracy: of the tested net, or the mean over the seeds of a confirmation.
    accuracy, interval: test accuracy, the mean over seeds, and its 95% interval
        (models.statistics.accuracy_interval).
    accuracies: of each net, one a seed.  deviation: their standard deviation, None for one.
    images: of the test split.
    classes, confusion: counts, confusion[true class][predicted class], of all tested nets together.
    opening: how many openings of the study's test split this was, from 1.
    search_trials: how many trials the search had by then.
    hits: names which images each net got right (search/results/hits.py); empty in older studies.
    also_in_training: how many of the images are training or validation images too; None where nobody counted.
    metric: the study's.  validation_score, score, scores, score_deviation, score_interval: what
        validation_accuracy, accuracy, accuracies, deviation and interval are, by that metric
        (models.score_interval); None and none where it is not defined on the test images.
    average: of several nets; None of one, and where an earlier version opened the test split.
    """

    trial: int
    validation_accuracy: float
    accuracy: float
    interval: list[float]
    images: int
    classes: list[str]
    confusion: list[list[int]]
    fingerprint: str
    when: str
    command: str
    opening: int
    seeds: list[int] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    deviation: float | None = None
    search_trials: int = 0
    hits: str = ""
    also_in_training: int | None = None
    metric: str = "accuracy"
    validation_score: float | None = None
    score: float | None = None
    scores: list[float] = field(default_factory=list)
    score_deviation: float | None = None
    score_interval: list[float] | None = None
    average: NetsAverage | None = None


def openings_of(record: StudyRecord) -> list[dict[str, Any]]:
    """Return every opening of a study's test split, the oldest first (TestReport as JSON).

    Those of versions that knew only accuracy have it as their score, and None where nobody averaged the nets.
    """
    return [{"average": None} | _with_score(test) for test in record.attributes()["tests"]]


def _with_score(test: dict[str, Any]) -> dict[str, Any]:
    if "metric" in test:
        return test
    scores = {
        "metric": "accuracy",
        "validation_score": test.get("validation_accuracy"),
        "score": test.get("accuracy"),
        "scores": test.get("accuracies", []),
        "score_deviation": test.get("deviation"),
        "score_interval": test.get("interval"),
    }
    return test | scores


def test_of(tests: Iterable[dict[str, Any]], trial: int, seeds: list[int]) -> dict[str, Any] | None:
    """Return the newest opening for a trial's nets; seeds: theirs, empty for the net of the search."""
    own = [test for test in tests if test["trial"] == trial and (test.get("seeds") or []) == seeds]
    return own[-1] if own else None


def report_of(record: StudyRecord, trial: int, seeds: list[int]) -> TestReport | None:
    """Return what the newest opening for a trial's nets said; seeds: theirs, empty for the net of the search."""
    test = test_of(openings_of(record), trial, seeds)
    return None if test is None else report_from(test)


def report_from(test: dict[str, Any]) -> TestReport:
    """Return the report of an opening. test: as openings_of has it."""
    average = test["average"] and NetsAverage(**_known(NetsAverage, test["average"]))
    return TestReport(**_known(TestReport, test) | {"average": average})


def _known(kind: type, document: dict[str, Any]) -> dict[str, Any]:
    """The keys that this version knows; a later one may have kept more."""
    names = {one.name for one in fields(kind)}
    return {key: value for key, value in document.items() if key in names}
