"""Drives mlpsearch as its users do: real processes on a real file, looked at from outside."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypeVar

import psutil

from tests.patience import PATIENCE_SECONDS
from tests.stress.ledger import Ledger, Row

T = TypeVar("T")

EPOCHS = 20
LOOK_SECONDS = 0.1

PARAMETERS = {"hidden_size", "learning_rate", "regularization", "depth", "batch_size"}

# Batch sizes: the smaller they are, the more steps a trial takes between two reports.
FAST, SLOW = (64, 128), (8, 16)

# Neither a tiny step nor a diverging one: no trial ends before its last epoch unless the pruner ends it.
_STUDY = """
name = "{name}"
net = "numpy"
dataset = "digits"
validation = 200
seed = 5
sampler = "{sampler}"
pruner = "{pruner}"
[budget]
trials = {trials}
epochs = {epochs}
[search]
hidden_size = {{ low = 4, high = 16 }}
learning_rate = {{ low = 1e-3, high = 1e-1, log = true }}
regularization = {{ low = 1e-6, high = 1e-2, log = true }}
depth = {{ low = 2, high = 3 }}
batch_size = {{ choices = {batches} }}
[fixed]
preprocessing = "scale"
"""


@dataclass(slots=True)
class Command:
    """A running `mlpsearch` command. out, err: the files that it writes to."""

    popen: subprocess.Popen[bytes]
    out: Path
    err: Path
    _heard: dict[int, tuple[psutil.Process, IO[str]]] = field(default_factory=dict)

    def workers(self) -> list[psutil.Process]:
        """The worker processes under it; what they say on stderr is kept from now on."""
        found = []
        for process in _children(self.popen.pid) if self.popen.poll() is None else []:
            with suppress(psutil.Error, OSError):  # it ended
                if "--supervised" not in process.cmdline():
                    continue  # not yet: between fork and exec
                if process.pid not in self._heard:
                    self._heard[process.pid] = process, _listen(process.pid)
                found.append(process)
        return found

    def wait(self, seconds: float = PATIENCE_SECONDS) -> int:
        """Return its exit code, and see its workers meanwhile."""

        def code() -> int | None:
            self.workers()
            return self.popen.poll()

        return wait_until(code, f"the command to end; it says: {self.errors()}", seconds)

    @property
    def seen(self) -> int:
        """How many workers it has had, so far as `workers` saw them."""
        return len(self._heard)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.popen.send_signal(number)

    def said(self) -> str:
        """What it has said on stdout so far."""
        return self.out.read_text(encoding="utf-8")

    def errors(self) -> str:
        """What it has said on stderr so far."""
        return self.err.read_text(encoding="utf-8")

    def errors_of_workers(self) -> str:
        """What those of its workers that were ever seen have said on stderr so far."""
        for _, stream in self._heard.values():
            stream.seek(0)
        return "".join(stream.read() for _, stream in self._heard.values())

    def end(self) -> None:
        """Kill it and its workers, if they still run."""
        self.workers()
        for process, stream in self._heard.values():
            with suppress(psutil.Error):  # it is gone, though another process may have its number
                process.kill()
            stream.close()
        self.popen.kill()
        self.popen.wait()


@dataclass(slots=True)
class Driver:
    """A study in a storage of its own, and the commands that work on it.

    folder: of the storage; may be a file system of its own.  logs: of what the commands say.
    url: of a database, in place of a file in the folder.
    """

    folder: Path
    logs: Path
    cache: Path
    trials: int
    batches: tuple[int, ...] = SLOW
    sampler: str = "random"  # so that hyperparameters depend on the seed and the number of the trial alone
    pruner: str = "none"
    name: str = "stressed"
    url: str | None = None
    commands: list[Command] = field(default_factory=list)

    @property
    def database(self) -> Path:
        """The file of the storage."""
        return self.folder / "studies.db"

    @property
    def ledger(self) -> Ledger:
        """What the storage says."""
        return Ledger(self.url or self.database)

    @property
    def artifacts(self) -> Path:
        """The folder of all studies' weights and checkpoints."""
        return self.folder / "studies.db.artifacts"

    def run(self, *options: object) -> Command:
        """Start `mlpsearch run`, without evaluation at the end."""
        return self.start("run", self.study_file(), "--no-evaluate", *options)

    def resume(self, *options: object) -> Command:
        """Start `mlpsearch resume`, without evaluation at the end."""
        return self.start("resume", self.name, "--no-evaluate", *options)

    def start(self, *words: object) -> Command:
        """Start any `mlpsearch` command on the storage."""
        stem = self.logs / f"{len(self.commands)}-{words[0]}"
        out, err = stem.with_suffix(".out"), stem.with_suffix(".err")
        kept = {key: value for key, value in os.environ.items() if not key.startswith("MLPSEARCH_")}
        with out.open("wb") as stdout, err.open("wb") as stderr:
            popen = subprocess.Popen(
                [sys.executable, "-P", "-m", "mlpsearch", *map(str, words)],
                cwd=self.logs,
                env=kept | self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # a Ctrl-C on the tests is none of its business
            )
        self.commands.append(Command(popen, out, err))
        return self.commands[-1]

    def _environment(self) -> dict[str, str]:
        # Compiled steps have the same bits, and trials would be over before anything can happen to them.
        ours = {"CC": "no-compiler"}
        ours |= {"MLPSEARCH_CACHE": str(self.cache), "MLPSEARCH_STORAGE": self.url or str(self.database)}
        return ours if self.url is None else ours | {"MLPSEARCH_ARTIFACTS": str(self.artifacts)}

    def end(self) -> None:
        """Kill whatever still runs."""
        for command in self.commands:
            command.end()

    def wait_for_trials(self, ended: int) -> None:
        """Wait until so many trials ended and others run, some epochs on. The study must have many more trials."""

        def underway() -> bool | None:
            now = self.ledger.ended()
            assert now < self.trials, f"all trials ended while {ended} were waited for"
            running = [row for row in self.ledger.in_state("RUNNING") if len(row.reports) >= 2]
            return (now >= ended and bool(running)) or None

        wait_until(underway, f"{ended} trials to end and another to be underway")

    def study_file(self) -> Path:
        path = self.logs / f"{self.name}.toml"
        path.write_text(
            _STUDY.format(
                name=self.name,
                sampler=self.sampler,
                pruner=self.pruner,
                trials=self.trials,
                epochs=EPOCHS,
                batches=list(self.batches),
            ),
            encoding="utf-8",
        )
        return path


def is_of(row: Row, pid: int) -> bool:
    """Whether the worker process with this number has a trial, or had it last."""
    return str(row.attributes.get("worker")).startswith(f"{socket.gethostname()}:{pid}:")


def wait_until(probe: Callable[[], T | None], what: str, seconds: float = PATIENCE_SECONDS) -> T:
    """Return what the probe says once that is not None."""
    deadline = time.monotonic() + seconds
    while (answer := probe()) is None:
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(LOOK_SECONDS)
    return answer


def _listen(pid: int) -> IO[str]:
    """Open what is a process's stderr, to read what it says there even after it is gone."""
    return Path(f"/proc/{pid}/fd/2").open(encoding="utf-8")


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.Error:
        return []
