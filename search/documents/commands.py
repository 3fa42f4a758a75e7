"""The documents of commands that are not about how one study stands, and which command prints which document."""

from typing import Any

from pydantic import Field

from mlpsearch.search.documents.base import Document, Part
from mlpsearch.search.documents.exports import Export, Predictions, Training
from mlpsearch.search.documents.study import Confirmation, Opening, Studies, Study, Trials

_OF_A_STUDY = "as of [a study](#a-study)"


class Stored(Part):
    """Which studies a storage has."""

    url: str = Field(description="its own, without a password")
    studies: list[str] = Field(description="their names")


class Listing(Document):
    """What studies there are."""

    catalog: list[dict[str, Any]] = Field(
        description="the ready studies, as their [files](study-file.md) describe them"
    )
    storage: Stored = Field(description="[the storage](#a-storage)")


class NewFile(Document):
    """A study file that was written."""

    path: str = Field(description="the file")
    remarks: list[str] = Field(description="what people should know of the data")


class Enqueued(Document):
    """A point that waits for a worker."""

    study: str = Field(description="of which")
    trial: int = Field(description="the number that its trial has")
    obstacle: str = Field(description="why no worker takes it yet; else empty")


class Column(Part):
    """A column of a table."""

    name: str = Field(description="in the file")
    kind: str = Field(description="`number`, `category`, …")
    categories: int = Field(description="how many; 0 for a number")
    empty: int = Field(description="cells without a value")


class Check(Document):
    """What was understood of a study before its search."""

    study: str = Field(description="its name")
    net: str = Field(description="which net")
    training: int = Field(description="how many images or rows")
    validation: int = Field(description="how many; with folds, of the first")
    test: int | None = Field(description="how many; `null` for test images, which are not counted")
    inputs: int = Field(description="numbers of each, as stored")
    classes: dict[str, int] = Field(description="how many of each class, those of the test not counted")
    columns: list[Column] = Field(description="of a table, [each](#a-column)")
    left_out: dict[str, str] = Field(description="columns that are not learnt from, with the reasons")
    validation_in_training: int | None = Field(
        description="of a table, how many validation rows are training rows too, but for the label"
    )
    test_in_training: int | None = Field(description="the same of test rows; validation rows count as well")
    remarks: list[str] = Field(description="what people should know")
    warnings: list[str] = Field(description="what looks wrong")
    epoch_seconds: float = Field(description="of one epoch, measured here with one thread")
    trial_seconds: float = Field(description="of a trial, without pruning")
    search_seconds: float = Field(description="of the search, at most, with one worker")
    confirm_seconds: float = Field(description="of the confirmation, with one worker")
    worker_bytes: int = Field(description="memory of a worker, at most")
    shared_bytes: int = Field(description="what of it all workers have in common")


class Efficiency(Part):
    """How well a search did for its epochs."""

    epochs: int = Field(description="which all trials took")
    saved: float | None = Field(description="the share of their epochs that trials which ended did not run")
    best: list[tuple[int, float]] = Field(
        description="pairs of epochs and score, the best trial so far each time that one was better"
    )
    random_trials: int = Field(description="how many trials were drawn at random")
    random_pruned: int = Field(description="how many of these were pruned")
    random: list[tuple[int, float]] = Field(
        description="pairs of epochs and score, what random search is expected to reach; none with fewer than 5 "
        "such trials"
    )
    late_gain: float | None = Field(
        description="by how much the later half of the trials made the best score better"
    )
    standard_error: float | None = Field(description="of the winner's confirmed mean")


class Compared(Part):
    """One study of a comparison."""

    name: str = Field(description=_OF_A_STUDY)
    net: str = Field(description=_OF_A_STUDY)
    metric: str = Field(description=_OF_A_STUDY)
    dataset: str = Field(description=_OF_A_STUDY)
    trials: Trials = Field(description=_OF_A_STUDY)
    budget: int = Field(description="of trials")
    search_best: float | None = Field(description="the best validation score of the search")
    search_best_trial: int | None = Field(description="its trial")
    winner: int | None = Field(description="the winner's number")
    remark: str = Field(description="what it lacks")
    trouble: str = Field(description=_OF_A_STUDY)
    confirmation: Confirmation | None = Field(description=_OF_A_STUDY)
    confirmed_mean: float | None = Field(description="of the scores of its reported nets")
    confirmed_deviation: float | None = Field(description="of these")
    selection_bias: float | None = Field(description="as of its [confirmation](#a-confirmation)")
    test: Opening | None = Field(description="the newest [opening](#an-opening) for its nets")
    params: dict[str, Any] = Field(
        description="the winner's hyperparameters, those that the study leaves at their defaults too"
    )
    winner_seconds: float | None = Field(description="of its trial in the search")
    images_per_second: float | None = Field(description="of that trial")
    parameters: int | None = Field(description="how many numbers that net learns")
    seconds: float = Field(description=_OF_A_STUDY)
    curve: list[float] = Field(description="the validation score of that trial after each epoch")
    fingerprint: str = Field(description="of the training images")
    validation: int = Field(description="how many validation images")
    validation_folder: str | None = Field(description="the folder that they are from")
    split_seed: int = Field(description="the seed that split them off otherwise, or dealt all images out to folds")
    folds: int | None = Field(description="to how many")
    ended_by: str | None = Field(description=_OF_A_STUDY)
    origin: str | None = Field(
        description="where the winner's point is from, as of [the best trial](#the-best-trial)"
    )
    efficiency: Efficiency = Field(description="[how well its search did](#efficiency)")


class Comparison(Document):
    """Studies side by side."""

    studies: list[Compared] = Field(description="[each](#a-compared-study)")
    findings: list[str] = Field(
        description="sentences on how the studies differ in the test, by their metric where all have the same, "
        "else by accuracy"
    )
    warnings: list[str] = Field(
        description="what the studies do not share, so that their numbers cannot be compared"
    )


class Report(Document):
    """A report that was written."""

    study: str = Field(description="of which")
    path: str = Field(description="the HTML file")


class Gradient(Part):
    """One comparison of gradients."""

    against: str = Field(description="numeric gradients, torch's autograd, or steps")
    depth: int = Field(description="of the net")
    regularization: float = Field(description="its λ")
    parameter: str = Field(description="whose gradient it is")
    error: float = Field(description="the largest relative one")
    tolerance: float = Field(description="what is allowed")
    option: str = Field(description="which training option is on; empty for none")
    passed: bool = Field(description="whether the error is smaller")


class Gradients(Document):
    """The NumPy net's gradients beside others."""

    comparisons: list[Gradient] = Field(description="[each](#a-comparison-of-gradients)")


class Address(Document):
    """Where a server answers; it is printed once it does, and the server goes on."""

    address: str = Field(description="of the dashboard, with the token where it needs one")
    health: str | None = Field(description="of `/healthz`; `null` where it has none")


class Deletion(Document):
    """A study that was deleted."""

    study: str = Field(description="its name")
    trials: int = Field(description="how many it had")
    stays: str = Field(description="what could not be removed, and why; else empty")


class Collection(Document):
    """Files that no study owned any more, and that were deleted."""

    files: int = Field(description="how many")
    bytes: int = Field(description="how large they were together")
    left: list[str] = Field(description="folders of which nothing says that they were this storage's")


# Which document a command prints. All print a Failure where they fail.
DOCUMENTS: dict[str, type[Document]] = {
    "list": Listing,
    "new": NewFile,
    "check": Check,
    "run": Study,
    "status": Studies,
    "status STUDY": Study,
    "enqueue": Enqueued,
    "stop": Study,
    "resume": Study,
    "confirm": Study,
    "evaluate": Study,
    "check-gradients": Gradients,
    "report": Report,
    "compare": Comparison,
    "export": Export,
    "train": Training,
    "predict": Predictions,
    "submit": Study,
    "worker STUDY": Study,
    "serve": Address,
    "dashboard": Address,
    "delete": Deletion,
    "gc": Collection,
}
