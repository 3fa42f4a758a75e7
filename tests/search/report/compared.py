"""Studies of one finished trial, to be compared."""

from typing import Any

from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import TESTED, add_own
from tests.studies.stores import SOURCE, spec

SPACE: dict[str, BaseDistribution] = {
    "hidden_size": IntDistribution(4, 16),
    "learning_rate": FloatDistribution(1e-3, 0.1, log=True),
}
TEST = TESTED | {
    "accuracy": 0.5,
    "interval": [0.48, 0.52],
    "images": 2500,
    "confusion": [[625, 625], [625, 625]],
    "command": "mlpsearch run one",
}


def study(
    url: str,
    name: str,
    *curve: float,
    test: dict[str, Any] | None = None,
    fingerprint: str = "f" * 64,
    **changes: Any,
) -> StudyRecord:
    """A study of one finished trial with this curve, and one pruned trial."""
    source = SOURCE | {"fingerprint": fingerprint}
    record = create_or_resume(url, spec(name=name, trials=3, **changes), trials=None, source=source)
    if curve:
        for state in (TrialState.COMPLETE, TrialState.PRUNED):
            trial = create_trial(
                state=state,
                value=curve[-1],
                params={"hidden_size": 7, "learning_rate": 0.0123456},
                distributions=SPACE,
                intermediate_values=dict(enumerate(curve, 1)),
                user_attrs={"seconds": 75.2, "images_per_second": 12345, "parameters": 6789},
            )
            add_own(record, trial)
    if test is not None:
        record.set("tests", [TEST | test])
    return record
