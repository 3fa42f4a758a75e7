"""Which of a search's best trials is the best, and how good it is, once their luck is taken away.

The best of many trials is the luckiest as well: on 1,000 validation images one standard error is 1.6 points. So
the top trials are trained again, each with the same fresh seeds, and the best mean wins. That mean is the highest
of several, so it flatters the winner in turn: the winner is trained once more, over further seeds that had no part
in choosing it, and these runs alone are reported, tested and exported. In a study with folds a run trains one net:
the i-th seed of each stage has fold i mod folds for validation and all others to train on, so that choosing and
reporting go over seeds and folds. Nothing here opens a test split;
search/results/finalize.py does, for these runs.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from mlpsearch.models.config import TrainConfig, effective
from mlpsearch.models.errors import StudyError
from mlpsearch.models.scores import METRICS, Metric
from mlpsearch.models.statistics import chance_of_lead, deviation, expected_maximum, mean
from mlpsearch.search.trials.ledger import Ledger, validation_accuracy
from mlpsearch.search.trials.planned_runs import Key, PlannedRuns
from mlpsearch.search.trials.seeds import derived_seed
from mlpsearch.studies.creation import plan_confirmation
from mlpsearch.studies.hints import command
from mlpsearch.studies.record import PlannedRun, StudyRecord, confirmation_name, confirmation_of
from mlpsearch.studies.spec.space import suggest
from mlpsearch.studies.spec.study import Confirm

# What tells the seeds of these runs from those of trials, and from each other.
_CHOOSING, _REPORTING = 1, 2


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
    def search_best(self) -> float:
        """The search's best validation score."""
        return METRICS[self.metric].best(one.search_score for one in self.candidates)

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


def plan(record: StudyRecord, asked: Confirm) -> StudyRecord:
    """Return the study of the confirmation, with the runs that can be planned by now; they still have to be done.

    Those that choose come first. The winner's own can be planned once these are done: ask again then.
    Raises StudyError where the search is not over, or no trial is finished.
    """
    ledger = Ledger(record)
    if ledger.best() is None:
        raise no_winner(record, ledger)
    if not ledger.is_complete():
        raise StudyError(
            f"study {record.name}: its search is not over ({ledger.ended()} of {record.budget.trials} trials); "
            f"`{record.command('run')}` goes on, and with --trials {record.counts.begun()} it ends here",
            study=record.name,
        )
    best, done = _candidates(record, ledger, asked.top), _done(record)
    choosing = _choosing_seeds(record, asked, best)
    runs = [run for trial in best for run in _runs(record, trial.number, trial.params, choosing)]
    if all(run.key in done for run in runs):
        winner = _ranked(record.metric, best, choosing, done)[0]
        runs += _runs(record, winner.trial, winner.params, _seeds(record, _REPORTING, asked.report))
    return plan_confirmation(record, runs)


def _runs(record: StudyRecord, trial: int, params: dict[str, Any], seeds: Sequence[int]) -> list[PlannedRun]:
    """One a seed; of a study with folds one net each, whose validation the folds are in turn."""
    folds = record.spec.folds
    return [
        PlannedRun(trial, params, seed, None if folds is None else place % folds)
        for place, seed in enumerate(seeds)
    ]


def refuse_runs(record: StudyRecord) -> None:
    """Raise StudyError for the study that holds the runs of a confirmation: it is part of another's."""
    if record.plan is not None:
        name = record.name.removesuffix(confirmation_name(""))
        raise StudyError(
            f"study {record.name!r}: holds the runs of a confirmation; "
            f"`{command(record.url, 'confirm', name)}` goes on",
            study=record.name,
        )


def no_winner(record: StudyRecord, ledger: Ledger) -> StudyError:
    """Return the error that says why no trial of a study can win, and what a person can do about it."""
    name = record.name
    if not ledger.is_complete():
        return StudyError(f"study {name}: no trial is finished yet; `{record.command('run')}` goes on", study=name)
    ended = [trial for trial in record.own_trials() if trial.state == TrialState.PRUNED]
    diverged = sum("diverged" in trial.user_attrs for trial in ended)
    if not ended:
        return StudyError(
            f"study {name}: its budget is used up and no trial is finished; give it a larger one", study=name
        )
    if diverged == len(ended):
        return StudyError(
            f"study {name}: all {len(ended)} trials diverged, so there is no winner; "
            "search smaller learning rates in a study of another name",
            study=name,
        )
    also = f", {diverged} of them because they diverged" if diverged else ""
    larger = record.command("run", "--trials", str(2 * len(ended)))
    more = "a larger budget" if ledger.is_used_up() else f"`{larger}`"
    if ledger.is_space_used_up():
        more = "a study of another name with a larger search space"
    return StudyError(
        f"study {name}: all {len(ended)} trials were pruned{also}, so there is no winner; "
        f"{more} searches on, a study of another name with pruner = 'none' lets all of them finish",
        study=name,
    )


def confirmed(record: StudyRecord, asked: Confirm) -> Confirmation:
    """Return what the runs said. Raises StudyError where one of them is not done."""
    ledger, done, metric = Ledger(record), _done(record), record.metric
    best = _candidates(record, ledger, asked.top)
    choosing, reporting = _choosing_seeds(record, asked, best), _seeds(record, _REPORTING, asked.report)
    for trial in best:
        _refuse_missing(record, trial.number, choosing, done)
    candidates = _ranked(metric, best, choosing, done)
    winner = candidates[0].trial
    _refuse_missing(record, winner, reporting, done)
    runs = [done[winner, seed] for seed in reporting]
    reported = reported_over(reporting, _scores(runs), _accuracies(metric, runs))
    return Confirmation(
        seeds=choosing,
        candidates=candidates,
        winner=winner,
        chance=_chance(metric, candidates),
        selection_bias=metric.gain(metric.best(one.search_score for one in candidates), reported.mean),
        search_trials=ledger.ended(),
        reported=reported,
        metric=metric.name,
    )


def reported_over(seeds: list[int], scores: list[float], accuracies: list[float]) -> Reported:
    """Return the mean and deviation of scores beside what they are of; scores, accuracies: one a seed."""
    return Reported(seeds, accuracies, mean(scores), deviation(scores), scores)


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
        "chance": document.get("chance", chance_of_lead([one.accuracies for one in candidates])),
        "reported": Reported(**_with_scores(reported)) if reported else None,
    }
    found = Confirmation(**kept | own)
    done = _done(record)
    return found if all((found.winner, seed) in done for seed in found.result.seeds) else None


def _with_scores(kept: dict[str, Any]) -> dict[str, Any]:
    """What versions that knew only accuracy kept of runs, with the scores that these accuracies are."""
    scores = {"search_score": kept["search_accuracy"]} if "search_accuracy" in kept else {}
    return {**scores, "scores": kept["accuracies"], **kept}


def runs_of(record: StudyRecord, confirmation: Confirmation) -> list[FrozenTrial]:
    """Return the runs of the winner that are reported, in the order of their seeds."""
    done = _done(record)
    return [done[confirmation.winner, seed] for seed in confirmation.result.seeds]


def to_json(confirmation: Confirmation) -> dict[str, Any]:
    """Return the document that is kept as the study's attribute."""
    return asdict(confirmation)


def _candidates(record: StudyRecord, ledger: Ledger, count: int) -> list[FrozenTrial]:
    """The best trials, best first, each with a configuration of its own."""
    asked = count
    while True:
        trials, found = ledger.top(asked), dict[TrainConfig, FrozenTrial]()
        for trial in trials:
            found.setdefault(_configuration(record, trial), trial)
        if len(found) >= count or len(trials) < asked:
            return list(found.values())[:count]
        asked *= 2


def _configuration(record: StudyRecord, trial: FrozenTrial) -> TrainConfig:
    """What a trial trained, but for its seed: two that share it would be one candidate twice."""
    return effective(suggest(trial, record.spec, seed=0))


def _ranked(
    metric: Metric, best: list[FrozenTrial], seeds: list[int], done: dict[Key, FrozenTrial]
) -> list[Candidate]:
    """The candidates, the best mean first."""
    candidates = (_candidate(metric, trial, [done[trial.number, seed] for seed in seeds]) for trial in best)
    return sorted(candidates, key=lambda candidate: rank(metric, candidate))


def _candidate(metric: Metric, trial: FrozenTrial, runs: list[FrozenTrial]) -> Candidate:
    scores = _scores(runs)
    return Candidate(
        trial=trial.number,
        params=trial.params,
        search_accuracy=_accuracies(metric, [trial])[0],
        accuracies=_accuracies(metric, runs),
        mean=mean(scores) if scores else None,
        deviation=deviation(scores),
        search_score=_scores([trial])[0],
        scores=scores,
    )


def rank(metric: Metric, candidate: Candidate) -> tuple[float, float, int]:
    """By which candidates are sorted: best mean first; of equals the one that the search liked better."""
    return metric.rank(candidate.mean or 0.0), metric.rank(candidate.search_score), candidate.trial


def _chance(metric: Metric, candidates: list[Candidate]) -> float | None:
    """How often seeds alone make the best mean lead so clearly; losses with their sign changed: more is better."""
    return chance_of_lead([[-metric.rank(score) for score in one.scores] for one in candidates])


def _refuse_missing(record: StudyRecord, trial: int, seeds: Sequence[int], done: dict[Key, FrozenTrial]) -> None:
    missing = sum((trial, seed) not in done for seed in seeds)
    if missing:
        raise StudyError(
            f"study {record.name}: {missing} of the runs that confirm trial {trial} are not done; "
            f"`{record.command('confirm')}` goes on",
            study=record.name,
            trial=trial,
        )


def _scores(trials: Sequence[FrozenTrial]) -> list[float]:
    return [float(trial.value or 0) for trial in trials]


def _accuracies(metric: Metric, trials: Sequence[FrozenTrial]) -> list[float]:
    return [float(validation_accuracy(trial, metric) or 0) for trial in trials]


def _done(record: StudyRecord) -> dict[Key, FrozenTrial]:
    """The finished runs of a study's confirmation."""
    confirmation = confirmation_of(record)
    return {} if confirmation is None else PlannedRuns(confirmation).done()


def _choosing_seeds(record: StudyRecord, asked: Confirm, candidates: Sequence[FrozenTrial]) -> list[int]:
    """None where there is nothing to choose."""
    return _seeds(record, _CHOOSING, asked.seeds) if len(candidates) > 1 else []


def _seeds(record: StudyRecord, stage: int, count: int) -> list[int]:
    """The same for every configuration, so that they can be compared seed by seed."""
    return [derived_seed(record.spec, number, stage) for number in range(count)]
