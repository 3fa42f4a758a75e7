"""Who runs which trial: an exact budget over any number of workers, crashes and resumptions.

The trials of the storage are the only truth; nothing is counted elsewhere.

    WAITING ──claim──▶ RUNNING ──▶ COMPLETE or PRUNED counts towards the budget
       ▲                  │
       └──────requeue─────┤        interrupted, its worker died, or it raised and may be tried again:
                          │     the same trial, number and hyperparameters, from its last checkpoint
                          └──▶ FAIL                   raised or lost its worker too often; a new trial replaces it

A trial is added only while fewer trials than the budget are not FAIL, so that exactly the budget's trials end.
Adding one is one transaction, which locks the study; each step of a trial is one as well, which locks the trial
and goes by what the trial is then, so that it may be done again where the answer to it got lost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import optuna
from optuna.pruners import NopPruner
from optuna.trial import FrozenTrial, TrialState, create_trial

from models.errors import StudyError
from search.checkpoints import remove_leftovers
from search.planned_runs import PlannedRuns
from search.strategy import make_pruner, make_sampler
from studies.backend import Change
from studies.counts import EARLIER, TrialKey
from studies.record import PLANNED_SEED, StudyRecord

MAX_FAILURES = 3  # exceptions of one trial
MAX_DEATHS = 10  # workers that died with one trial
MAX_FAILED_IN_A_ROW = 5  # failed trials with none that ended well between them: something is wrong with all


class NothingMissing(Exception):  # noqa: N818 - an event, not a mistake
    """Every planned run has a trial."""


class TrialLost(Exception):  # noqa: N818 - an event, not a mistake
    """The trial is another worker's now, or ended, or its study was deleted."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A trial that one worker runs."""

    trial: optuna.Trial
    trial_id: int
    worker: str

    @property
    def number(self) -> int:
        """The trial's number in its study, from 0."""
        return self.trial.number


class TrialQueue:
    """The trials of one study, as its workers share them."""

    def __init__(self, record: StudyRecord):
        self._record = record
        self._counts = record.counts
        self._storage = record.storage.optuna
        self._backend = record.storage.backend
        self._sampler = make_sampler(record.spec)
        self._planned = None if record.plan is None else PlannedRuns(record)
        self._pruner = make_pruner(record.spec) if self._planned is None else NopPruner()

    # ---- taking ----------------------------------------------------------------------------------------------

    def claim(self, worker: str) -> Claim | None:
        """Return the next trial for this worker, or None when there is none to be had now."""
        if self.is_stopped() or self.is_used_up():
            return None
        claim = self._claim_waiting(worker)
        if claim is None and self._add_if_missing():
            claim = self._claim_waiting(worker)
        return claim

    def _claim_waiting(self, worker: str) -> Claim | None:
        def take(trial: FrozenTrial) -> Change | None:
            is_free = trial.state == TrialState.WAITING
            return Change(TrialState.RUNNING, attributes={"worker": worker}) if is_free else None

        # Anew while any wait: between looking and taking, others take these, and add some.
        while waiting := self._waiting():
            for key in waiting:
                if self._change(key.trial_id, take):
                    return Claim(self._asked(key.trial_id), key.trial_id, worker)
        return None

    def _waiting(self) -> list[TrialKey]:
        waiting = self._counts.in_state(TrialState.WAITING)
        return self._planned.waiting(waiting) if self._planned and waiting else waiting

    def _asked(self, trial_id: int) -> optuna.Trial:
        # A new view of the study for each trial: Optuna's sampler goes by the trials that a view once
        # listed, until `ask` or `tell` is called on it, and nobody calls those here.
        study = self._record.optuna_study(self._sampler, self._pruner)
        # Optuna's cache refuses parameters for a trial that another process added and it never listed.
        study.get_trials(deepcopy=False)
        return optuna.Trial(study, trial_id)

    def _add_if_missing(self) -> bool:
        """Add one WAITING trial if the budget has room for it."""
        begun = self._counts.begun()
        most = begun + len(self._planned.missing()) if self._planned else self._record.budget.trials
        if begun >= most:
            return False
        self._refuse_hopeless()
        try:
            return self._backend.add_trial(self._record.study_id, most, self._next_trial)
        except NothingMissing:  # another plan took the place of this one meanwhile
            return False

    def _next_trial(self, number: int) -> FrozenTrial:
        """A trial to be sampled, one of the specification's starts, or a planned run that no trial does yet."""
        starts = self._record.spec.start
        if self._planned is None:
            fixed = {"fixed_params": starts[number]} if number < len(starts) else {}
            return create_trial(state=TrialState.WAITING, system_attrs=fixed)
        run = next(iter(self._planned.missing()), None)
        if run is None:
            raise NothingMissing
        return create_trial(
            state=TrialState.WAITING,
            system_attrs={"fixed_params": run.params},
            user_attrs={"of_trial": run.trial, PLANNED_SEED: run.seed},
        )

    def _refuse_hopeless(self) -> None:
        ended = self._counts.last_ended(MAX_FAILED_IN_A_ROW)
        if len(ended) == MAX_FAILED_IN_A_ROW and all(state == TrialState.FAIL for state, _ in ended):
            newest = self._storage.get_trial(ended[0][1].trial_id)
            raise StudyError(
                f"study {self._record.name}: the last {MAX_FAILED_IN_A_ROW} trials failed, "
                f"the newest with: {newest.user_attrs.get('error', 'no message')}"
            )

    # ---- giving back -----------------------------------------------------------------------------------------

    def finish(self, claim: Claim, accuracy: float) -> None:
        """End the trial as COMPLETE. Raises TrialLost if it ended already or its study was deleted."""
        self._end(claim, TrialState.COMPLETE, accuracy)

    def prune(self, claim: Claim, accuracy: float) -> None:
        """End the trial as PRUNED, with its last validation accuracy. Raises TrialLost as `finish` does."""
        self._end(claim, TrialState.PRUNED, accuracy)

    def _end(self, claim: Claim, state: TrialState, value: float) -> None:
        if not self._change_own(claim, lambda _: Change(state, value)):
            raise TrialLost

    def requeue(self, claim: Claim) -> None:
        """Give the trial back unfinished; the next worker goes on from its checkpoint."""
        self._change_own(claim, _given_back)

    def fail(self, claim: Claim, message: str) -> None:
        """Count an exception: the trial is tried again, or FAIL after MAX_FAILURES."""
        self._change_own(claim, lambda trial: _counted(trial, "failures", MAX_FAILURES, message))

    def release(self, worker: str, *, died: bool = True) -> list[int]:
        """Give back the trials of a worker that died, or was ended on purpose; return their numbers."""
        lost = [trial for trial in self._in_state(TrialState.RUNNING) if _owner(trial) == worker]
        return self._release(lost, f"worker {worker} died" if died else "")

    def reap(self) -> list[int]:
        """Give back the trials whose worker's heartbeat stopped; return their numbers."""
        if not self._stale_ids():
            return []
        running = self._in_state(TrialState.RUNNING)
        stale = self._stale_ids()  # anew, for a trial may have been given back and claimed before it was read
        return self._release(
            [trial for trial in running if trial._trial_id in stale], "its worker stopped answering"
        )

    def _release(self, lost: list[FrozenTrial], message: str) -> list[int]:
        """Give these trials back, but those that are in another attempt by now."""

        def give_back(seen: FrozenTrial) -> bool:
            def decide(trial: FrozenTrial) -> Change | None:
                if _attempt(trial) != _attempt(seen):
                    return None
                return _counted(trial, "deaths", MAX_DEATHS, message) if message else _given_back(trial)

            return self._change(seen._trial_id, decide)

        return [trial.number for trial in lost if give_back(trial)]

    def _change_own(self, claim: Claim, change: Callable[[FrozenTrial], Change]) -> bool:
        """Change a claimed trial if it is still this worker's; return whether it was."""
        # The database may give the id of a deleted study's trial to another's: the owner tells them apart.
        return self._change(claim.trial_id, lambda trial: change(trial) if _owner(trial) == claim.worker else None)

    def _change(self, trial_id: int, decide: Callable[[FrozenTrial], Change | None]) -> bool:
        try:
            return self._backend.change_trial(trial_id, decide)
        except KeyError:  # its study was deleted
            return False

    def _in_state(self, state: TrialState) -> list[FrozenTrial]:
        return [self._storage.get_trial(key.trial_id) for key in self._counts.in_state(state)]

    def _stale_ids(self) -> set[int]:
        return self._record.storage.stale_trial_ids(self._record.study_id)

    # ---- looking ---------------------------------------------------------------------------------------------

    def beat(self, claim: Claim) -> bool:
        """Record that the worker lives; return whether the trial is still its own."""
        try:
            if _owner(self._storage.get_trial(claim.trial_id)) != claim.worker:
                return False
        except KeyError:
            return False
        self._record.storage.record_heartbeat(claim.trial_id)
        return True

    def ended(self) -> int:
        """Return how many trials count towards the budget so far; of a confirmation, those that are asked for."""
        if self._planned is not None:
            return self._planned.count_done()
        counts = self._counts.by_state()
        return counts[TrialState.COMPLETE] + counts[TrialState.PRUNED]

    def is_stopped(self) -> bool:
        """Whether workers shall leave the study alone. Raises StudyError when it was deleted."""
        return bool(self._record.attributes()["stopped"])

    def is_complete(self) -> bool:
        """Whether the budget is spent and no trial runs any more; of a confirmation, whether its runs are done."""
        if self._planned is not None:
            return self._planned.count_done() == len(self._record.plan or [])
        counts = self._counts.by_state()
        if counts[TrialState.RUNNING]:
            return False
        ended = counts[TrialState.COMPLETE] + counts[TrialState.PRUNED]
        return ended >= self._record.budget.trials or self.is_used_up()

    def is_used_up(self) -> bool:
        """Whether the study's seconds or epochs are used up, so that no further trial may start."""
        budget = self._record.budget
        if budget.total_epochs is not None and self._counts.epochs() >= budget.total_epochs:
            return True
        return budget.seconds is not None and self._counts.seconds() >= budget.seconds

    def best(self) -> FrozenTrial | None:
        """Return the complete trial of the highest validation accuracy, the first of equals, if there is any."""
        return next(iter(self.top(1)), None)

    def top(self, count: int) -> list[FrozenTrial]:
        """Return the complete trials of the highest validation accuracies, best first."""
        return [self._storage.get_trial(key.trial_id) for key in self._counts.best(count)]

    def running(self) -> list[tuple[FrozenTrial, bool]]:
        """Return the running trials, each with whether its worker's heartbeat is fresh."""
        stale = self._stale_ids()
        return [(trial, trial._trial_id not in stale) for trial in self._in_state(TrialState.RUNNING)]

    def remove_leftovers(self) -> None:
        """Delete checkpoints of trials that ended, and all weights but the best's; a confirmation keeps all."""
        is_planned = self._record.plan is not None
        remove_leftovers(
            self._record.files,
            is_ended=self.is_ended,
            keep=lambda: None if is_planned else {key.number for key in self._counts.best()},
        )

    def is_ended(self, number: int) -> bool:
        """Whether the trial of that number ended, or never was."""
        try:
            trial_id = self._storage.get_trial_id_from_study_id_trial_number(self._record.study_id, number)
            return self._storage.get_trial(trial_id).state.is_finished()
        except KeyError:
            return True


def _owner(trial: FrozenTrial) -> str | None:
    """The worker of a running trial, else None."""
    return trial.user_attrs.get("worker") if trial.state == TrialState.RUNNING else None


def _attempt(trial: FrozenTrial) -> tuple[object, ...]:
    return trial.state, trial.user_attrs.get("worker"), trial.datetime_start


def _counted(trial: FrozenTrial, attribute: str, most: int, message: str) -> Change:
    """Let the trial wait again, or fail where this has happened to it `most` times."""
    count = trial.user_attrs.get(attribute, 0) + 1
    noted = {attribute: count, "error": message}
    return _given_back(trial, noted) if count < most else Change(TrialState.FAIL, attributes=noted)


def _given_back(trial: FrozenTrial, noted: Mapping[str, Any] | None = None) -> Change:
    """Let the trial wait again. Its start is set anew when it is taken up, so this attempt's span is kept."""
    spans = list(trial.user_attrs.get(EARLIER, []))
    if trial.datetime_start is not None:
        spans.append([trial.datetime_start.isoformat(), datetime.now().isoformat()])
    return Change(TrialState.WAITING, attributes={**(noted or {}), EARLIER: spans})
