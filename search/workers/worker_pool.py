"""The workers of a machine that stays up: each serves every open study, and one that ends is replaced."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from mlpsearch.search.workers.local_worker import LocalWorker

_LOOK_SECONDS = 0.5
# A worker is replaced after a pause, which doubles with each that ends soon after its start.
_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_SOON_SECONDS = 60.0
_PATIENCE_SECONDS = 20.0  # so long workers may take to checkpoint: service managers kill after 30 s and more


@dataclass(slots=True)
class _Place:
    """Where one worker runs after the other. since: when the last was started.  due: when the next may be."""

    worker: LocalWorker | None = None
    since: float = 0.0
    due: float = 0.0
    pause: float = 0.0

    def end_of_worker(self) -> str | None:
        """Return how its worker ended, if it just did, and choose when the next is due."""
        end = self.worker.end() if self.worker else None
        if end is None:
            return None
        now, self.worker = time.monotonic(), None
        soon = now - self.since < _SOON_SECONDS
        self.pause = min(max(2 * self.pause, _SHORTEST_PAUSE), _LONGEST_PAUSE) if soon else _SHORTEST_PAUSE
        self.due = now + self.pause
        return end.death or "ended"

    def start_if_due(self, start: Callable[[], LocalWorker]) -> None:
        """Start the next worker, if there is none and it is time."""
        now = time.monotonic()
        if self.worker is None and now >= self.due:
            self.since = now
            self.worker = start()


class WorkerPool:
    """Keeps `count` workers for every open study of a storage alive until it is told to stop.

    tell: is told of each worker that ended.  ready: says whether one may be started now.
    """

    def __init__(
        self, url: str, count: int, tell: Callable[[str], None], ready: Callable[[], bool] = lambda: True
    ):
        self._places = [_Place() for _ in range(count)]
        self._start = lambda: LocalWorker(url, count)
        self._tell = tell
        self._ready = ready
        self._stops = 0

    @property
    def alive(self) -> int:
        """How many workers run now."""
        return sum(place.worker is not None for place in self._places)

    def names(self) -> set[str]:
        """The names under which those claim trials."""
        return {worker.name for worker in self._workers()}

    def stop(self) -> None:
        """Ask the workers to checkpoint and end; the second time, end them now. Safe in a signal handler."""
        self._stops += 1

    def run(self) -> None:
        """Keep the workers alive until told to stop, and end them."""
        try:
            while not self._stops:
                for place in self._places:
                    self._note_end(place)
                    if self._ready():
                        place.start_if_due(self._start)
                time.sleep(_LOOK_SECONDS)
            self._tell("ending after the running epochs; once more ends now")
            self._let_end()
        finally:
            for worker in self._workers():
                worker.end_now()

    def _workers(self) -> list[LocalWorker]:
        return [place.worker for place in self._places if place.worker is not None]

    def _note_end(self, place: _Place) -> None:
        why = place.end_of_worker()
        if why is not None:
            self._tell(f"a worker {why}; another takes its place in {place.pause:g} s")

    def _let_end(self) -> None:
        for worker in self._workers():
            worker.ask_to_end()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (
            self._stops == 1
            and time.monotonic() < deadline
            and any(not worker.end() for worker in self._workers())
        ):
            time.sleep(_LOOK_SECONDS / 5)
