"""After the search: the best trial on the test split. The only module that opens one.

Each opening is recorded on the study, so that a number that was looked at often cannot pass for one that was
looked at once.
"""

from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial

from mlpsearch.models.arrays import Floats
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import DataError, StorageError, StudyError, WeightsError
from mlpsearch.models.inputs.preprocessing import PixelStatistics, Preprocessing
from mlpsearch.models.metrics import confusion_matrix, predict_split
from mlpsearch.models.net import Net
from mlpsearch.models.prediction import prediction_shapes, preprocessing_arrays, trained_net
from mlpsearch.models.statistics import accuracy_interval, deviation, mean
from mlpsearch.models.weights import check_shapes
from mlpsearch.search.checkpoints import load_kept, weights_name
from mlpsearch.search.confirmation import Confirmation, last_confirmation, no_winner, refuse_runs, runs_of, to_json
from mlpsearch.search.headline import test_of
from mlpsearch.search.hits import keep_hits
from mlpsearch.search.seeds import trial_seed
from mlpsearch.search.trial_queue import TrialQueue
from mlpsearch.studies.data.holdout import open_test_split
from mlpsearch.studies.data.training import TrainingData, own_copy
from mlpsearch.studies.record import StudyRecord, confirmation_of
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.storage.opening import exclusive
from mlpsearch.studies.study_data import load_study_data


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
    hits: names which images each net got right (search/hits.py); empty in older studies.
    also_in_training: how many of the images are training or validation images too; None where nobody counted.
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


@dataclass(frozen=True, slots=True)
class Choice:
    """What training a study's winner again needs.

    trial: of the search.  run: of its confirmation, None where the net is the search's own.
    validation_accuracy: that this very net reached.
    threads: that its matrix products used.
    """

    trial: int
    run: int | None
    validation_accuracy: float
    config: TrainConfig
    data: TrainingData
    threads: int


@dataclass(frozen=True, slots=True)
class Winner(Choice):
    """The winner of a study, with one trained net."""

    net: Net
    preprocessing: Preprocessing

    @property
    def first_layer(self) -> Floats:
        """The first layer's weights as weights of the pixels, (pixels, hidden units)."""
        return self.preprocessing.seen_from_pixels(self.net.weights[0])


class MissingWeightsError(WeightsError):
    """The winner is known, but its weights cannot be read."""

    def __init__(self, message: str, choice: Choice):
        super().__init__(message)
        self.choice = choice


def load_winner(record: StudyRecord) -> Winner:
    """Return the winner and its net: the best of the reported runs on validation, else the best of the search.

    Raises StudyError where no trial is finished, WeightsError where its weights are gone.
    """
    confirmation = last_confirmation(record)
    if confirmation is not None:
        runs = runs_of(record, confirmation)
        return _winner(record, max(runs, key=lambda run: run.value or 0), load_study_data(record), confirmation)
    return _winner(record, _best(record), load_study_data(record))


def _best(record: StudyRecord) -> FrozenTrial:
    """The best trial of the search."""
    queue = TrialQueue(record)
    best = queue.best()
    if best is None:
        raise no_winner(record, queue)
    return best


def _winner(
    record: StudyRecord, trial: FrozenTrial, data: TrainingData, confirmation: Confirmation | None = None
) -> Winner:
    """Load the net of a trial; confirmation: where it is one of its runs."""
    assert trial.value is not None  # noqa: S101 - as do all finished trials
    choice = Choice(
        trial=trial.number if confirmation is None else confirmation.winner,
        run=None if confirmation is None else trial.number,
        validation_accuracy=trial.value,
        config=suggest(trial, record.spec, seed=trial_seed(record.spec, trial)),
        data=data,
        threads=trial.user_attrs.get("threads", 1),
    )
    home = record if confirmation is None else confirmation_of(record)
    assert home is not None  # noqa: S101 - whoever has a run has its study
    try:
        arrays = _weights(home, trial.number, choice)
    except (WeightsError, StudyError, StorageError) as error:
        raise MissingWeightsError(str(error), choice) from error
    net, preprocessing = trained_net(record.spec.net, arrays, choice.config)
    known = {one.name: getattr(choice, one.name) for one in fields(choice)}
    return Winner(**known, net=net, preprocessing=preprocessing)


def _weights(home: StudyRecord, number: int, choice: Choice) -> dict[str, NDArray[Any]]:
    training, config = choice.data.training, choice.config
    name, shapes = weights_name(number), prediction_shapes(training.inputs, len(choice.data.classes), config)
    arrays, _ = load_kept(home.files, name, sum(4 * prod(shape) for shape in shapes.values()))
    if not arrays.keys() & {"offset", "scale"}:  # older files have none
        arrays |= preprocessing_arrays(PixelStatistics(training).preprocessing(config))
    check_shapes(f"{home.files.where}/{name}", arrays, shapes)
    return arrays


def report_of(record: StudyRecord, trial: int, seeds: list[int]) -> TestReport | None:
    """Return what the newest opening for a trial's nets said; seeds: theirs, empty for the net of the search."""
    test = test_of(record.attributes()["tests"], trial, seeds)
    return TestReport(**test) if test else None


def evaluate(record: StudyRecord, command: str) -> TestReport:
    """Evaluate the winner on the test split, and record it; what was tested is not tested again.

    command: what opened it, for the record.
    """
    refuse_runs(record)
    with exclusive(record.url, "opening"):  # two that finish a study at once open its test split once
        report = _evaluated(record, command)
    _publish(record)
    return report


def _evaluated(record: StudyRecord, command: str) -> TestReport:
    confirmation = last_confirmation(record)
    if confirmation is not None:
        return _confirmed(record, confirmation, command)
    best = _best(record)
    return report_of(record, best.number, []) or _open(
        [_winner(record, best, load_study_data(record))], record, command
    )


def confirm(record: StudyRecord, confirmation: Confirmation, command: str) -> TestReport:
    """Record a confirmation, and evaluate the reported runs of its winner on the test split, in one opening.

    What was tested is not tested again: the same winner over the same seeds gives the report there is.
    """
    with exclusive(record.url, "opening"):
        report = _confirmed(record, confirmation, command)
        record.set("confirmation", to_json(confirmation))  # last: whoever finds one finds its test as well
    _publish(record)
    return report


def _confirmed(record: StudyRecord, confirmation: Confirmation, command: str) -> TestReport:
    known = report_of(record, confirmation.winner, confirmation.result.seeds)
    if known is not None:
        return known
    data = load_study_data(record)
    runs = [_winner(record, run, data, confirmation) for run in runs_of(record, confirmation)]
    return _open(runs, record, command)


def _publish(record: StudyRecord) -> None:
    from mlpsearch.search.publish import publish  # which loads the winner from here

    publish(record)


def _open(winners: list[Winner], record: StudyRecord, command: str) -> TestReport:
    """Open the test split for the nets of one configuration, and put what it said on record."""
    dataset, recorded = record.spec.dataset, record.attributes()["source"]["data"]
    held_out = open_test_split(dataset, data := own_copy(dataset, recorded))
    if held_out.classes != winners[0].data.classes or held_out.shape != winners[0].data.shape:
        raise DataError(
            f"study {record.name}: its test images have other classes or another size than its training images"
        )
    _refuse_other_images(record, held_out.fingerprint, str(data or dataset))
    labels = held_out.test.labels[held_out.test.rows]
    predictions = np.stack([predict_split(one.net, held_out.test, one.preprocessing) for one in winners])
    correct = predictions == labels
    accuracies = [float(share) for share in correct.mean(axis=1)]
    several = len(winners) > 1
    report = TestReport(
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
        seeds=[one.config.seed for one in winners] if several else [],
        accuracies=accuracies,
        deviation=deviation(accuracies),
        search_trials=TrialQueue(record).ended(),
        hits=keep_hits(record, correct),
        also_in_training=held_out.also_in_training,
    )
    return _on_record(record, report)


def _refuse_other_images(record: StudyRecord, fingerprint: str, where: str) -> None:
    """Raise DataError for other test images than the first opening's."""
    tests = record.attributes()["tests"]
    if tests and (first := tests[0].get("fingerprint", fingerprint)) != fingerprint:
        raise DataError(
            f"study {record.name}: its test images had the fingerprint {first[:12]} when they were first tested, "
            f"those at {where} have {fingerprint[:12]}; nothing was tested"
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
