"""The progress of a search on stderr: some lines that change in a terminal, now and then a line elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

from mlpsearch.models.scores import ACCURACY, METRICS
from mlpsearch.search.cli.display import doing, ending_lines, others_lines, space_lines
from mlpsearch.search.cli.layout import bar
from mlpsearch.search.results.status import StudyStatus
from mlpsearch.search.results.wording import duration, score
from mlpsearch.studies.record import searched_name

if TYPE_CHECKING:
    from rich.console import RenderableType

_PLAIN_SECONDS = 5.0  # between lines of progress where there is no terminal
_MOST_WORKERS = 8  # that have a line each in a terminal
_BAR = 24


class SearchProgress:
    """How a search, or the runs of a confirmation, goes on.

    what: "searching" or "confirming".
    """

    def __init__(self, console: Console, what: str = "searching"):
        self._console = console
        self._what = what
        self._noun = "trials" if what == "searching" else "runs"
        self._since = time.monotonic()
        self._status: StudyStatus | None = None
        self._has_begun = False  # whether any worker had a trial since
        self._note = ""
        self._next_line = 0.0
        self._last = self._waiting = ""  # the line that was printed last, and the newest
        self._told: set[str] = set()

    @contextmanager
    def shown(self) -> Iterator["SearchProgress"]:
        """Show it while the body runs."""
        if self._console.is_terminal:
            from rich.live import Live

            with Live(console=self._console, get_renderable=self._rendered, transient=True):
                yield self
        else:
            try:
                yield self
            finally:
                self._print_waiting()

    def update(self, status: StudyStatus) -> None:
        """Show how the study stands; what is to be said of trials of others, or of its end, is said once."""
        for line in (*others_lines(status), *ending_lines(status), *space_lines(status)):
            if line not in self._told:
                self._told.add(line)
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        self._status = status
        self._has_begun = self._has_begun or bool(status.running)
        if not self._console.is_terminal:
            self._plain(status)

    def say(self, message: str) -> None:
        """Say something at once. Safe in a signal handler: it does not wait for the lock of what is shown."""
        if self._console.is_terminal:
            self._note = message
        else:
            print(message, file=sys.stderr, flush=True)

    # ---- in a terminal ----

    def _rendered(self) -> "RenderableType":
        from rich.text import Text

        return Text("\n".join(self.lines()), overflow="fold")

    def lines(self) -> list[str]:
        """Return what a terminal shows now: lines of up to 60 columns, besides the study's name."""
        status, taken = self._status, duration(time.monotonic() - self._since)
        if status is None:
            return [f"{self._what}: {taken}"]
        total = status.budget["trials"]
        done = f"{self._bar(status.ended, total, _BAR)} {status.ended}/{total} {self._noun}"
        return [
            f"{self._what} {searched_name(status.name)}",
            f"  {done}",
            f"  {taken} so far{self._left(status)}",
            *([f"  {self._best(status)}"] if self._what == "searching" else []),
            *self._workers(status),
            *([self._note] if self._note else []),
        ]

    def _workers(self, status: StudyStatus) -> list[str]:
        trials, total = status.running, status.budget["epochs"]
        if not trials:
            return [] if self._has_begun else ["  loading: workers start and read the data"]
        noun, width = self._noun[:-1], len(str(max(trial.number for trial in trials)))
        lines = [
            f"  {noun} {trial.number:>{width}}: {self._bar(trial.epoch, total, _BAR // 2)} {doing(trial, status)}"
            for trial in trials[:_MOST_WORKERS]
        ]
        more = len(trials) - _MOST_WORKERS
        return [*lines, f"  … and {more} more"] if more > 0 else lines

    # ---- elsewhere ----

    def _plain(self, status: StudyStatus) -> None:
        self._waiting = self._plain_line(status)
        if time.monotonic() >= self._next_line:
            self._print_waiting()

    def _plain_line(self, status: StudyStatus) -> str:
        ended, total = status.ended, status.budget["trials"]
        line = f"{self._what} {searched_name(status.name)}: {ended}/{total} {self._noun}"
        if self._what == "searching":
            line += f", {self._best(status)}"
        line += self._left(status) if status.running or self._has_begun else "; loading"
        trials = status.running[:_MOST_WORKERS]
        return line + "".join(f"; {self._noun[:-1]} {trial.number}: {doing(trial, status)}" for trial in trials)

    def _print_waiting(self) -> None:
        if self._waiting != self._last:
            print(self._waiting, file=sys.stderr, flush=True)
            self._last, self._next_line = self._waiting, time.monotonic() + _PLAIN_SECONDS

    # ---- parts ----

    def _bar(self, done: int, total: int, columns: int) -> str:
        return bar(done, total, columns, self._console.encoding)

    def _best(self, status: StudyStatus) -> str:
        best, metric = status.best, METRICS[status.metric]
        if best is None:
            return f"no trial finished, {status.trials['pruned']} pruned"
        name = "" if metric is ACCURACY else f"{metric.title} "
        of = f"best {name}{score(best.validation_score, metric)} (trial {best.number})"
        return f"{of}, {status.trials['pruned']} pruned"

    def _left(self, status: StudyStatus) -> str:
        return "" if not status.seconds_left else f", about {duration(status.seconds_left)} left"
