"""The seed of each training run: decided by the study's own, and recorded with the trial."""

import numpy as np
from optuna.trial import BaseTrial

from mlpsearch.studies.record import PLANNED_SEED
from mlpsearch.studies.spec.study import StudySpec


def trial_seed(spec: StudySpec, trial: BaseTrial) -> int:
    """Return the seed of a trial's training: the planned one, else one derived from the trial's number."""
    planned = trial.user_attrs.get(PLANNED_SEED)
    return derived_seed(spec, trial.number) if planned is None else int(planned)


def derived_seed(spec: StudySpec, *key: int) -> int:
    """Return a seed that the study's own and a key decide."""
    return int(np.random.SeedSequence([spec.seed, *key]).generate_state(1)[0])
