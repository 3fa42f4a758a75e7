"""Which trials of a study are its own: those that mlpsearch's workers train or trained, and no others.

Whoever can write to the database can add trials with Optuna itself: `study.ask()`, `tell`, `add_trial`,
`optimize`, `enqueue_trial`. A worker marks a trial when it claims it, and again in the transaction that ends it.
A mark names the study and the trial's number, so that a copy in another study, or of another number, is nobody's
work there; and who tells the end of a trial that a worker has, ends it without the second mark.

    WAITING                 nobody's yet: a worker may take it if it fits the study; its own once it was claimed
    RUNNING                 its own if it was claimed
    COMPLETE, PRUNED, FAIL  its own if a worker ended it
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

# System attributes of trials.
CLAIMED = "mlpsearch:claimed"
ENDED = "mlpsearch:ended"
REFUSED = "mlpsearch:refused"  # of a trial that somebody queued, and that does not fit the study

MARKED = "marked"  # the study attribute that says that workers mark its trials: those of earlier versions did not

_IS_ENDED = "state IN ('COMPLETE', 'PRUNED', 'FAIL')"
_HAS_MARK = (
    "EXISTS (SELECT 1 FROM trial_system_attributes AS marks WHERE marks.trial_id = trials.trial_id AND"
    " marks.key = '{key}' AND marks.value_json ="
    " '\"' || CAST(:owner AS TEXT) || '/' || CAST(trials.number AS TEXT) || '\"')"
)
_HAS_FACT = (
    "EXISTS (SELECT 1 FROM trial_user_attributes AS facts WHERE facts.trial_id = trials.trial_id AND"
    " facts.key = '{key}')"
)


@dataclass(frozen=True, slots=True)
class Ownership:
    """Tells a study's own trials from others.

    study: the id of its record.  marked: whether workers marked all its trials; of a study that an earlier version
    made, trials also pass by what that version's workers left on them.
    """

    study: str
    marked: bool = True

    def has(self, trial: FrozenTrial) -> bool:
        """Whether the trial is the study's own."""
        if self.has_mark(trial):
            return True
        if self.marked or "worker" not in trial.user_attrs:
            return False
        return trial.state not in (TrialState.COMPLETE, TrialState.PRUNED) or "seed" in trial.user_attrs

    def has_mark(self, trial: FrozenTrial) -> bool:
        """Whether a worker marked the trial in its present state."""
        key = ENDED if trial.state.is_finished() else CLAIMED
        return bool(trial.system_attrs.get(key) == self._name(trial.number))

    def mark(self, key: str, number: int) -> dict[str, str]:
        """The system attribute that marks the trial of that number as claimed, ended or refused."""
        return {key: self._name(number)}

    def _name(self, number: int) -> str:
        return f"{self.study}/{number}"

    @property
    def condition(self) -> str:
        """What `has` says, as an SQL condition on a row of trials. It has the parameters below."""
        by_mark = f"CASE WHEN {_IS_ENDED} THEN {_marked(ENDED)} ELSE {_marked(CLAIMED)} END"
        if self.marked:
            return f"({by_mark})"
        by_facts = f"{_fact('worker')} AND (state NOT IN ('COMPLETE', 'PRUNED') OR {_fact('seed')})"
        return f"({by_mark} OR {by_facts})"

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of the SQL conditions."""
        return {"owner": self.study}

    @property
    def refused(self) -> str:
        """The SQL condition that the trial was queued by somebody and refused."""
        return _marked(REFUSED)


def _marked(key: str) -> str:
    return _HAS_MARK.format(key=key)


def _fact(key: str) -> str:
    return _HAS_FACT.format(key=key)
