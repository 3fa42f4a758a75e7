"""While a worker runs a trial: its heartbeat, and whether the trial is still its own."""

import threading
from types import TracebackType

from optuna.exceptions import StorageInternalError

from mlpsearch.models.errors import StorageError, StudyError
from mlpsearch.search.trials.queue import Claim, TrialLost, TrialQueue
from mlpsearch.studies.storage.spans import HEARTBEAT_SECONDS


class Lease:
    """Records the heartbeat of a claimed trial in a thread, and watches for a reason to end it."""

    def __init__(self, queue: TrialQueue, claim: Claim):
        self._queue = queue
        self._claim = claim
        self._over = threading.Event()
        self._lost = False
        self._stopped = False
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def stopped(self) -> bool:
        """Whether the study was stopped. Raises TrialLost when the trial is not this worker's any more."""
        if self._lost:
            raise TrialLost
        return self._stopped

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            try:
                self._lost = not self._queue.beat(self._claim)
                self._stopped = self._queue.ledger.is_stopped()
            except StudyError:
                self._lost = True  # the study was deleted
            except (StorageInternalError, StorageError):
                continue  # a full disk or a long lock: the training thread meets it too, and reports it
            if self._lost:
                return
