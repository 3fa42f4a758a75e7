"""Which of a search's best trials is the best, once their luck is taken away.

The best of many trials is the luckiest as well: on 1,000 validation images one standard error is 1.6 points. So
the top trials are trained again, each with the same fresh seeds, and compared by their means. Nothing here opens
a test split; search/finalize.py does, for the winner alone.
"""

from dataclasses import asdict, dataclass
from typing import Any

from optuna.trial import FrozenTrial

from models.errors import StudyError
from models.statistics import chance_of_lead, deviation, mean
from search.seeds import derived_seed
from search.trial_queue import TrialQueue
from studies.creation import plan_confirmation
from studies.record import PLANNED_SEED, PlannedRun, StudyRecord, confirmation_of

_SEEDS = 1  # tells the seeds of confirmations from those of trials


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trial of the search, trained again.

    search_accuracy: the validation accuracy it had in the search.
    accuracies: validation accuracies, one a seed.  mean, deviation: of these.
    """

    trial: int
    params: dict[str, Any]
    search_accuracy: float
    accuracies: list[float]
    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What training the best trials again said; accuracies are shares of 1.

    candidates: the best mean first.  winner: the trial of the first.
    chance: how often, at most, seeds alone make a candidate lead so clearly (models.statistics.chance_of_lead);
        None for one candidate and for fewer than three seeds.
    selection_bias: the search's best validation accuracy minus the mean of the winner.
    search_trials: how many trials the search had when it was confirmed.
    """

    seeds: list[int]
    candidates: list[Candidate]
    winner: int
    chance: float | None
    selection_bias: float
    search_trials: int


def plan(record: StudyRecord, top: int, seeds: int) -> StudyRecord:
    """Return the study of the confirmation, which still has to be run.

    top: how many of the best trials.  seeds: how many runs of each.
    Raises StudyError where the search is not over, or no trial is finished.
    """
    queue = TrialQueue(record)
    best = queue.top(top)
    if not best:
        raise StudyError(f"study {record.name}: no trial is finished, so there is none to confirm")
    if not queue.is_complete():
        raise StudyError(
            f"study {record.name}: its search is not over ({queue.ended()} of {record.budget.trials} trials); "
            f"`mlpsearch run {record.name}` goes on, and with --trials {queue.ended()} it ends here"
        )
    runs = [PlannedRun(trial.number, trial.params, seed) for trial in best for seed in _fresh_seeds(record, seeds)]
    return plan_confirmation(record, runs)


def confirmed(record: StudyRecord, top: int, seeds: int) -> Confirmation:
    """Return what the runs said. Raises StudyError where one of them is not done."""
    runs = _runs(record)
    queue = TrialQueue(record)
    best, wanted = queue.top(top), _fresh_seeds(record, seeds)
    candidates = sorted((_candidate(trial, wanted, runs, record.name) for trial in best), key=_rank)
    return Confirmation(
        seeds=wanted,
        candidates=candidates,
        winner=candidates[0].trial,
        chance=chance_of_lead([one.accuracies for one in candidates]),
        selection_bias=max(one.search_accuracy for one in candidates) - candidates[0].mean,
        search_trials=queue.ended(),
    )


def current_confirmation(record: StudyRecord) -> Confirmation | None:
    """Return the recorded confirmation, unless the search has gone on since, or its runs were deleted."""
    document = record.attributes().get("confirmation")
    if document is None or document["search_trials"] != TrialQueue(record).ended():
        return None
    if confirmation_of(record) is None:
        return None
    candidates = [Candidate(**candidate) for candidate in document["candidates"]]
    # Older studies have the p-value of the first two.
    # Older studies have the p-value of the first two.
    kept = {key: value for key, value in document.items() if key != "p_value"}
    chance = document.get("chance", chance_of_lead([one.accuracies for one in candidates]))
    return Confirmation(**kept | {"candidates": candidates, "chance": chance})


def runs_of(record: StudyRecord, confirmation: Confirmation) -> list[FrozenTrial]:
    """Return the winner's runs, in the order of the seeds."""
    runs = _runs(record)
    return [runs[confirmation.winner, seed] for seed in confirmation.seeds]


def to_json(confirmation: Confirmation) -> dict[str, Any]:
    """Return the document that is kept as the study's attribute."""
    return asdict(confirmation)


def _candidate(
    trial: FrozenTrial, seeds: list[int], runs: dict[tuple[int, int], FrozenTrial], study: str
) -> Candidate:
    missing = sum((trial.number, seed) not in runs for seed in seeds)
    if missing:
        raise StudyError(
            f"study {study}: {missing} of the runs that confirm trial {trial.number} are not done; "
            f"`mlpsearch confirm {study}` goes on"
        )
    accuracies = [float(runs[trial.number, seed].value or 0) for seed in seeds]
    return Candidate(
        trial=trial.number,
        params=trial.params,
        search_accuracy=float(trial.value or 0),
        accuracies=accuracies,
        mean=mean(accuracies),
        deviation=deviation(accuracies) or 0.0,
    )


def _rank(candidate: Candidate) -> tuple[float, float, int]:
    """Best mean first; of equals the one that the search liked better."""
    return -candidate.mean, -candidate.search_accuracy, candidate.trial


def _runs(record: StudyRecord) -> dict[tuple[int, int], FrozenTrial]:
    """The finished runs of a study's confirmation, by trial and seed."""
    confirmation = confirmation_of(record)
    if confirmation is None:
        return {}
    trials = TrialQueue(confirmation).top(len(confirmation.plan or []))
    return {(trial.user_attrs["of_trial"], trial.user_attrs[PLANNED_SEED]): trial for trial in trials}


def _fresh_seeds(record: StudyRecord, count: int) -> list[int]:
    """The same for every configuration, so that they can be compared seed by seed."""
    return [derived_seed(record.spec, number, _SEEDS) for number in range(count)]
