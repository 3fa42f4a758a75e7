"""Workers as processes of this machine: `mlpsearch worker` with a pipe as its standard input.

The end of the pipe asks it to end after checkpointing its trial, so that workers never outlive who started them.
"""

import os
import secrets
import subprocess
import sys
import tempfile
from contextlib import suppress

from mlpsearch.models.threads import threads
from mlpsearch.search.workers.orders import DONE
from mlpsearch.search.workers.supervisor import WorkerEnd
from mlpsearch.search.workers.worker import worker_name
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.storage.opening import ENVIRONMENT

# -P: a folder named `search` where the user stands is not ours.
_COMMAND = (sys.executable, "-P", "-m", "mlpsearch", "worker", "--supervised")
_PATIENCE_SECONDS = 10.0  # with a worker that has nothing to do any more


class LocalWorker:
    """A worker process of this machine, started when it is made; one of `count` that share the machine's cores.

    url: of the storage.  by_orders: whether it works on single studies, by orders.py, instead of on all open ones;
    then what it says is kept for the message about its end, else it goes to this process's stderr.

    name: under which it claims trials.
    """

    def __init__(self, url: str, count: int, *, by_orders: bool = False):
        share, token = max(1, threads() // count), secrets.token_hex(4)
        self._messages = tempfile.TemporaryFile("w+", encoding="utf-8") if by_orders else None  # noqa: SIM115
        self._popen = subprocess.Popen(  # noqa: S603 - our own program
            [*_COMMAND, *(["--orders"] if by_orders else []), "--token", token, "--threads", str(share)],
            env=os.environ | {ENVIRONMENT: url},  # everybody may look at a process's arguments
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if by_orders else subprocess.DEVNULL,
            stderr=self._messages,
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal reaches the supervisor alone
        )
        self.name = worker_name(self._popen.pid, token)
        self._end: WorkerEnd | None = None

    def end(self) -> WorkerEnd | None:
        """Return how it ended, None while it runs."""
        if self._end is None and self._popen.poll() is not None:
            self._end = self._how_it_ended()
            for file in (self._popen.stdin, self._popen.stdout, self._messages):
                if file is not None:
                    file.close()
        return self._end

    def ask_to_end(self) -> None:
        """Let it checkpoint its trial and end."""
        if self._popen.stdin is not None:
            self._popen.stdin.close()

    def end_now(self) -> None:
        """Kill the process, and wait until it is gone."""
        self._popen.kill()
        self._popen.wait()
        self.end()

    def _how_it_ended(self) -> WorkerEnd:
        code, message = self._popen.returncode, self._last_message()
        if code == 0:
            return WorkerEnd()
        if code == 1 and message.startswith("error: "):
            # A person must mend it; another worker would meet it too. Without the word, it is a crash.
            return WorkerEnd(error=message.removeprefix("error: "))
        return WorkerEnd(death=message or f"ended with exit code {code}")

    def _last_message(self) -> str:
        if self._messages is None:
            return ""
        self._messages.seek(0)
        lines = self._messages.read().strip().splitlines()
        return lines[-1] if lines else ""


class StudyWorker(LocalWorker):
    """A worker for one study after the other: to start a process takes longer than many a trial.

    `end` and `ask_to_end` are about its work on the study that it was given last.
    """

    def __init__(self, url: str, count: int):
        super().__init__(url, count, by_orders=True)
        self._is_free = True
        assert self._popen.stdin is not None and self._popen.stdout is not None  # noqa: S101, PT018 - pipes
        self._orders, self._answers = self._popen.stdin.fileno(), self._popen.stdout.fileno()
        os.set_blocking(self._answers, False)

    def takes(self, study: str) -> bool:
        """Have it work on a study, unless it works on one or has died; return whether it does."""
        if self._is_free and self._popen.poll() is None and self._order(study):
            self._is_free = False
            return True
        return False

    def end(self) -> WorkerEnd | None:
        """Return how its work on the study ended, None while it goes on."""
        ended = super().end()
        if ended is None and not self._is_free:
            with suppress(BlockingIOError):
                self._is_free = DONE.encode() in os.read(self._answers, 1 << 16)
        return WorkerEnd() if ended is None and self._is_free else ended

    def ask_to_end(self) -> None:
        """Let it checkpoint its trial and leave the study."""
        self._order("")

    def close(self) -> None:
        """Let the process end, which has nothing to do any more."""
        super().ask_to_end()
        try:
            self._popen.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self.end()

    def _order(self, line: str) -> bool:
        """Return whether there is anybody who may read it."""
        if self._end is not None:
            return False
        with suppress(BrokenPipeError):
            os.write(self._orders, f"{line}\n".encode())
            return True
        return False


class StudyWorkers:
    """The workers of this machine for one study after the other, `count` at a time."""

    def __init__(self, count: int):
        self._count = count
        self._workers: list[StudyWorker] = []

    def start(self, record: StudyRecord) -> StudyWorker:
        """Return one more worker on a study: one that has nothing else to do, or a new one."""
        for worker in self._workers:
            if worker.takes(record.name):
                return worker
        worker = StudyWorker(record.url, self._count)
        worker.takes(record.name)
        self._workers.append(worker)
        return worker

    def close(self) -> None:
        """Let all of them end."""
        for worker in self._workers:
            worker.close()
