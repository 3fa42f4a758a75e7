"""Studies that have come to something, without training, and a channel that keeps what it is given."""

from optuna.trial import TrialState, create_trial

from mlpsearch.search.notices.channel import NotDelivered
from mlpsearch.search.notices.message import Notice
from mlpsearch.search.trials.queue import MAX_FAILED_IN_A_ROW
from mlpsearch.studies.record import StudyRecord
from tests.search.makers import add_own


class Kept:
    """A channel without a wire. trouble: why nothing arrives, if so."""

    name = "kept"

    def __init__(self, trouble: str = ""):
        self.notices: list[Notice] = []
        self.trouble = trouble

    @property
    def titles(self) -> list[str]:
        return [notice.title for notice in self.notices]

    @property
    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.notices]

    def send(self, notice: Notice) -> None:
        self.notices.append(notice)
        if self.trouble:
            raise NotDelivered(self.trouble)


def complete(record: StudyRecord, *, state: TrialState = TrialState.COMPLETE) -> None:
    """Add the trials that its budget still has, as if workers had done them."""
    for _ in range(record.budget.trials - record.counts.begun()):
        add_trial(record, state)


def add_trial(record: StudyRecord, state: TrialState = TrialState.COMPLETE) -> None:
    value = None if state == TrialState.FAIL else 0.5
    add_own(record, create_trial(state=state, value=value, user_attrs={"error": "no luck"}))


def fail(record: StudyRecord) -> None:
    """Let so many trials fail that workers leave it alone."""
    for _ in range(MAX_FAILED_IN_A_ROW):
        add_trial(record, TrialState.FAIL)
