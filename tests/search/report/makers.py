"""Studies of trials that nobody trained, for reports."""

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from mlpsearch.search.report.search_figures import FEWEST_FINISHED
from mlpsearch.search.report.study_report import report_page
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import add_own
from tests.search.pages import Page

HOSTILE = "</script><script>window.ran=1</script><b>\"'&"


def page_of(record: StudyRecord) -> Page:
    return Page(report_page(record))


def add(
    record: StudyRecord,
    value: float,
    state: TrialState = TrialState.COMPLETE,
    space: dict[str, BaseDistribution] | None = None,
    **params: Any,
) -> None:
    """Add a trial that ended with this accuracy, after one epoch below it."""
    trial = create_trial(
        state=state,
        value=None if state == TrialState.FAIL else value,
        params=params,
        distributions={name: (space or SPACE)[name] for name in params},
        intermediate_values={1: value / 2, 2: value},
        user_attrs={"error": HOSTILE} if state == TrialState.FAIL else {"seconds": 10 * value, "parameters": 1234},
    )
    add_own(record, trial)


SPACE: dict[str, BaseDistribution] = {
    "hidden_size": IntDistribution(4, 16),
    "learning_rate": FloatDistribution(1e-3, 0.1, log=True),
    "optimizer": CategoricalDistribution(("sgd", "adam")),
    "batch_size": CategoricalDistribution((10, 20)),
}


def nothing(record: StudyRecord) -> None:
    """No trials."""


def one(record: StudyRecord) -> None:
    add(record, 0.5, hidden_size=5, learning_rate=0.01)


def all_alike(record: StudyRecord) -> None:
    for _ in range(FEWEST_FINISHED):
        add(record, 0.5, hidden_size=5, learning_rate=0.01)


def pruned_and_failed(record: StudyRecord) -> None:
    add(record, 0.1, TrialState.PRUNED, hidden_size=5, learning_rate=0.01)
    add(record, 0.1, TrialState.FAIL)


def some(record: StudyRecord) -> None:
    for number in range(FEWEST_FINISHED):
        add(record, 0.3 + 0.02 * number, hidden_size=4 + number % 13, learning_rate=0.001 * (1 + number))
        add(record, 0.2, TrialState.PRUNED, hidden_size=4 + number % 13, learning_rate=0.05)


ONE_FIELD = {"search": {"hidden_size": {"low": 4, "high": 16}}}
CATEGORICAL = {"search": {"optimizer": {"choices": ["sgd", "adam"]}, "batch_size": {"choices": [10, 20]}}}


def one_field(record: StudyRecord) -> None:
    for number in range(FEWEST_FINISHED):
        add(record, 0.3 + 0.02 * number, hidden_size=4 + number % 13)


def categorical(record: StudyRecord) -> None:
    for number in range(FEWEST_FINISHED):
        add(record, 0.3 + 0.02 * number, optimizer=("sgd", "adam")[number % 2], batch_size=(10, 20)[number // 10])
