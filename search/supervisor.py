"""Worker processes of one study, watched: one that dies is replaced, its trial goes to another.

Each worker is `mlpsearch worker STUDY` with a pipe as its standard input. The end of the pipe asks it to end after
checkpointing its trial, so that workers never outlive a supervisor that was killed.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO

from models.errors import StudyError
from search.trial_queue import TrialQueue
from search.worker import worker_name
from studies.record import StudyRecord

# -P: a folder named `search` where the user stands is not ours.
_WORKER = (sys.executable, "-P", "-m", "search.cli", "worker", "--supervised")
_LOOK_SECONDS = 0.5
_REAP_SECONDS = 5.0
# A worker that dies is replaced, but not without end: this often in a row with no trial ended between.
MAX_DEATHS_IN_A_ROW = 10


@dataclass(slots=True)
class _Process:
    popen: subprocess.Popen[str]
    messages: IO[str]

    @property
    def name(self) -> str:
        return worker_name(self.popen.pid)

    def close(self) -> None:
        for file in (self.popen.stdin, self.messages):
            if file is not None:
                file.close()

    def last_message(self) -> str:
        self.messages.seek(0)
        lines = self.messages.read().strip().splitlines()
        return lines[-1] if lines else f"ended with exit code {self.popen.returncode}"


class Supervisor:
    """Runs `count` workers on a study until its budget is spent or it is told to stop.

    watch: called a few times a second, to show progress.
    """

    def __init__(self, record: StudyRecord, count: int, watch: Callable[[], None]):
        self._record = record
        self._count = count
        self._watch = watch
        self._queue = TrialQueue(record)
        self._processes: list[_Process] = []
        self._stops = 0
        self._deaths = 0
        self._ended_at_last_death = 0

    def stop(self) -> None:
        """Ask the workers to checkpoint and end; the second time, end them now. Safe in a signal handler."""
        self._stops += 1
        self._ask_to_end()

    def run(self) -> bool:
        """Return whether the budget is spent. Raises StudyError when the workers cannot work."""
        with self._record.noticing_deletion():
            try:
                self._loop()
            finally:
                self._end_now()
        return self._queue.is_complete()

    def _loop(self) -> None:
        reaped = time.monotonic()
        while True:
            self._bury_the_dead()
            if not self._stops and not self._nothing_left():
                while len(self._processes) < self._count:
                    self._processes.append(_spawn(self._record, self._count))
            if not self._processes:
                return
            if self._stops:
                self._ask_to_end()  # also those that were started as the signal came
            if self._stops > 1:
                return
            if time.monotonic() - reaped > _REAP_SECONDS:
                self._queue.reap()
                reaped = time.monotonic()
            self._watch()
            time.sleep(_LOOK_SECONDS)

    def _nothing_left(self) -> bool:
        return self._queue.is_stopped() or self._queue.is_complete()

    def _bury_the_dead(self) -> None:
        for process in [one for one in self._processes if one.popen.poll() is not None]:
            self._processes.remove(process)
            code = process.popen.returncode
            if code == 1 and process.last_message().startswith("error: "):
                # A person must mend it; another worker would meet it too. Without the word, it is a crash.
                raise StudyError(process.last_message().removeprefix("error: "))
            if code != 0:
                self._queue.release(process.name)
                self._count_death(process)
            process.close()

    def _count_death(self, process: _Process) -> None:
        ended = self._queue.ended()
        self._deaths = 1 if ended > self._ended_at_last_death else self._deaths + 1
        self._ended_at_last_death = ended
        if self._deaths >= MAX_DEATHS_IN_A_ROW:
            raise StudyError(
                f"study {self._record.name}: {self._deaths} workers died in a row with no trial ended, "
                f"the last one: {process.last_message()}"
            )

    def _ask_to_end(self) -> None:
        for process in list(self._processes):
            if process.popen.stdin is not None and not process.popen.stdin.closed:
                process.popen.stdin.close()

    def _end_now(self) -> None:
        for process in self._processes:
            process.popen.kill()
        for process in self._processes:
            process.popen.wait()
            process.close()
            self._queue.release(process.name, died=False)
        self._processes.clear()
        self._queue.remove_leftovers()  # of workers that were killed


def _spawn(record: StudyRecord, count: int) -> _Process:
    threads = str(max(1, (os.cpu_count() or 1) // count))
    messages = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
    popen = subprocess.Popen(  # noqa: S603 - our own program
        [*_WORKER, record.name, "--storage", record.url, "--threads", threads],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=messages,
        text=True,
        start_new_session=True,  # a Ctrl-C in the terminal reaches the supervisor alone
    )
    return _Process(popen, messages)
