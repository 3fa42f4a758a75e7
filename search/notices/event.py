"""What people want to be told of a study, as its storage has it now."""

from dataclasses import dataclass
from typing import Literal

from optuna.trial import TrialState

from mlpsearch.models.errors import MlpsearchError, StudyError, innermost
from mlpsearch.search.results.headline import Headline, headline
from mlpsearch.search.results.no_winner import no_winner
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.record import StudyRecord, confirmation_of

Kind = Literal["confirmed", "tested", "searched", "failed", "stalled"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a study.

    kind: "confirmed", "tested" or "searched" where it is over, by how far it was asked for; "failed"; "stalled".
    key: tells it from all other events of the study: it is the same wherever somebody finds it.
    reason: why it failed, or what "stalled" means here, in a sentence without a full stop; else empty.
    """

    kind: Kind
    key: str
    reason: str = ""

    @property
    def is_end(self) -> bool:
        """Whether the study is over."""
        return self.kind in ("confirmed", "tested", "searched")


def event_of(record: StudyRecord) -> Event | None:
    """Return the event that a study has come to; None while it goes on or was stopped.

    That it stands still takes time to see: search/notices/watch.py does. Raises StudyError where it was deleted.
    """
    ledger = Ledger(record)
    if ledger.is_stopped():
        return None
    if not ledger.is_complete():
        return _hopeless(record, record)
    if record.attributes().get("ending") is not None:
        runs = confirmation_of(record)
        return None if runs is None else _hopeless(record, runs)
    winner, counts = headline(record, ledger), f"{ledger.ended()} {len(record.attributes()['tests'])}"
    if winner is None:
        return Event("failed", f"failed {counts}", str(no_winner(record, ledger)))
    kind = _kind(winner)
    return Event(kind, f"{kind} {counts}")


def failure(record: StudyRecord, error: BaseException) -> Event:
    """Return the event that a command has ended with an error."""
    known = isinstance(error, MlpsearchError)
    reason = str(error) if known else f"{type(error).__name__}: {innermost(error)}"
    return Event("failed", f"failed {progress(*_with_runs(record))}: {reason}", reason)


def progress(*records: StudyRecord) -> str:
    """Return how far a study and the runs of its confirmation are; it changes with every trial that ends."""
    ends = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    return " ".join(str(one.counts.by_state()[end]) for one in records for end in ends)


def _with_runs(record: StudyRecord) -> list[StudyRecord]:
    runs = confirmation_of(record)
    return [record] if runs is None else [record, runs]


def _kind(winner: Headline) -> Kind:
    if winner.confirmed:
        return "confirmed"
    return "searched" if winner.test is None else "tested"


def _hopeless(record: StudyRecord, worked_on: StudyRecord) -> Event | None:
    """The event that workers leave a study, or the runs of its confirmation, alone: its last trials failed."""
    try:
        TrialQueue(worked_on).refuse_hopeless()
    except StudyError as error:
        return Event("failed", f"failed {progress(*_with_runs(record))}", str(error))
    return None
