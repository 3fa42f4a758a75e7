"""What a worker's starter wants of it, by lines of its standard input; the other end is in local_worker.py.

STUDY        work on it until nothing is left to do for a worker, then say DONE in a line of standard output
(empty)      leave the study, after checkpointing its trial; that is said likewise
(the end)    leave it, and end: so workers never outlive who started them
"""

import threading
from collections.abc import Iterable, Iterator
from queue import Empty, SimpleQueue

DONE = "done"

_LOOK_SECONDS = 0.2  # between looks at whether a signal asked it to end


class Orders:
    """The orders of one worker.

    lines: of its standard input, which a thread reads.
    ended: set once it shall end, after the last line or by a signal.
    """

    def __init__(self, lines: Iterable[str]):
        self.ended = threading.Event()
        self._lines = lines
        self._studies: SimpleQueue[str] = SimpleQueue()
        self._left = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def studies(self) -> Iterator[str]:
        """Yield the studies to work on, one after the other, until it shall end."""
        while not self.ended.is_set():
            try:
                study = self._studies.get(timeout=_LOOK_SECONDS)
            except Empty:
                continue
            if study:
                yield study

    def stopping(self) -> bool:
        """Whether to leave the study that it works on."""
        return self.ended.is_set() or self._left.is_set()

    def _read(self) -> None:
        for line in self._lines:
            study = line.rstrip("\n")
            if not study:
                self._left.set()
            else:
                self._left.clear()
                self._studies.put(study)
        self.ended.set()
        self._studies.put("")  # wakes who waits
