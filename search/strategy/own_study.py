"""Optuna's view of a study with its own trials alone, for whoever learns or draws conclusions from them."""

import copy
from collections.abc import Container

import optuna
from optuna.pruners import BasePruner, HyperbandPruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.studies.record import StudyRecord


class OwnStudy(optuna.Study):
    """A study of which only its own trials are seen: what somebody added with Optuna itself may say anything.

    Trials that failed before somebody went on with the study are left out, for what made them fail may be mended.
    """

    def __init__(
        self, record: StudyRecord, sampler: BaseSampler | None = None, pruner: BasePruner | None = None
    ) -> None:
        super().__init__(record.name, record.storage.optuna, sampler, pruner)
        self._record = record

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        own = self._record.own
        found = [trial for trial in super()._get_trials(False, states, use_cache) if own.has(trial)]
        if any(trial.state == TrialState.FAIL for trial in found):
            since = self._record.resumed_at
            found = [trial for trial in found if trial.state != TrialState.FAIL or trial.number >= since]
        return copy.deepcopy(found) if deepcopy else found


class OwnHyperband(HyperbandPruner):
    """Hyperband over the study's own trials: Optuna's view of a bracket asks the storage for all of them."""

    def _create_bracket_study(self, study: optuna.Study, bracket_id: int) -> optuna.Study:
        return _Bracket(study, self, bracket_id)


class _Bracket(optuna.Study):
    """One bracket, as Optuna's own view has it: `get_trials` gives its trials, `_get_trials` those of all."""

    def __init__(self, study: optuna.Study, pruner: OwnHyperband, bracket_id: int) -> None:
        super().__init__(study.study_name, study._storage, study.sampler, pruner)
        self._study = study
        self._pruner, self._bracket = pruner, bracket_id

    def get_trials(self, deepcopy: bool = True, states: Container[TrialState] | None = None) -> list[FrozenTrial]:
        trials = self._study.get_trials(deepcopy, states)
        return [trial for trial in trials if self._pruner._get_bracket_id(self, trial) == self._bracket]

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return self._study._get_trials(deepcopy, states, use_cache)
