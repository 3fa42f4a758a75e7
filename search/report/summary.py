"""What a study found, in numbers: the head of its report, and its column in a comparison."""

from dataclasses import dataclass, fields
from typing import Any

from optuna.trial import FrozenTrial

from mlpsearch.models.config import TrainConfig, unused
from mlpsearch.search.results.efficiency import Efficiency, efficiency
from mlpsearch.search.results.status import study_status
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.next_trial import origin_of
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.space import defaults_of
from mlpsearch.studies.spec.study import StudySpec


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A study at one moment; what is not known (yet) is None, or empty.

    trials: counts by state: finished, pruned, failed, running, waiting, foreign.  budget: of trials.
    metric: by which its trials are ranked; what is no accuracy by name is by that metric.
    search_best: the best validation score of the search, of the trial search_best_trial.
    winner: the number of the confirmed trial, or where nothing was confirmed, of the search's best.
    remark: what the winner lacks, or what its figures are worth.
    trouble: why there is no winner, once the search is over.
    confirmation: Confirmation as JSON; the search may have gone on since.
    confirmed_mean, confirmed_deviation: of the winner's validation score over its reported runs.
    selection_bias: by how much the search's best, as it was when the study was confirmed, is better than that.
    test: the newest opening of the test split for the winner's nets (TestReport as JSON).
    params: the winner's hyperparameters, those that the study leaves at their defaults too.
    winner_seconds, images_per_second, parameters: of the winner's trial.  seconds: of the search.
    curve: the winner's validation score after each epoch of the search.
    fingerprint: of the training images.
    validation, validation_folder: how many validation images, and the folder of the data set they are from; None
        where they were split off the training images, by split_seed.  Accuracies are shares from 0 to 1.
    folds: into how many the images were dealt out instead, each with so many; None for one split.
    ended_by: which limit of the budget ended the search; None while it is not over.
    origin: where the winner's point is from (search/trials/next_trial.py).
    efficiency: how well the search did for the epochs that it took.
    """

    name: str
    net: str
    metric: str
    dataset: str
    trials: dict[str, int]
    budget: int
    search_best: float | None
    search_best_trial: int | None
    winner: int | None
    remark: str
    trouble: str
    confirmation: dict[str, Any] | None
    confirmed_mean: float | None
    confirmed_deviation: float | None
    selection_bias: float | None
    test: dict[str, Any] | None
    params: dict[str, Any]
    winner_seconds: float | None
    images_per_second: float | None
    parameters: int | None
    seconds: float
    curve: list[float]
    fingerprint: str
    validation: int
    validation_folder: str | None
    split_seed: int
    folds: int | None
    ended_by: str | None
    origin: str | None
    efficiency: Efficiency


def summarize(record: StudyRecord, trials: list[FrozenTrial]) -> StudySummary:
    """Return the summary of a study with these trials."""
    status, attributes = study_status(record, Ledger(record)), record.attributes()
    confirmation, first = status.confirmation, status.headline
    confirmed = first if first and first.confirmed else None
    winner = next((trial for trial in trials if first and trial.number == first.trial), None)
    facts = winner.user_attrs if winner else {}
    validation, folder = record.validation_split()
    return StudySummary(
        name=record.name,
        net=record.spec.net,
        metric=record.metric.name,
        dataset=record.spec.dataset,
        trials=status.trials,
        budget=status.budget["trials"],
        search_best=status.best.validation_score if status.best else None,
        search_best_trial=status.best.number if status.best else None,
        winner=winner.number if winner else None,
        remark=first.remark if first else "",
        trouble=status.trouble,
        confirmation=confirmation,
        confirmed_mean=confirmed.validation if confirmed else None,
        confirmed_deviation=confirmed.deviation if confirmed else None,
        selection_bias=confirmation["selection_bias"] if confirmation else None,
        test=first.test if first else None,
        params=_params(winner, record.spec) if winner else {},
        winner_seconds=facts.get("seconds"),
        images_per_second=facts.get("images_per_second"),
        parameters=facts.get("parameters"),
        seconds=status.seconds,
        curve=[value for _, value in sorted(winner.intermediate_values.items())] if winner else [],
        fingerprint=attributes["source"]["fingerprint"],
        validation=validation,
        validation_folder=folder,
        split_seed=record.spec.seed,
        folds=record.spec.folds,
        ended_by=status.ended_by,
        origin=origin_of(winner, record.starts) if winner else None,
        efficiency=efficiency(record, trials),
    )


def _params(trial: FrozenTrial, spec: StudySpec) -> dict[str, Any]:
    """The winner's configuration, without what does nothing beside the rest, or is off and not set."""
    given = {**spec.fixed, **trial.params, "epochs": spec.budget.epochs}
    defaults = {field.name: field.default for field in fields(TrainConfig) if field.name != "seed"}
    values = {**defaults, **defaults_of(spec), **given}
    idle = unused(values)
    return {name: values[name] for name in defaults if name not in idle and (name in given or values[name])}
