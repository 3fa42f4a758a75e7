"""The document of a study: its keys are those of StudyStatus and what that holds."""

from dataclasses import asdict
from typing import Any, Literal

from pydantic import Field

from mlpsearch.search.documents.base import VERSION, Document, Part
from mlpsearch.search.results.status import StudyStatus, study_status
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import without_password


class Trials(Part):
    """How many trials a study has."""

    finished: int = Field(description="those that were trained in full")
    pruned: int = Field(description="those that were stopped early; they count towards the budget as well")
    failed: int = Field(description="those that raised, or lost their worker, too often")
    running: int = Field(description="those that are not over, whether or not their worker lives")
    waiting: int = Field(description="those that no worker has yet")
    foreign: int = Field(
        description="those that somebody [added with Optuna itself](storage.md#optuna-on-the-same-storage)"
    )


class Budget(Part):
    """What a search may use, as its [file](study-file.md#keys) says."""

    trials: int = Field(description="how many")
    epochs: int = Field(description="of a trial")
    seconds: float | None = Field(description="of wall clock; `null` here and below: no limit")
    total_epochs: int | None = Field(description="of all trials")
    patience: int | None = Field(description="trials without a better one")


class RunningTrial(Part):
    """A trial that a worker has now."""

    number: int = Field(description="the trial's")
    worker: str = Field(description="host, process and a random part")
    epoch: int = Field(description="the last that is done, from 1; 0: none yet")
    alive: bool = Field(description="whether the worker's heartbeat is fresh")
    step: Literal["preparing", "whitening", "training"] = Field(description="what goes on")


class BestTrial(Part):
    """The best trial of a search."""

    number: int = Field(description="its number, from 0")
    validation_accuracy: float | None = Field(description="`null` where nobody kept it")
    params: dict[str, Any] = Field(description="its hyperparameters")
    validation_score: float = Field(description="by the study's metric")
    origin: str = Field(
        description="where its point is from: `sampler`, a [starting point](study-file.md#starting-points) of "
        "`start`, `learnt` or `study NAME`, or `queue` where somebody enqueued it"
    )


class RefusedTrial(Part):
    """A trial that somebody queued, and that does not fit the study."""

    number: int = Field(description="its number")
    reason: str = Field(description="why, in a sentence")


class NetsAverage(Part):
    """What the average of several tested nets, the mean of their probabilities, reached."""

    accuracy: float = Field(description="its test accuracy")
    interval: list[float] = Field(description="the 95% interval of that, of this very average")
    score: float | None = Field(
        description="by the study's metric; `null`, as its interval is, where it is not defined on the test images"
    )
    score_interval: list[float] | None = Field(description="the 95% interval of that")
    log_loss: float = Field(description="its log loss on the test images, in nats")
    nets_log_loss: float = Field(description="the mean of what the nets have, each by itself")
    calibration_error: float = Field(
        description="the expected calibration error, 0 to 1, in 15 bins of the same width: how far confidence and "
        "accuracy are apart"
    )
    temperature: float | None = Field(
        description="by which its log-probabilities are divided, [fitted on validation images](confirmation.md#"
        "the-nets-average); `null` where none was: with folds, and where no temperature is the best"
    )
    tempered_log_loss: float | None = Field(description="the log loss with it; `null` here and below without one")
    tempered_calibration_error: float | None = Field(description="the calibration error with it")


class Opening(Part):
    """What one opening of the test split said of one trial."""

    trial: int = Field(description="the tested trial")
    validation_accuracy: float | None = Field(description="of the same nets")
    accuracy: float = Field(description="test accuracy, the mean over the nets")
    interval: list[float] = Field(description="the 95% interval of the test accuracy")
    images: int = Field(description="how many test images, or rows of a table")
    classes: list[str] = Field(description="their names")
    confusion: list[list[int]] = Field(
        description="counts `confusion[true class][predicted class]` over all these nets"
    )
    fingerprint: str = Field(description="of the test images")
    when: str = Field(description="when it was opened (UTC)")
    command: str = Field(description="by what")
    opening: int = Field(description="its number, from 1")
    seeds: list[int] = Field(description="of its nets; none where it was the search's own net")
    accuracies: list[float] = Field(description="each net's test accuracy")
    deviation: float | None = Field(description="standard deviation of these, `null` for one net")
    search_trials: int = Field(description="how many trials the search had by then")
    hits: str = Field(description="names the file that keeps which images each net got right")
    also_in_training: int | None = Field(
        description="how many of them are also training or validation images; `null` where nobody counted"
    )
    metric: str = Field(description="the study's")
    validation_score: float | None = Field(description="what `validation_accuracy` is, by that metric")
    score: float | None = Field(
        description="what `accuracy` is; `null` here and below where the test images are all of one class and the "
        "metric needs two"
    )
    scores: list[float] = Field(description="what `accuracies` are")
    score_deviation: float | None = Field(description="what `deviation` is")
    score_interval: list[float] | None = Field(description="what `interval` is")
    average: NetsAverage | None = Field(
        description="[what the nets' average reached](#the-nets-average); `null` for one net, and where an "
        "earlier version opened the test split"
    )


class Winner(Part):
    """The winner of a study, with its own figures."""

    trial: int = Field(description="its number in the search")
    params: dict[str, Any] = Field(description="its hyperparameters")
    validation: float = Field(
        description="score, the mean over the seeds that are reported; unconfirmed, what it reached in the search"
    )
    deviation: float | None = Field(
        description="standard deviation over these seeds; `null` where it is not confirmed"
    )
    seeds: list[int] = Field(description="those seeds; none where it is not confirmed")
    test: Opening | None = Field(description="the newest [opening](#an-opening) for just these nets")
    remark: str = Field(description="what is missing, or what the figures are worth; else empty")
    validation_accuracy: float | None = Field(description="of the same nets")


class Candidate(Part):
    """A trial that was trained again to choose a winner."""

    trial: int = Field(description="its number")
    params: dict[str, Any] = Field(description="its hyperparameters")
    search_accuracy: float = Field(description="the accuracy that it had in the search")
    accuracies: list[float] = Field(description="of the same nets as `scores`")
    mean: float | None = Field(description="of the scores; `null` where it was the only one")
    deviation: float | None = Field(description="of the scores")
    search_score: float = Field(description="the validation score that it had in the search")
    scores: list[float] = Field(description="validation scores, one a seed")


class Reported(Part):
    """The winner of a confirmation over further seeds."""

    seeds: list[int] = Field(description="which had no part in choosing it")
    accuracies: list[float] = Field(description="validation accuracies, one a seed")
    mean: float = Field(description="of the scores")
    deviation: float | None = Field(description="of the scores")
    scores: list[float] = Field(description="validation scores, one a seed")


class Confirmation(Part):
    """What training the best trials again said."""

    seeds: list[int] = Field(description="by which the winner was chosen; none where there was a single candidate")
    candidates: list[Candidate] = Field(description="[each](#a-candidate), the best mean first")
    winner: int = Field(description="the trial that was chosen")
    chance: float | None = Field(description="how often, at most, seeds alone make a candidate lead so clearly")
    selection_bias: float = Field(
        description="by how much the search's best validation score is better than the mean of the reported runs"
    )
    search_trials: int = Field(description="how many trials the search had when it was confirmed")
    reported: Reported | None = Field(
        description="[the winner over further seeds](#reported-runs); `null` where version 0.1.0 recorded it, "
        "which reported the runs by which it chose"
    )
    metric: str = Field(description="the study's")


class Runs(Part):
    """How far the runs of a confirmation are."""

    done: int = Field(description="how many are")
    planned: int = Field(description="how many there are so far: choosing comes first, then reporting")


class StudyPart(Part):
    """How a study stands."""

    name: str = Field(description="its name")
    net: Literal["numpy", "torch"] = Field(description="which net")
    dataset: str = Field(description="what it learns")
    metric: str = Field(description="by what its trials are ranked")
    state: Literal["complete", "stopped", "running", "open"] = Field(
        description="`running`: a live worker has a trial; `open`: trials are left and none has"
    )
    budget: Budget = Field(description="[what it may use](#the-budget)")
    trials: Trials = Field(description="[how many there are](#trials)")
    epochs: int = Field(description="epochs trained")
    seconds: float = Field(description="wall clock during which trials ran")
    trials_per_minute: float | None = Field(description="the rate so far")
    seconds_left: float | None = Field(
        description="an estimate, up to the limit of the budget that is reached first, trials that run counted by "
        "their epochs; of a small space, until each of its points is tried"
    )
    best: BestTrial | None = Field(description="[the best trial of the search](#the-best-trial)")
    headline: Winner | None = Field(
        description="[the winner](#the-winner), which may be another trial; `null` where no trial is finished"
    )
    trouble: str = Field(description="why there is no winner, once the search is over; else empty")
    running: list[RunningTrial] = Field(description="[the trials that workers have now](#a-running-trial)")
    tests: list[Opening] = Field(description="every [opening](#an-opening) of the test split, the oldest first")
    confirming: Runs | None = Field(
        description="[how far the runs of the confirmation are](#runs-of-a-confirmation); `null` where "
        "there is none"
    )
    confirmation: Confirmation | None = Field(
        description="what the last [confirmation](#a-confirmation) said; the search may have gone on since"
    )
    foreign_running: int = Field(description="how many of the foreign trials run")
    refused: list[RefusedTrial] = Field(description="the newest five [refused trials](#a-refused-trial)")
    folds: int | None = Field(
        description="over how many [folds](study-file.md#folds) the validation accuracy of a trial is the mean, "
        "that of a net of the confirmation being of one; `null` where there is one validation split"
    )
    ended_by: str | None = Field(
        description="which limit of the budget ended the search: `trials`, `seconds`, `total_epochs` or "
        "`patience`; `space` where each point of a small space was tried; `null` while it is not over"
    )
    storage: str = Field(description="the URL of its storage without a password")


class Study(StudyPart, Document):
    """A study."""


class Notice(StudyPart, Document):
    """What a [webhook](notices.md#webhooks) gets: a study, and what happened to it."""

    event: Literal["confirmed", "tested", "searched", "failed", "stalled"] = Field(
        description="`confirmed`, `tested` or `searched`: the study is over, by how far that was asked for; "
        "`stalled`: no worker is alive, and budget is left"
    )
    reason: str = Field(description="why it failed, or what stalled; else empty")
    title: str = Field(description="one line for people, with the test score where there is one")
    text: str = Field(description="some lines for people")
    link: str | None = Field(description="the page of the study; `null` where it was not `serve` that told")


class Studies(Document):
    """All studies of a storage."""

    studies: list[StudyPart] = Field(description="each as [a study](#a-study), without the version")


def study_document(record: StudyRecord) -> dict[str, Any]:
    """Return the document of a study (Study), as it stands now."""
    return {"schema_version": VERSION, **study_part(record)}


def study_part(record: StudyRecord) -> dict[str, Any]:
    """Return what a list of studies has of one (StudyPart)."""
    return part_of(study_status(record, Ledger(record)), record)


def part_of(status: StudyStatus, record: StudyRecord) -> dict[str, Any]:
    """Return what study_part does, as the study stood when its status was taken."""
    return asdict(status) | {"storage": without_password(record.url)}
