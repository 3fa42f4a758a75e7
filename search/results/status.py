"""How a study stands: one frozen snapshot for the progress bar, `status`, and JSON."""

from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from mlpsearch.search.results.confirmation import last_confirmation, to_json
from mlpsearch.search.results.headline import Headline, headline
from mlpsearch.search.results.no_winner import no_winner
from mlpsearch.search.results.openings import openings_of
from mlpsearch.search.trials.ledger import Ledger, validation_accuracy
from mlpsearch.search.trials.next_trial import origin_of
from mlpsearch.search.trials.room import most_trials
from mlpsearch.studies.record import StudyRecord, confirmation_of

_MOST_REFUSED = 5  # that a status names


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """A trial that a worker has now.

    epoch: the last that is done, from 1; 0 for none.
    alive: whether the worker's heartbeat is fresh.
    step: before the first epoch is done "preparing", or "whitening" where it does that; then "training".
    """

    number: int
    worker: str
    epoch: int
    alive: bool
    step: str


@dataclass(frozen=True, slots=True)
class BestTrial:
    """The best trial of the search.

    validation_score: by the study's metric.  validation_accuracy: 0 to 1.
    origin: where its point is from: "sampler", "start" (the study file), "learnt" (the package), "study NAME" (an
        earlier study) or "queue" (somebody enqueued it).
    """

    number: int
    validation_accuracy: float | None
    params: dict[str, Any]
    validation_score: float
    origin: str


@dataclass(frozen=True, slots=True)
class RefusedTrial:
    """A trial that somebody queued with Optuna, and that does not fit the study. reason: why, in a sentence."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class StudyStatus:
    """A study at one moment.

    metric: by which its trials are ranked.
    state: "complete", "stopped", "running" (a live worker has a trial) or "open".
    trials: counts by state: finished, pruned, failed, running, waiting; and foreign: those in any state that
        somebody added with Optuna itself, which count for nothing.
    foreign_running: how many of the foreign trials run.
    folds: over how many the validation accuracy of a trial is the mean; None where there is one validation split.
    ended_by: what ended the search: its limit of "trials", "seconds", "total_epochs" or "patience"; or "space",
        where each point of it was tried; None while the search is not over.
    refused: the newest trials that somebody queued and that do not fit the study, with the reasons.
    seconds: wall clock during which trials ran.  seconds_left: an estimate, up to the limit that is reached first
        (no trial counts beyond the points of a small space); None where there is nothing to go by.
    best: of the search; the headline may be of another trial.
    headline: the winner with its own figures, None where no trial is finished; then `trouble` says why, once the
        search is over.
    tests: every opening of the test split.
    confirming: runs of the confirmation that are done and planned so far, None where there is none.
    confirmation: what the last one said; the search may have gone on since.
    """

    name: str
    net: str
    dataset: str
    metric: str
    state: str
    budget: dict[str, Any]
    trials: dict[str, int]
    epochs: int
    seconds: float
    trials_per_minute: float | None
    seconds_left: float | None
    best: BestTrial | None
    headline: Headline | None
    trouble: str
    running: list[RunningTrial]
    tests: list[dict[str, Any]]
    confirming: dict[str, int] | None
    confirmation: dict[str, Any] | None
    foreign_running: int
    refused: list[RefusedTrial]
    folds: int | None
    ended_by: str | None

    @property
    def ended(self) -> int:
        """Trials that count towards the budget."""
        return self.trials["finished"] + self.trials["pruned"]


def study_status(record: StudyRecord, ledger: Ledger) -> StudyStatus:
    """Return the snapshot of now. Raises StudyError when the study was deleted."""
    attributes, budget = record.attributes(), record.budget
    # Before the counts: what ended in between is counted, but never shown as ended while it is not counted.
    complete, best, first = ledger.is_complete(), ledger.best(), headline(record, ledger)
    foreign = record.counts.foreign()
    trials = {**_trials_by_state(record), "foreign": sum(foreign.values())}
    if record.plan is not None:
        trials["finished"] = ledger.ended()  # those that are asked for now
    running = running_trials(record, ledger)
    seconds = record.counts.seconds()
    ended = trials["finished"] + trials["pruned"]
    rate = ended / seconds if ended and seconds else None
    return StudyStatus(
        name=record.name,
        net=record.spec.net,
        dataset=record.spec.dataset,
        metric=record.metric.name,
        state=_state(complete, attributes["stopped"], running),
        budget=budget.model_dump(mode="json"),
        trials=trials,
        epochs=record.counts.epochs(),
        seconds=round(seconds, 1),
        trials_per_minute=round(60 * rate, 2) if rate else None,
        seconds_left=_seconds_left(record, ended, running, seconds) if rate and not complete else None,
        best=_best(best, record),
        headline=first,
        trouble=str(no_winner(record, ledger)) if first is None and complete else "",
        running=running,
        tests=openings_of(record),
        confirming=_confirming(record),
        confirmation=to_json(confirmation) if (confirmation := last_confirmation(record)) else None,
        foreign_running=foreign[TrialState.RUNNING],
        refused=[RefusedTrial(number, reason) for number, reason in record.counts.refused(_MOST_REFUSED)],
        folds=record.spec.folds,
        ended_by=ledger.ended_by() if complete else None,
    )


def _seconds_left(record: StudyRecord, ended: int, running: list[RunningTrial], seconds: float) -> float:
    """How long the rest takes at the pace so far. ended: trials, at least 1, in so many seconds, above 0.

    Of a trial that runs its epochs count: of few and long ones it is much of what was done.
    """
    budget = record.budget
    trials = budget.trials if record.plan is not None else most_trials(record)
    done = ended + sum(trial.epoch / budget.epochs for trial in running if trial.alive)
    left = [(trials - done) * seconds / done]
    if budget.seconds is not None:
        left.append(budget.seconds - seconds)
    if budget.total_epochs is not None and (epochs := record.counts.epochs()):
        left.append((budget.total_epochs - epochs) * seconds / epochs)
    return round(max(0.0, min(left)), 1)


def _confirming(record: StudyRecord) -> dict[str, int] | None:
    runs = confirmation_of(record)
    return None if runs is None else {"done": Ledger(runs).ended(), "planned": runs.budget.trials}


def _state(complete: bool, stopped: bool, running: list[RunningTrial]) -> str:
    if complete:
        return "complete"
    if stopped:
        return "stopped"
    return "running" if any(trial.alive for trial in running) else "open"


def _trials_by_state(record: StudyRecord) -> dict[str, int]:
    counts = record.counts.by_state()
    return {
        "finished": counts[TrialState.COMPLETE],
        "pruned": counts[TrialState.PRUNED],
        "failed": counts[TrialState.FAIL],
        "running": counts[TrialState.RUNNING],
        "waiting": counts[TrialState.WAITING],
    }


def running_trials(record: StudyRecord, ledger: Ledger) -> list[RunningTrial]:
    """Return the trials that run now, or did until their worker fell silent."""
    return [_running(trial, alive, record) for trial, alive in ledger.running()]


def _running(trial: FrozenTrial, alive: bool, record: StudyRecord) -> RunningTrial:
    worker, epoch = trial.user_attrs.get("worker", "unknown"), max(trial.intermediate_values, default=0)
    step = "training" if epoch else "whitening" if _whitens(trial, record) else "preparing"
    return RunningTrial(trial.number, worker, epoch, alive, step)


def _whitens(trial: FrozenTrial, record: StudyRecord) -> bool:
    return {**record.spec.fixed, **trial.params}.get("preprocessing") == "whiten"


def _best(trial: FrozenTrial | None, record: StudyRecord) -> BestTrial | None:
    if trial is None or trial.value is None:
        return None
    accuracy, origin = validation_accuracy(trial, record.metric), origin_of(trial, record.starts)
    return BestTrial(trial.number, accuracy, trial.params, trial.value, origin)
