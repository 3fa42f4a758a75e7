"""The studies of a storage as the pages see them at one moment."""

from collections.abc import Iterator
from dataclasses import dataclass

from mlpsearch.models.errors import MlpsearchError
from mlpsearch.search.results.status import RunningTrial, StudyStatus, study_status
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.record import StudyRecord, confirmation_of, load_study, study_names
from mlpsearch.studies.storage.opening import Storage


@dataclass(frozen=True, slots=True)
class LiveWorker:
    """A worker with a fresh heartbeat. trial: its trial, or its run of the confirmation.  epochs: of a whole one."""

    name: str
    trial: int
    epoch: int
    epochs: int
    confirms: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A study at one moment.

    workers: that are alive, those of its confirmation too.
    heartbeat_age: seconds since the newest heartbeat of any of its workers; None where there never was one.
    """

    record: StudyRecord
    status: StudyStatus
    workers: list[LiveWorker]
    heartbeat_age: float | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A study of which nothing is known, and why."""

    name: str
    trouble: str


def seen_studies(storage: Storage) -> Iterator[Seen | Unreadable]:
    """Yield the studies by name; those that hold a confirmation's runs are a part of theirs."""
    for name in study_names(storage):
        try:
            yield seen(load_study(storage, name))
        except MlpsearchError as error:
            yield Unreadable(name, str(error))
        except Exception as error:  # whatever a storage from elsewhere holds, the others are seen
            yield Unreadable(name, f"cannot be read ({type(error).__name__})")


def seen(record: StudyRecord) -> Seen:
    """Return a study as it is now. Raises StudyError where it was deleted."""
    with record.noticing_deletion():
        status, runs = study_status(record, Ledger(record)), confirmation_of(record)
        epochs = record.spec.budget.epochs
        workers = [_worker(trial, epochs) for trial in status.running if trial.alive]
        if runs is not None:
            confirming = study_status(runs, Ledger(runs)).running
            workers += [_worker(trial, epochs, confirms=True) for trial in confirming if trial.alive]
        ages = [one.counts.heartbeat_age() for one in (record, runs) if one is not None]
        return Seen(record, status, workers, min((age for age in ages if age is not None), default=None))


def _worker(trial: RunningTrial, epochs: int, *, confirms: bool = False) -> LiveWorker:
    return LiveWorker(trial.worker, trial.number, trial.epoch, epochs, confirms)
