"""Optuna's storage with a memory: trials that ended are not read again, and nothing of a deleted study is kept.

Optuna's own cache goes by ids alone, and a database may give those of a deleted study and its trials to others: it
then shows the old trials in the new study, and checks the new one's parameters against the old one's.
"""

import copy
from collections.abc import Container, Sequence

from optuna.distributions import BaseDistribution
from optuna.storages import _CachedStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mlpsearch.studies.storage.backend import Backend
from mlpsearch.studies.storage.listing import Listing


class Cache(_CachedStorage):
    """Optuna's cached storage, which remembers listings of trials, and asks for all else anew."""

    _backend: Backend

    def __init__(self, backend: Backend):
        super().__init__(backend)
        self._listings: dict[int, Listing] = {}

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return a study's trials, by number. Raises KeyError where there is no such study."""
        listed = self._refreshed(study_id).trials
        trials = [listed[number] for number in sorted(listed)]
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def generation(self, study_id: int) -> int:
        """Return a number that stays the same for as long as the study of this id is the same.

        Raises KeyError where there is no such study.
        """
        return self._refreshed(study_id).generation

    def _refreshed(self, study_id: int) -> Listing:
        with self._lock:
            try:
                now = self._backend.refreshed(study_id, self._listings.get(study_id, Listing()))
            except KeyError:
                self._listings.pop(study_id, None)
                raise
            self._listings[study_id] = now
        return now

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Make a study; return its id. Raises DuplicatedStudyError where there is one of that name."""
        return self._backend.create_new_study(directions, study_name)

    def delete_study(self, study_id: int) -> None:
        """Delete a study. Raises KeyError where there is no such study."""
        self._backend.delete_study(study_id)

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return a study's name. Raises KeyError where there is no such study."""
        return self._backend.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return what a study's values shall become. Raises KeyError where there is no such study."""
        return self._backend.get_study_directions(study_id)

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Add a trial to a study; return its id. Raises KeyError where there is no such study."""
        return self._backend.create_new_trial(study_id, template_trial)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Set one parameter of a trial. Raises ValueError where other trials have it otherwise distributed."""
        self._backend.set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """Return a trial's id. Raises KeyError where there is no such trial."""
        return self._backend.get_trial_id_from_study_id_trial_number(study_id, trial_number)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial. Raises KeyError where there is no such trial."""
        return self._backend.get_trial(trial_id)
