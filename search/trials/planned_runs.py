"""The trials of a confirmation, seen by the runs that are asked for now.

What was asked for once and is not any more is left alone: runs that are done stay and may be asked for again,
those that wait are not begun.
"""

from optuna.trial import FrozenTrial, TrialState

from mlpsearch.studies.record import OF_TRIAL, PLANNED_SEED, PlannedRun, StudyRecord
from mlpsearch.studies.storage.counts import TrialKey

Key = tuple[int, int]  # of a run: the trial whose configuration it has, and its seed


class PlannedRuns:
    """The runs of one confirmation; every call asks the storage anew."""

    def __init__(self, record: StudyRecord):
        self._record = record

    def done(self) -> dict[Key, FrozenTrial]:
        """Return the trials of all runs that are done, also of those that are not asked for now."""
        return {
            key: trial
            for trial in self._trials()
            if trial.state == TrialState.COMPLETE and (key := run_of(trial)) is not None
        }

    def count_done(self) -> int:
        """Return how many of the runs that are asked for are done."""
        done = self.done()
        return sum(run.key in done for run in self._plan())

    def missing(self) -> list[PlannedRun]:
        """Return the runs that are asked for and that no trial does or has done, in their order."""
        begun = {run_of(trial) for trial in self._trials() if trial.state != TrialState.FAIL}
        return [run for run in self._plan() if run.key not in begun]

    def waiting(self, keys: list[TrialKey]) -> list[TrialKey]:
        """Return those of the trials that are not runs which are done, or which nobody asks for any more."""
        wanted = {run.key for run in self._plan()} - self.done().keys()
        others = {
            trial.number for trial in self._trials() if (key := run_of(trial)) is not None and key not in wanted
        }
        return [key for key in keys if key.number not in others]

    def _plan(self) -> list[PlannedRun]:
        return self._record.plan or []

    def _trials(self) -> list[FrozenTrial]:
        return own_or_waiting(self._record)


def own_or_waiting(record: StudyRecord) -> list[FrozenTrial]:
    """Return a study's own trials, and all that wait: whose these are shows once they are claimed."""
    trials = record.storage.optuna.get_all_trials(record.study_id, deepcopy=False)
    return [trial for trial in trials if trial.state == TrialState.WAITING or record.own.has(trial)]


def run_of(trial: FrozenTrial) -> Key | None:
    """The run that a trial does; None for one that mlpsearch did not plan."""
    of_trial, seed = (trial.user_attrs.get(name) for name in (OF_TRIAL, PLANNED_SEED))
    return (of_trial, seed) if type(of_trial) is int and type(seed) is int else None
