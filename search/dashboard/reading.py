"""The studies of a storage as the pages see them at one moment.

What a study says of itself costs dozens of questions to the database, and every open page asks every few seconds.
So a study in which nothing runs is read once, until its attributes or the counts of its trials are others.
"""

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.study._frozen import FrozenStudy
from optuna.trial import TrialState

from mlpsearch.models.errors import MlpsearchError, StorageError
from mlpsearch.search.results.status import RunningTrial, StudyStatus, running_trials, study_status
from mlpsearch.search.results.winner import winner_net
from mlpsearch.search.trials.checkpoints import weights_name
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.studies.data.training import own_copy
from mlpsearch.studies.files.base import FolderFiles
from mlpsearch.studies.record import (
    StudyRecord,
    confirmation_name,
    confirmation_of,
    expected_store,
    load_study,
)
from mlpsearch.studies.storage.counts import Counts
from mlpsearch.studies.storage.opening import Storage
from mlpsearch.studies.storage.own_studies import own_studies
from mlpsearch.studies.storage.ownership import MARKED, Ownership


@dataclass(frozen=True, slots=True)
class Seen:
    """A study at one moment.

    workers, confirming: the trials, and the runs of its confirmation, that workers with a fresh heartbeat have.
    heartbeat: when the newest heartbeat of a worker was, by this process's time.monotonic; None for never.
    weights: the file of the winner's; None where there is no winner, or where they are in a bucket.
    data: where this machine has the data; None where they are found by the name of the data set.
    """

    record: StudyRecord
    status: StudyStatus
    workers: list[RunningTrial]
    confirming: list[RunningTrial]
    heartbeat: float | None
    weights: Path | None
    data: Path | None

    def has_weights(self) -> bool:
        """Whether the winner's weights are there, as far as a look at a folder can say: no bucket is asked."""
        return self.weights is None or self.weights.is_file()

    def has_data(self) -> bool:
        """Whether there is something where the data were; whether it is the same, only reading it says."""
        return self.data is None or self.data.exists()

    @property
    def heartbeat_age(self) -> float | None:
        """Seconds since the newest heartbeat of a worker."""
        return None if self.heartbeat is None else time.monotonic() - self.heartbeat


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A study of which nothing is known, and why."""

    name: str
    trouble: str


class Reading:
    """Reads a storage's studies for several threads, each study no more often than it changes."""

    def __init__(self, storage: Storage):
        self._storage = storage
        self._kept: dict[str, tuple[Any, Seen]] = {}
        self._lock = threading.Lock()

    def studies(self) -> list[Seen | Unreadable]:
        """Return the studies by name; those that hold a confirmation's runs are a part of theirs."""
        with self._lock:
            found = {study.study_name: study for study in own_studies(self._storage)}
            names = sorted(name for name, study in found.items() if "plan" not in study.user_attrs)
            self._kept = {name: kept for name, kept in self._kept.items() if name in names}
            return [self._read(found, name) for name in names]

    def study(self, name: str) -> Seen | Unreadable | None:
        """Return the study of that name; None where there is none."""
        with self._lock:
            found = {study.study_name: study for study in own_studies(self._storage)}
            if name not in found or "plan" in found[name].user_attrs:
                return None
            return self._read(found, name)

    def _read(self, found: dict[str, FrozenStudy], name: str) -> Seen | Unreadable:
        try:
            both = [found[one] for one in (name, confirmation_name(name)) if one in found]
            state = [_state(self._storage, study) for study in both]
            before, kept = self._kept.get(name, (None, None))
            if kept is not None and before == state:
                return kept
            now = _seen(load_study(self._storage, name))
        except MlpsearchError as error:
            return Unreadable(name, str(error))
        except Exception as error:  # whatever a storage from elsewhere holds, the others are seen
            return Unreadable(name, f"cannot be read ({type(error).__name__})")
        if not any(counts[TrialState.RUNNING] for _, _, *both_counts in state for counts in both_counts):
            self._kept[name] = (state, now)
        else:
            self._kept.pop(name, None)
        return now


def _state(storage: Storage, study: FrozenStudy) -> tuple[Any, ...]:
    """What is another once a study has changed, but for the epochs of its running trials."""
    attributes = study.user_attrs
    counts = Counts(storage, study._study_id, Ownership(attributes["id"], bool(attributes.get(MARKED))))
    return study._study_id, attributes, counts.by_state(), counts.foreign()


def _seen(record: StudyRecord) -> Seen:
    with record.noticing_deletion():
        status, runs = study_status(record, Ledger(record)), confirmation_of(record)
        confirming = [] if runs is None else running_trials(runs, Ledger(runs))
        ages = [one.counts.heartbeat_age() for one in (record, runs) if one is not None]
        weights = None if status.headline is None else _weights(record)
    newest = min((age for age in ages if age is not None), default=None)
    return Seen(
        record=record,
        status=status,
        workers=[trial for trial in status.running if trial.alive],
        confirming=[trial for trial in confirming if trial.alive],
        heartbeat=None if newest is None else time.monotonic() - newest,
        weights=weights,
        data=own_copy(record.spec.dataset, record.attributes()["source"]["data"]),
    )


def _weights(record: StudyRecord) -> Path | None:
    home, net = winner_net(record)
    try:
        files = expected_store(home).files.within(home.id)
    except StorageError:
        return None
    return files.path / weights_name(net.number) if isinstance(files, FolderFiles) else None
