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
from typing import Any

from optuna.trial import FrozenTrial

from mlpsearch.models.config import TrainConfig, effective
from mlpsearch.models.errors import StudyError
from mlpsearch.models.scores import Metric
from mlpsearch.models.statistics import chance_of_lead, deviation, mean
from mlpsearch.search.results.confirmation import Candidate, Confirmation, Reported, done_runs
from mlpsearch.search.results.no_winner import no_winner
from mlpsearch.search.trials.ledger import Ledger, validation_accuracy
from mlpsearch.search.trials.planned_runs import Key
from mlpsearch.search.trials.seeds import derived_seed
from mlpsearch.studies.creation import plan_confirmation
from mlpsearch.studies.record import PlannedRun, StudyRecord
from mlpsearch.studies.spec.keys import Confirm
from mlpsearch.studies.spec.space import suggest

# What tells the seeds of these runs from those of trials, and from each other.
_CHOOSING, _REPORTING = 1, 2


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
    best, done = _candidates(record, ledger, asked.top), done_runs(record)
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


def confirmed(record: StudyRecord, asked: Confirm) -> Confirmation:
    """Return what the runs said. Raises StudyError where one of them is not done."""
    ledger, done, metric = Ledger(record), done_runs(record), record.metric
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


def _choosing_seeds(record: StudyRecord, asked: Confirm, candidates: Sequence[FrozenTrial]) -> list[int]:
    """None where there is nothing to choose."""
    return _seeds(record, _CHOOSING, asked.seeds) if len(candidates) > 1 else []


def _seeds(record: StudyRecord, stage: int, count: int) -> list[int]:
    """The same for every configuration, so that they can be compared seed by seed."""
    return [derived_seed(record.spec, number, stage) for number in range(count)]
