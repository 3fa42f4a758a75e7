"""One worker for all open studies of a storage, for as long as it is let: it takes a trial of each in turn."""

import time
from collections.abc import Callable

from mlpsearch.models.announcements import announce
from mlpsearch.models.errors import MlpsearchError, StudyError
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.search.workers.worker import IDLE_SECONDS, Worker
from mlpsearch.studies.record import load_study, open_study
from mlpsearch.studies.storage.opening import Storage, open_storage, without_password
from mlpsearch.studies.storage.own_studies import own_studies
from mlpsearch.studies.study_data import load_study_data

# After an error a study is left alone for a while, which doubles with each further one.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 2.0, 120.0


class _Served:
    """One study: its images and trials are kept only while there is something to do for it.

    id: its own, for a study that was deleted and made anew under the name is another.
    """

    def __init__(self, storage: Storage, id: str, study: str, stopping: Callable[[], bool], worker: str | None):  # noqa: A002
        self._storage = storage
        self._id = id
        self._study = study
        self._stopping = stopping
        self._name = worker
        self._queue: TrialQueue | None = None
        self._worker: Worker | None = None
        self._pause = self._due = 0.0
        self._said = ""

    def turn(self, tell: Callable[[str], None]) -> bool:
        """Run its next trial if there is one to be had; return whether there was.

        tell: is told of an error, unless it is the same as last time.
        """
        if time.monotonic() < self._due:
            return False
        try:
            served = self._run_one_if_any()
        except MlpsearchError as error:
            self.let_go()
            if str(error) != self._said:
                tell(str(error))
            self._said = str(error)
            self._pause = min(max(2 * self._pause, _SHORTEST_PAUSE), _LONGEST_PAUSE)
            self._due = time.monotonic() + self._pause
            return False
        if served:
            self._pause, self._said = 0.0, ""
        return served

    def let_go(self) -> None:
        """Forget its images and trials, and close its connections."""
        if self._worker is not None:
            self._worker.close()
        self._worker = None

    def _run_one_if_any(self) -> bool:
        queue = self._opened()
        if queue.ledger.is_stopped() or queue.ledger.is_complete():
            self.let_go()
            return False
        if self._worker is None:
            queue.refuse_hopeless()  # before its images are loaded for nothing
            # A storage of its own, for Optuna's goes on with the trials of a deleted study in a new one.
            record = open_study(self._storage.url, self._study)
            announce(f"{self._study}: loading the data")
            self._worker = Worker(record, load_study_data(record), self._stopping, self._name)
        return self._worker.run_one_if_any()

    def _opened(self) -> TrialQueue:
        if self._queue is None:
            try:
                record = load_study(self._storage, self._study)
            except KeyError:
                record = None
            if record is None or record.id != self._id:
                url = without_password(self._storage.url)
                raise StudyError(f"study {self._study}: was deleted from {url}", study=self._study, url=url)
            self._queue = TrialQueue(record)
        return self._queue


def serve_all(
    url: str,
    stopping: Callable[[], bool],
    tell: Callable[[str], None],
    name: str | None = None,
    each_round: Callable[[], None] = lambda: None,
) -> None:
    """Work on every open study of the storage, a trial of each in turn, until `stopping` is true.

    tell: is told why this worker cannot serve a study; it tries again after growing pauses.
    name: under which it claims trials, by default this process's.
    each_round: called before each round of studies.
    """
    storage = open_storage(url)
    served: dict[str, _Served] = {}
    while not stopping():
        each_round()
        studies = sorted((study.study_name, study.user_attrs["id"]) for study in own_studies(storage))
        for gone in served.keys() - {known for _, known in studies}:
            served.pop(gone).let_go()
        worked = False
        for study, known in studies:
            if stopping():
                return
            if known not in served:
                served[known] = _Served(storage, known, study, stopping, name)
            worked = served[known].turn(tell) or worked
        if not worked:
            time.sleep(IDLE_SECONDS)
