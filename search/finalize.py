"""After the search: the best trial on the test split. The only module that opens one.

Each opening is recorded on the study, so that a number that was looked at often cannot pass for one that was
looked at once.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from models import build_net
from models.config import TrainConfig
from models.errors import DataError, StudyError
from models.initialization import parameter_shapes
from models.metrics import accuracy, confusion_matrix, predict_split, wilson_interval
from models.net import Net
from models.preprocessing import PixelStatistics, Preprocessing
from models.weights import check_shapes, load_arrays
from search.checkpoints import weights_path
from search.objective import trial_seed
from search.trial_queue import TrialQueue
from search.worker import load_study_data
from studies.datasets import TrainingData
from studies.holdout import open_test_split
from studies.record import StudyRecord
from studies.space import suggest
from studies.storage import exclusive


@dataclass(frozen=True, slots=True)
class TestReport:
    """What the test split said of one trial.

    accuracy, interval: test accuracy and its 95% Wilson interval, 0 to 1.  images: of the test split.
    classes, confusion: counts, confusion[true class][predicted class], in the order of the class names.
    opening: how many openings of the study's test split this was, from 1.
    """

    trial: int
    validation_accuracy: float
    accuracy: float
    interval: Sequence[float]
    images: int
    classes: list[str]
    confusion: list[list[int]]
    fingerprint: str
    when: str
    command: str
    opening: int


@dataclass(frozen=True, slots=True)
class Winner:
    """The best trial of a study, with its trained net.

    weights: the file they came from.  threads: that its matrix products used.
    """

    trial: int
    validation_accuracy: float
    config: TrainConfig
    net: Net
    preprocessing: Preprocessing
    data: TrainingData
    weights: Path
    threads: int


def load_winner(record: StudyRecord) -> Winner:
    """Return the best trial and its net. Raises StudyError where no trial is finished, or its weights are gone."""
    best = TrialQueue(record).best()
    if best is None or best.value is None:
        raise StudyError(f"study {record.name}: no trial is finished yet; `mlpsearch run {record.name}` goes on")
    config = suggest(best, record.spec, seed=trial_seed(record.spec, best.number))
    data = load_study_data(record)
    inputs, classes = data.training.inputs, len(data.classes)
    path = weights_path(record.folder, best.number)
    net = build_net(record.spec.net, inputs=inputs, classes=classes, config=config)
    arrays, _ = load_arrays(path)
    check_shapes(path, arrays, parameter_shapes(inputs, classes, config))
    net.weights = [arrays[f"weight.{i}"] for i in range(config.depth)]
    net.biases = [arrays[f"bias.{i}"] for i in range(config.depth)]
    preprocessing = PixelStatistics(data.training).preprocessing(config.preprocessing)
    threads = best.user_attrs.get("threads", 1)
    return Winner(best.number, best.value, config, net, preprocessing, data, path, threads)


def last_report(record: StudyRecord) -> TestReport | None:
    """Return what the newest opening of the test split said, if there was any."""
    tests = record.attributes()["tests"]
    return TestReport(**tests[-1]) if tests else None


def evaluate(record: StudyRecord, command: str) -> TestReport:
    """Evaluate the best trial on the test split, and record it; a trial that was tested is not tested again.

    command: what opened it, for the record.
    """
    winner = load_winner(record)
    with exclusive(record.url):  # two that finish a study at once open its test split once
        tests = record.attributes()["tests"]
        if (last := last_report(record)) is not None and last.trial == winner.trial:
            return last
        report = _test(winner, record, command, opening=len(tests) + 1)
        record.set("tests", [*tests, asdict(report)])
    _write_note(record, report)
    return report


def _test(winner: Winner, record: StudyRecord, command: str, opening: int) -> TestReport:
    source = record.attributes()["source"]["data"]
    held_out = open_test_split(record.spec.dataset, None if source is None else Path(source))
    if held_out.classes != winner.data.classes or held_out.shape != winner.data.shape:
        raise DataError(
            f"study {record.name}: its test images have other classes or another size than its training images"
        )
    predictions = predict_split(winner.net, held_out.test, winner.preprocessing)
    labels = held_out.test.labels[held_out.test.rows]
    confusion = confusion_matrix(predictions, labels, len(held_out.classes))
    return TestReport(
        trial=winner.trial,
        validation_accuracy=winner.validation_accuracy,
        accuracy=accuracy(predictions, held_out.test),
        interval=wilson_interval(int(confusion.trace()), len(held_out.test)),
        images=len(held_out.test),
        classes=list(held_out.classes),
        confusion=confusion.tolist(),
        fingerprint=held_out.fingerprint,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        opening=opening,
    )


def _write_note(record: StudyRecord, report: TestReport) -> None:
    """Put the result where optuna-dashboard shows it: the study's note."""
    from optuna_dashboard import save_note

    low, high = report.interval
    lines = [
        f"# {record.name}",
        "",
        f"The best trial is **{report.trial}**, tested once on {report.images:,} images that no search has seen."
        if report.opening == 1
        else f"The best trial is **{report.trial}**. Opening number {report.opening} of the test split.",
        "",
        "| validation accuracy | test accuracy | 95% interval |",
        "| --- | --- | --- |",
        f"| {report.validation_accuracy:.2%} | {report.accuracy:.2%} | {low:.2%} – {high:.2%} |",
        "",
        *_confusion_table(report),
        "",
        f"Take it away: `mlpsearch export {record.name} -o best.toml --weights best.safetensors`",
    ]
    save_note(record.optuna_study(), "\n".join(lines))


def _confusion_table(report: TestReport) -> list[str]:
    rows = zip(report.classes, report.confusion, strict=True)
    return [
        "Rows are true classes, columns predicted ones:",
        "",
        f"| | {' | '.join(report.classes)} |",
        f"| --- {'| --- ' * len(report.classes)}|",
        *(f"| **{name}** | {' | '.join(map(str, row))} |" for name, row in rows),
    ]
