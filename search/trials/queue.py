"""Who runs which trial: an exact budget over any number of workers, crashes and resumptions.

The trials of the storage are the only truth; nothing is counted elsewhere.

    WAITING ──claim──▶ RUNNING ──▶ COMPLETE or PRUNED counts towards the budget
       ▲                  │
       └──────requeue─────┤        interrupted, its worker died, or it raised and may be tried again:
                          │     the same trial, number and hyperparameters, from its last checkpoint
                          └──▶ FAIL                   raised or lost its worker too often; a new trial replaces it

A trial is added only while fewer trials than the budget are not FAIL, and one that waits is taken only while the
budget has room for it, so that exactly the budget's trials end. Trials of others (studies/storage/ownership.py)
count for nothing; points that somebody queued with Optuna are taken like those added here, if they fit the study.
Adding one is one transaction, which locks the study; each step of a trial is one as well, which locks the trial
and goes by what the trial is then, so that it may be done again where the answer to it got lost.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import optuna
from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from mlpsearch.models.errors import StudyError
from mlpsearch.search.strategy.own_study import OwnStudy
from mlpsearch.search.strategy.pruners import make_pruner
from mlpsearch.search.strategy.samplers import make_sampler
from mlpsearch.search.trials.checkpoints import remove_leftovers
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.next_trial import NothingMissing, next_trial
from mlpsearch.search.trials.planned_runs import PlannedRuns
from mlpsearch.search.trials.room import most_trials
from mlpsearch.search.trials.waiting import misfit
from mlpsearch.studies.hints import command
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.counts import TrialKey
from mlpsearch.studies.storage.ownership import CLAIMED, ENDED, REFUSED
from mlpsearch.studies.storage.trial_changes import TrialChange

ATTEMPT = "attempt"  # the trial attribute that tells its attempts apart
MAX_FAILURES = 3  # exceptions of one trial
MAX_DEATHS = 10  # workers that died with one trial
MAX_FAILED_IN_A_ROW = 5  # failed trials with none that ended well between them: something is wrong with all


class TrialLost(Exception):  # noqa: N818 - an event, not a mistake
    """The trial is another worker's now, or ended, or its study was deleted."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A trial that one worker runs. attempt: a random text, so that no two claims are taken for each other."""

    trial: optuna.Trial
    trial_id: int
    worker: str
    attempt: str

    @property
    def number(self) -> int:
        """The trial's number in its study, from 0."""
        return self.trial.number


class TrialQueue:
    """The trials of one study, as its workers share them. ledger: what became of them."""

    def __init__(self, record: StudyRecord):
        self._record = record
        self._own = record.own
        self.ledger = Ledger(record)
        self._counts = record.counts
        self._storage = record.storage.optuna
        self._backend = record.storage.optuna
        self._sampler = make_sampler(record.spec)
        self._planned = None if record.plan is None else PlannedRuns(record)
        self._pruner = make_pruner(record.spec) if self._planned is None else NopPruner()

    # ---- taking ----------------------------------------------------------------------------------------------

    def claim(self, worker: str) -> Claim | None:
        """Return the next trial for this worker, or None when there is none to be had now.

        worker: a name that no other process has, by which `release` finds what it had.
        """
        if self.ledger.is_stopped() or self.ledger.is_used_up():
            return None
        claim = self._claim_waiting(worker)
        if claim is None and self._add_if_missing():
            claim = self._claim_waiting(worker)
        return claim

    def _claim_waiting(self, worker: str) -> Claim | None:
        attempt, refused = secrets.token_hex(8), set[int]()
        owner = {"worker": worker, ATTEMPT: attempt}
        plan = self._record.plan

        def take(trial: FrozenTrial) -> TrialChange | None:
            # Its own already where the answer to taking it was lost, and it is taken again.
            is_taken = _is_held(trial, worker, attempt)
            if not (is_taken or trial.state == TrialState.WAITING):
                return None
            wrong = None if is_taken else misfit(trial, self._record.spec, plan, self._own)
            if wrong is None:
                return TrialChange(
                    TrialState.RUNNING, attributes=owner, system=self._own.mark(CLAIMED, trial.number)
                )
            refused.add(trial._trial_id)
            return TrialChange(
                TrialState.FAIL, attributes={"error": wrong}, system=self._own.mark(REFUSED, trial.number)
            )

        # Anew while any wait: between looking and taking, others take these, and add some.
        while waiting := self._waiting():
            for key in waiting:
                if self._change(key.trial_id, take) and key.trial_id not in refused:
                    return Claim(self._asked(key.trial_id), key.trial_id, worker, attempt)
        return None

    def _waiting(self) -> list[TrialKey]:
        if self._planned is None:
            return self._counts.waiting(self._record.budget.trials)
        return self._planned.waiting(self._counts.in_state(TrialState.WAITING))

    def _asked(self, trial_id: int) -> optuna.Trial:
        # A new view of the study for each trial: Optuna's sampler goes by the trials that a view once
        # listed, until `ask` or `tell` is called on it, and nobody calls those here.
        study = OwnStudy(self._record, self._sampler, self._pruner)
        return optuna.Trial(study, trial_id)

    def _add_if_missing(self) -> bool:
        """Add one WAITING trial if the budget has room for it."""
        begun = self._counts.begun()
        most = begun + len(self._planned.missing()) if self._planned else most_trials(self._record)
        if begun >= most:
            return False
        self.refuse_hopeless()
        try:
            return self._backend.add_trial(self._record.study_id, most, self._next_trial, self._own)
        except NothingMissing:  # another plan took the place of this one meanwhile
            return False

    def _next_trial(self, _: int) -> FrozenTrial:
        if self._planned is None and not self._record.starts and self._record.spec.sampler != "grid":
            return create_trial(state=TrialState.WAITING)  # no need to read all others
        return next_trial(self._record, self._planned)

    def refuse_hopeless(self) -> None:
        """Raise StudyError where the last trials failed, and nobody has gone on with the study since."""
        ended = self._counts.last_ended(MAX_FAILED_IN_A_ROW)
        if len(ended) < MAX_FAILED_IN_A_ROW or any(state != TrialState.FAIL for state, _ in ended):
            return
        if min(key.number for _, key in ended) < self._record.resumed_at:
            return
        newest = self._storage.get_trial(ended[0][1].trial_id)
        if self._planned is None:
            again = self._record.command("resume")
        else:  # the name of the study that is confirmed
            again = command(self._record.url, "confirm", self._record.spec.name)
        raise StudyError(
            f"study {self._record.name}: the last {MAX_FAILED_IN_A_ROW} trials failed, the newest with: "
            f"{newest.user_attrs.get('error', 'no message')}; `{again}` goes on once that is mended",
            study=self._record.name,
            trial=newest.number,
        )

    # ---- giving back -----------------------------------------------------------------------------------------

    def finish(self, claim: Claim, score: float, facts: Mapping[str, Any] = MappingProxyType({})) -> None:
        """End the trial as COMPLETE. facts: what its user attributes shall say besides.

        score: by the study's metric, on validation images.
        Raises TrialLost, and changes nothing, if it is not this claim's any more or its study was deleted.
        """
        self._end(claim, TrialChange(TrialState.COMPLETE, score, facts))

    def prune(self, claim: Claim, score: float, facts: Mapping[str, Any] = MappingProxyType({})) -> None:
        """End the trial as PRUNED, with its last validation score, as `finish` does."""
        self._end(claim, TrialChange(TrialState.PRUNED, score, facts))

    def _end(self, claim: Claim, end: TrialChange) -> None:
        ended_before = False

        def decide(trial: FrozenTrial) -> TrialChange | None:
            nonlocal ended_before
            if _is_held(trial, claim.worker, claim.attempt):
                return replace(end, system=self._own.mark(ENDED, trial.number))
            # Where the answer was lost, and this is done again, it has ended so already.
            ended_before = self._own.has_mark(trial) and (trial.state, trial.value, _owner(trial)) == (
                end.state,
                end.value,
                (claim.worker, claim.attempt),
            )
            return None

        if not self._change(claim.trial_id, decide) and not ended_before:
            raise TrialLost

    def requeue(self, claim: Claim) -> None:
        """Give the trial back unfinished; the next worker goes on from its checkpoint."""
        self._change_own(claim, lambda _: TrialChange(TrialState.WAITING))

    def fail(self, claim: Claim, message: str) -> None:
        """Count an exception: the trial is tried again, or FAIL after MAX_FAILURES."""
        self._change_own(claim, lambda trial: self._counted(trial, "failures", MAX_FAILURES, message))

    def release(self, worker: str, *, died: bool = True) -> list[int]:
        """Give back the trials of a worker that died, or was ended on purpose; return their numbers."""
        lost = [
            trial for trial in self.ledger.in_state(TrialState.RUNNING) if trial.user_attrs.get("worker") == worker
        ]
        return self._release(lost, f"worker {worker} died" if died else "")

    def reap(self) -> list[int]:
        """Give back the trials whose worker's heartbeat stopped; return their numbers."""
        if not self.ledger.stale_ids():
            return []
        running = self.ledger.in_state(TrialState.RUNNING)
        stale = (
            self.ledger.stale_ids()
        )  # anew, for a trial may have been given back and claimed before it was read
        return self._release(
            [trial for trial in running if trial._trial_id in stale], "its worker stopped answering"
        )

    def _release(self, lost: list[FrozenTrial], message: str) -> list[int]:
        """Give these trials back, but those that are in another attempt by now."""

        def give_back(seen: FrozenTrial) -> bool:
            def decide(trial: FrozenTrial) -> TrialChange | None:
                if _attempt(trial) != _attempt(seen):
                    return None
                if not message:
                    return TrialChange(TrialState.WAITING)
                return self._counted(trial, "deaths", MAX_DEATHS, message, lost=True)

            return self._change(seen._trial_id, decide)

        return [trial.number for trial in lost if give_back(trial)]

    def _counted(
        self, trial: FrozenTrial, attribute: str, most: int, message: str, *, lost: bool = False
    ) -> TrialChange:
        """Let the trial wait again, or fail where this has happened to it `most` times."""
        count = trial.user_attrs.get(attribute, 0) + 1
        noted = {attribute: count, "error": message}
        if count < most:
            return TrialChange(TrialState.WAITING, attributes=noted, lost=lost)
        return TrialChange(
            TrialState.FAIL, attributes=noted, system=self._own.mark(ENDED, trial.number), lost=lost
        )

    def _change_own(self, claim: Claim, change: Callable[[FrozenTrial], TrialChange]) -> bool:
        """Change a claimed trial if it is still this worker's; return whether it was."""

        def decide(trial: FrozenTrial) -> TrialChange | None:
            # The database may give the id of a deleted study's trial to another's: the owner tells them apart.
            return change(trial) if _is_held(trial, claim.worker, claim.attempt) else None

        return self._change(claim.trial_id, decide)

    def _change(self, trial_id: int, decide: Callable[[FrozenTrial], TrialChange | None]) -> bool:
        try:
            return self._backend.change_trial(trial_id, decide)
        except KeyError:  # its study was deleted
            return False

    # ---- keeping ---------------------------------------------------------------------------------------------

    def beat(self, claim: Claim) -> bool:
        """Record that the worker lives; return whether the trial is still its own."""
        return self._change_own(claim, lambda _: TrialChange(TrialState.RUNNING))

    def remove_leftovers(self) -> None:
        """Delete checkpoints of trials that ended, and all weights but the best's; a confirmation keeps all."""
        remove_leftovers(
            self._record.files,
            unfinished=self.ledger.unfinished,
            keep=lambda: None if self._planned is not None else {trial.number for trial in self.ledger.top(1)},
        )


def _owner(trial: FrozenTrial) -> tuple[object, object]:
    """The worker of the trial's last attempt, and the attempt."""
    return trial.user_attrs.get("worker"), trial.user_attrs.get(ATTEMPT)


def _is_held(trial: FrozenTrial, worker: str, attempt: str) -> bool:
    return trial.state == TrialState.RUNNING and _owner(trial) == (worker, attempt)


def _attempt(trial: FrozenTrial) -> tuple[object, ...]:
    return trial.state, *_owner(trial)
