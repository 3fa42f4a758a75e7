"""A worker as a process of this machine: `mlpsearch worker` with a pipe as its standard input.

The end of the pipe asks it to end after checkpointing its trial, so that workers never outlive who started them.
"""

import os
import secrets
import subprocess
import sys
import tempfile

from mlpsearch.models.threads import threads
from mlpsearch.search.workers.supervisor import WorkerEnd
from mlpsearch.search.workers.worker import worker_name
from mlpsearch.studies.storage.opening import ENVIRONMENT

# -P: a folder named `search` where the user stands is not ours.
_COMMAND = (sys.executable, "-P", "-m", "mlpsearch", "worker", "--supervised")


class LocalWorker:
    """A worker process of this machine, started when it is made; one of `count` that share the machine's cores.

    url: of the storage.  study: its name; without one the worker serves every open study, and what it says goes to
    this process's stderr instead of being kept for the message about its end.

    name: under which it claims trials.
    """

    def __init__(self, url: str, study: str | None, count: int):
        share, token = max(1, threads() // count), secrets.token_hex(4)
        self._messages = tempfile.TemporaryFile("w+", encoding="utf-8") if study else None  # noqa: SIM115
        self._popen = subprocess.Popen(  # noqa: S603 - our own program
            [*_COMMAND, "--token", token, "--threads", str(share), *([study] if study else [])],
            env=os.environ | {ENVIRONMENT: url},  # everybody may look at a process's arguments
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
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
            for file in (self._popen.stdin, self._messages):
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
