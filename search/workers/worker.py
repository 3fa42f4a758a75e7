"""One worker: takes trials of a study, one after the other, until there is none left for it."""

import os
import secrets
import socket
import time
from collections.abc import Callable

from optuna.exceptions import StorageInternalError

from mlpsearch.models.announcements import announce
from mlpsearch.models.errors import StorageError, innermost
from mlpsearch.search.trials.checkpoints import save_weights
from mlpsearch.search.trials.objective import Interrupted, Objective, Outcome
from mlpsearch.search.trials.queue import Claim, TrialLost, TrialQueue
from mlpsearch.search.workers.lease import Lease
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import without_password
from mlpsearch.studies.study_data import load_study_data

IDLE_SECONDS = 0.5  # between looks at a queue in which nothing waits, but other workers' trials still run
_REST_SECONDS = 0.02  # between looks at whether to stop, meanwhile


_TOKEN = secrets.token_hex(4)  # containers may have one host name, and all begin to count their processes at 1


def worker_name(pid: int | None = None, token: str | None = None) -> str:
    """Return the name of a worker process of this machine, by default of this process.

    token: the random part, which who starts a worker may choose.
    """
    return f"{socket.gethostname()}:{pid or os.getpid()}:{token or _TOKEN}"


class Worker:
    """Runs trials of one study.

    stopping: asked between epochs; once it is true, the running trial is checkpointed and given back.
    name: under which it claims trials, by default this process's.
    """

    def __init__(
        self, record: StudyRecord, data: TrainingData, stopping: Callable[[], bool], name: str | None = None
    ):
        self._record = record
        self._stopping = stopping
        self._queue = TrialQueue(record)
        record.claim_files()
        self._objective = Objective(record.spec, data, record.files)
        self._name = name or worker_name()
        self._is_planned = record.plan is not None

    def run(self) -> None:
        """Work until the budget is spent, the study is stopped, or `stopping` is true."""
        while not self._stopping() and self._run_or_wait():
            pass
        self._queue.remove_leftovers()

    def run_one_if_any(self) -> bool:
        """Run the next trial if there is one to be had; return whether there was."""
        with self._record.noticing_deletion():
            self._queue.reap()
            claim = self._queue.claim(self._name)
            if claim is not None:
                self._run(claim)
            return claim is not None

    def close(self) -> None:
        """Close its connections to the storage."""
        self._record.storage.close()

    def _run_or_wait(self) -> bool:
        """Run the next trial, or wait a little for one; return False once there is nothing more to do."""
        if self.run_one_if_any():
            return True
        if self._queue.ledger.is_stopped() or self._queue.ledger.is_complete():
            return False
        until = time.monotonic() + IDLE_SECONDS
        while time.monotonic() < until and not self._stopping():
            time.sleep(_REST_SECONDS)
        return True

    def _run(self, claim: Claim) -> None:
        """Run one trial and account for however it ends."""
        try:
            with Lease(self._queue, claim) as lease:
                outcome = self._objective(claim.trial, lambda: lease.stopped() or self._stopping())
            self._end(claim, outcome)
        except (Interrupted, KeyboardInterrupt) as end:
            self._queue.requeue(claim)
            self._say(claim, "is given back, with its checkpoint")
            if isinstance(end, KeyboardInterrupt):
                raise
        except TrialLost:
            self._say(claim, "is lost to another worker")
            self._queue.remove_leftovers()  # the trial may have ended before this worker's last checkpoint of it
        except StorageError:
            raise
        except (StorageInternalError, OSError) as error:
            url, number = without_password(self._record.url), claim.number
            raise StorageError(
                f"{url}: trial {number} was cut off ({innermost(error)})",
                study=self._record.name,
                trial=number,
                url=url,
            ) from error
        except Exception as error:
            self._record.attributes()  # raises for a deleted study, which explains any error
            reason = f"{type(error).__name__}: {innermost(error)}"
            self._queue.fail(claim, reason)
            self._say(claim, f"failed, {reason}")
            self._queue.remove_leftovers()

    def _end(self, claim: Claim, outcome: Outcome) -> None:
        is_pruned = outcome.pruned and not self._is_planned
        if is_pruned:
            self._queue.prune(claim, outcome.score, outcome.facts)
        else:
            if self._keeps_weights(outcome):
                save_weights(
                    self._record.files,
                    claim.number,
                    outcome.net,
                    outcome.preprocessing,
                    outcome.config,
                    outcome.score,
                )
            self._queue.finish(claim, outcome.score, outcome.facts)
        self._say(claim, f"{'pruned' if is_pruned else 'finished'}, {self._what_it_reached(outcome)}")
        self._queue.remove_leftovers()

    def _what_it_reached(self, outcome: Outcome) -> str:
        metric, epochs, seconds = self._record.metric, outcome.facts["epochs"], outcome.facts["seconds"]
        score = f"{outcome.score:.2%}" if metric.is_percentage else f"{outcome.score:.4g}"
        took = f"{seconds} s" if seconds else "less than 0.01 s"
        return f"validation {metric.title} {score} after {epochs} {'epoch' if epochs == 1 else 'epochs'}, {took}"

    def _say(self, claim: Claim, end: str) -> None:
        announce(f"{self._record.name}: trial {claim.number} {end}")

    def _keeps_weights(self, outcome: Outcome) -> bool:
        best = self._queue.ledger.best()
        if self._is_planned or best is None or best.value is None:
            return True
        return not self._record.metric.better(best.value, outcome.score)


def serve_one(record: StudyRecord, stopping: Callable[[], bool], name: str | None = None) -> None:
    """Work on one study until its budget is spent, it is stopped, or `stopping` is true. name: as for Worker."""
    announce(f"{record.name}: loading the data")
    Worker(record, load_study_data(record), stopping, name).run()
