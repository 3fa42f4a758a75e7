"""How work on a study is shown while it goes on: what is done and by whom, or now and then a plain line."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from mlpsearch.search.cli.common import err, on_signals, step

if TYPE_CHECKING:
    from mlpsearch.search.results.status import StudyStatus


class TerminalDisplay:
    """The command line's Display (search/running.py). Ctrl-C lets the workers end; once more ends them now.

    ends: whether the process ends with the work. One more Ctrl-C, as it does then, cannot keep it from saying what
        is kept.
    """

    def __init__(self, ends: bool = False):
        self._ends = ends

    @contextmanager
    def working(self, what: str, stop: Callable[[], None]) -> "Iterator[Callable[[StudyStatus], None]]":
        """Show the newest status, and take Ctrl-C and SIGTERM, which only the main thread can."""
        from mlpsearch.search.cli.progress import SearchProgress

        asked = False

        def ask(*_: Any) -> None:
            nonlocal asked
            stop()
            if not asked:
                asked = True
                progress.say("ending after the running epochs; once more ends now")

        is_main = threading.current_thread() is threading.main_thread()
        signals = on_signals(ask, keep=lambda: asked and self._ends) if is_main else nullcontext()
        with SearchProgress(err(), what).shown() as progress, signals:
            yield progress.update

    def finishing(self) -> AbstractContextManager[object]:
        """Show what goes on, in what it announces."""
        return step("looking at what was found")


class NoDisplay:
    """The Display of who wants to see nothing."""

    @contextmanager
    def working(
        self,
        what: str,  # noqa: ARG002
        stop: Callable[[], None],  # noqa: ARG002
    ) -> "Iterator[Callable[[StudyStatus], None]]":
        """Show nothing; Ctrl-C is a KeyboardInterrupt, which ends the workers now."""
        yield lambda _: None

    def finishing(self) -> AbstractContextManager[object]:
        """Show nothing."""
        return nullcontext()
