"""Workers of one study, watched: one that dies is replaced, its trial goes to another."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlpsearch.models.errors import StudyError
from mlpsearch.search.trials.queue import TrialQueue
from mlpsearch.studies.record import StudyRecord

_LOOK_SECONDS, _REST_SECONDS = 0.5, 0.05
_REAP_SECONDS = 5.0
# A worker that dies is replaced, but not without end: this often in a row with no trial ended between.
MAX_DEATHS_IN_A_ROW = 10


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """How a worker ended.

    error: what a person must mend, in one line.  death: what is known of why it died.  Neither: it was done.
    """

    error: str | None = None
    death: str | None = None


class RunningWorker(Protocol):
    """A worker that was started, wherever it runs."""

    @property
    def name(self) -> str | None:
        """The name under which it claims trials, None where only its heartbeat tells that it died."""

    def end(self) -> WorkerEnd | None:
        """Return how it ended, None while it runs."""

    def ask_to_end(self) -> None:
        """Let it checkpoint its trial and end; may be said again."""

    def end_now(self) -> None:
        """Kill it, in the middle of whatever it does: its trial goes on from the last checkpoint elsewhere."""


class Supervisor:
    """Runs `count` workers on a study until its budget is spent or it is told to stop.

    start: starts one more worker on a study.  watch: called a few times a second, to show progress.
    """

    def __init__(
        self,
        record: StudyRecord,
        count: int,
        start: Callable[[StudyRecord], RunningWorker],
        watch: Callable[[], None],
    ):
        self._record = record
        self._count = count
        self._start = start
        self._watch = watch
        self._queue = TrialQueue(record)
        self._workers: list[RunningWorker] = []
        self._stops = 0
        self._deaths = 0
        self._ended_at_last_death = 0

    def stop(self) -> None:
        """Ask the workers to checkpoint and end; the second time, end them now. Safe in a signal handler."""
        self._stops += 1

    def run(self) -> bool:
        """Return whether the budget is spent. Raises StudyError when the workers cannot work."""
        with self._record.noticing_deletion():
            try:
                self._loop()
            finally:
                self._end_now()
        return self._queue.ledger.is_complete()

    def _loop(self) -> None:
        reaped = -math.inf  # what was lost before is found at once
        while True:
            self._bury_the_dead()
            if self._stops or self._nothing_left():
                self._ask_to_end()  # also those that were started as the signal came
            else:
                while len(self._workers) < self._count:
                    self._workers.append(self._start(self._record))
            if not self._workers or self._stops > 1:
                return
            if time.monotonic() - reaped > _REAP_SECONDS:
                self._queue.reap()
                reaped = time.monotonic()
            self._watch()
            self._rest()

    def _rest(self) -> None:
        """Wait for the next look, but not longer than until the next call of `stop`, or the end of a worker."""
        stops, until = self._stops, time.monotonic() + _LOOK_SECONDS
        while self._stops == stops and time.monotonic() < until:
            time.sleep(_REST_SECONDS)
            if any(worker.end() is not None for worker in self._workers):
                return

    def _nothing_left(self) -> bool:
        return self._queue.ledger.is_stopped() or self._queue.ledger.is_complete()

    def _bury_the_dead(self) -> None:
        for worker in [*self._workers]:
            end = worker.end()
            if end is None:
                continue
            self._workers.remove(worker)
            if end.error is not None:
                self._record.attributes()  # of a deleted study, a worker that came too late says only "not in"
                raise StudyError(end.error, study=self._record.name)
            if end.death is not None:
                if worker.name is not None:
                    self._queue.release(worker.name)
                self._count_death(end.death)

    def _count_death(self, message: str) -> None:
        ended = self._queue.ledger.ended()
        self._deaths = 1 if ended > self._ended_at_last_death else self._deaths + 1
        self._ended_at_last_death = ended
        if self._deaths >= MAX_DEATHS_IN_A_ROW:
            raise StudyError(
                f"study {self._record.name}: {self._deaths} workers died in a row with no trial ended, "
                f"the last one: {message}",
                study=self._record.name,
            )

    def _ask_to_end(self) -> None:
        for worker in self._workers:
            worker.ask_to_end()

    def _end_now(self) -> None:
        for worker in self._workers:
            worker.end_now()
        for worker in self._workers:
            if worker.name is not None:
                self._queue.release(worker.name, died=False)
        self._workers.clear()
        self._queue.remove_leftovers()  # of workers that were killed
