"""What training a search's best trials again said, and how a study keeps that; confirming.py has it done."""

from dataclasses import asdict, dataclass, field
from typing import Any

from optuna.trial import FrozenTrial

from mlpsearch.models.errors import StudyError
from mlpsearch.models.statistics import chance_of_lead, expected_maximum, mean
from mlpsearch.search.trials.planned_runs import Key, PlannedRuns
from mlpsearch.studies.hints import command
from mlpsearch.studies.record import StudyRecord, confirmation_name, confirmation_of


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trial of the search, trained again to choose a winner.

    search_score: the validation score it had in the search.
    scores: validation scores by the study's metric, one a seed; none where it was the only candidate.
    mean, deviation: of these; None where there are too few.
    search_accuracy, accuracies: validation accuracies, of the same nets as search_score and scores.
    """

    trial: int
    params: dict[str, Any]
    search_accuracy: float
    accuracies: list[float]
    mean: float | None
    deviation: float | None
    search_score: float
    scores: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reported:
    """The winner, trained again once it was chosen: what may be reported of it.

    scores: validation scores by the study's metric, one a seed.  mean, deviation: of these.
    accuracies: validation accuracies of the same nets.
    """

    seeds: list[int]
    accuracies: list[float]
    mean: float
    deviation: float | None
    scores: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What training the best trials again said; accuracies are shares of 1, scores are by the study's metric.

    seeds: by which the winner was chosen; none where there was a single candidate.
    candidates: the best mean first.  winner: the trial of the first.
    chance: how often, at most, seeds alone make a candidate lead so clearly (models.statistics.chance_of_lead);
        None for one candidate and for fewer than three seeds.
    selection_bias: by how much the search's best validation score is better than the mean of the reported runs.
    search_trials: how many trials the search had when it was confirmed.
    reported: over seeds of its own. None in what mlpsearch 0.1.0 recorded: it reported the runs by which it chose.
    """

    seeds: list[int]
    candidates: list[Candidate]
    winner: int
    chance: float | None
    selection_bias: float
    search_trials: int
    reported: Reported | None = None
    metric: str = "accuracy"

    @property
    def result(self) -> Reported:
        """What is reported of the winner, if need be of the runs that chose it."""
        if self.reported is not None:
            return self.reported
        best = self.candidates[0]
        return Reported(self.seeds, best.accuracies, best.mean or 0.0, best.deviation, best.scores)

    @property
    def flattery(self) -> float:
        """By how much choosing and reporting over the same seeds has raised the reported mean, at most.

        As much as it is where all candidates are equally good; 0 where they are not the same seeds, or nothing was
        chosen.
        """
        spreads = [one.deviation or 0.0 for one in self.candidates]
        if self.reported is not None or len(spreads) < 2:
            return 0.0
        variance = mean([spread**2 for spread in spreads]) / len(self.seeds)
        return float(variance**0.5 * expected_maximum(len(spreads)))


def last_confirmation(record: StudyRecord) -> Confirmation | None:
    """Return the recorded confirmation, unless the runs that it reports are gone.

    The search may have gone on since: then `search_trials` is less than it has now.
    """
    document = record.attributes().get("confirmation")
    if document is None:
        return None
    candidates = [Candidate(**_with_scores(candidate)) for candidate in document["candidates"]]
    reported = document.get("reported")
    # What 0.1.0 kept has the p-value of the first two instead of the chance.
    kept = {key: value for key, value in document.items() if key != "p_value"}
    own = {
        "candidates": candidates,
        "chance": _chance(document, candidates),
        "reported": Reported(**_with_scores(reported)) if reported else None,
    }
    found = Confirmation(**kept | own)
    done = done_runs(record)
    return found if all((found.winner, seed) in done for seed in found.result.seeds) else None


def _chance(document: dict[str, Any], candidates: list[Candidate]) -> float | None:
    """The chance that was kept; counted only where none was: that imports scipy.special.

    To import it takes 0.4 times as long as all that `mlpsearch status` imports.
    """
    if "chance" in document:
        kept: float | None = document["chance"]
        return kept
    return chance_of_lead([one.accuracies for one in candidates])


def _with_scores(kept: dict[str, Any]) -> dict[str, Any]:
    """What versions that knew only accuracy kept of runs, with the scores that these accuracies are."""
    scores = {"search_score": kept["search_accuracy"]} if "search_accuracy" in kept else {}
    return {**scores, "scores": kept["accuracies"], **kept}


def runs_of(record: StudyRecord, confirmation: Confirmation) -> list[FrozenTrial]:
    """Return the runs of the winner that are reported, in the order of their seeds."""
    done = done_runs(record)
    return [done[confirmation.winner, seed] for seed in confirmation.result.seeds]


def done_runs(record: StudyRecord) -> dict[Key, FrozenTrial]:
    """Return the finished runs of a study's confirmation, by the trial that they confirm and their seed."""
    confirmation = confirmation_of(record)
    return {} if confirmation is None else PlannedRuns(confirmation).done()


def to_json(confirmation: Confirmation) -> dict[str, Any]:
    """Return the document that is kept as the study's attribute."""
    return asdict(confirmation)


def refuse_runs(record: StudyRecord) -> None:
    """Raise StudyError for the study that holds the runs of a confirmation: it is part of another's."""
    if record.plan is not None:
        name = record.name.removesuffix(confirmation_name(""))
        raise StudyError(
            f"study {record.name!r}: holds the runs of a confirmation; "
            f"`{command(record.url, 'confirm', name)}` goes on",
            study=record.name,
        )
