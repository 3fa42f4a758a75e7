"""Working on studies to their end: with workers that are watched from here, or as one worker among others.

Who looks on gives a Display; nothing here prints or ends the process.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from mlpsearch.models.errors import MlpsearchError
from mlpsearch.search.results.status import StudyStatus, study_status
from mlpsearch.search.service import going_on, next_runs
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.workers.placement import Placement
from mlpsearch.search.workers.serving import serve_all
from mlpsearch.search.workers.supervisor import RunningWorker, Supervisor
from mlpsearch.search.workers.worker import serve_one
from mlpsearch.studies.record import StudyRecord, load_study
from mlpsearch.studies.storage.opening import Storage, open_storage
from mlpsearch.studies.storage.own_studies import own_studies

_AGAIN_SECONDS = 60.0  # until a worker tries again what it could not finish


class Display(Protocol):
    """Shows how the work goes on, in a terminal, in a notebook or nowhere."""

    def working(
        self, what: str, stop: Callable[[], None]
    ) -> AbstractContextManager[Callable[[StudyStatus], None]]:
        """While workers run: give the function that is told, a few times a second, how the study stands.

        what: they do, "searching" or "confirming".
        stop: lets the workers checkpoint and end; called again it ends them now. Safe in a signal handler.
        """

    def finishing(self) -> AbstractContextManager[object]:
        """While nothing is trained, but the next step of a confirmation is decided, or a winner is tested."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What was left to do when a study, or its confirmation, was left before its end.

    interrupted: whether who ran it asked for that; else the study was stopped.
    ended, total: how many trials were done, and how many there shall be.
    command: what goes on with it, in a terminal.
    """

    interrupted: bool
    ended: int
    total: int
    command: str


def run_to_the_end(record: StudyRecord, placement: Placement, display: Display) -> Leftover | None:
    """Run workers until the budget is spent, then do what the study ends with; return what was left, if anything.

    Raises StudyError when the workers cannot work, or the study is deleted meanwhile, and what `next_runs` raises.
    """
    with placement.starting(record.url) as start:
        workers = _Workers(placement.workers, start)
        return _work(record, workers, display, record.command("resume")) or _finish(record, workers, display)


def finish(record: StudyRecord, placement: Placement, display: Display) -> Leftover | None:
    """Confirm and test a study whose search is over, as far as it was asked for.

    Returns and raises what run_to_the_end does.
    """
    with placement.starting(record.url) as start:
        return _finish(record, _Workers(placement.workers, start), display)


@dataclass(frozen=True, slots=True)
class _Workers:
    """How many, and what starts one more on a study."""

    count: int
    start: Callable[[StudyRecord], RunningWorker]


def _finish(record: StudyRecord, workers: _Workers, display: Display) -> Leftover | None:
    while True:
        with display.finishing():
            runs = next_runs(record)
        if runs is None:
            return None
        left = _work(runs, workers, display, going_on(record))
        if left is not None:
            return left


def _work(record: StudyRecord, workers: _Workers, display: Display, command: str) -> Leftover | None:
    """Run workers until the budget is spent, or until who asks for an end, be it at the last moment."""
    ledger, stops = Ledger(record), 0
    what = "searching" if record.plan is None else "confirming"

    def stop() -> None:
        nonlocal stops
        stops += 1
        supervisor.stop()

    # Before signals are taken, which may come at once.
    supervisor = Supervisor(record, workers.count, workers.start, lambda: show(study_status(record, ledger)))
    with display.working(what, stop) as show:
        show(study_status(record, ledger))  # before workers start, which takes a while
        complete = supervisor.run()
        show(study_status(record, ledger))  # what came after its last look
    if complete and not stops:
        return None
    return Leftover(stops > 0, ledger.ended(), record.budget.trials, command)


def serve_to_the_end(record: StudyRecord, stopping: Callable[[], bool], worker: str | None = None) -> None:
    """Work on one study, its confirmation and its test until all is done, it is stopped, or `stopping` is true.

    worker: the name under which trials are claimed, by default this process's.
    """
    serve_one(record, stopping, worker)
    while record.plan is None and not stopping() and (runs := next_runs(record)) is not None:
        serve_one(runs, stopping, worker)


def serve_everything(
    url: str, stopping: Callable[[], bool], tell: Callable[[str], None], worker: str | None = None
) -> None:
    """Work on every open study of the storage, its confirmation and its test, until `stopping` is true.

    tell: is told of what this worker cannot do.  worker: as for serve_to_the_end.
    """
    serve_all(url, stopping, tell, worker, _Rest(open_storage(url), tell))


class _Rest:
    """Called now and then, sees to what studies whose search is over still lack."""

    def __init__(self, storage: Storage, tell: Callable[[str], None]):
        self._storage = storage
        self._tell = tell
        self._told: set[str] = set()
        self._not_before: dict[str, float] = {}

    def __call__(self) -> None:
        pending = [study.study_name for study in own_studies(self._storage) if study.user_attrs.get("ending")]
        for name in pending:
            if time.monotonic() < self._not_before.get(name, 0.0):
                continue
            try:
                next_runs(load_study(self._storage, name))
            except KeyError:  # deleted meanwhile
                continue
            except MlpsearchError as error:
                self._not_before[name] = time.monotonic() + _AGAIN_SECONDS
                if str(error) not in self._told:
                    self._tell(str(error))
                self._told.add(str(error))
