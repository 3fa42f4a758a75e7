"""Optuna's view of a study with its own trials alone, for whoever learns or draws conclusions from them."""

import copy
from collections.abc import Container

import optuna
from optuna.pruners import BasePruner, HyperbandPruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.ownership import Ownership


class OwnStudy(optuna.Study):
    """A study of which only its own trials are seen: what somebody added with Optuna itself may say anything."""

    def __init__(
        self, record: StudyRecord, sampler: BaseSampler | None = None, pruner: BasePruner | None = None
    ) -> None:
        super().__init__(record.name, record.storage.optuna, sampler, pruner)
        self._own = record.own

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return _own(super()._get_trials(False, states, use_cache), self._own, deepcopy)


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


def _own(trials: list[FrozenTrial], own: Ownership, deepcopy: bool) -> list[FrozenTrial]:
    found = [trial for trial in trials if own.has(trial)]
    return copy.deepcopy(found) if deepcopy else found
