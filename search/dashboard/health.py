"""What /healthz answers: for a supervisor of the service, which shows no token and learns nothing else."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from mlpsearch.search.dashboard.answers import json_answer
from mlpsearch.studies.storage.opening import stored_names

_ASK_SECONDS = 5.0
_SILENT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Health:
    """How a service is.

    workers: how many are alive.  storage: whether it answers.  trouble: what became of its file, if anything.
    """

    workers: int
    storage: bool
    trouble: str | None = None

    @property
    def reason(self) -> str | None:
        """Why the service does not work, None where it does."""
        if self.trouble is not None:
            return f"the storage {self.trouble}"
        if not self.storage:
            return "the storage does not answer"
        return None if self.workers else "no worker is alive"


class StorageWatch:
    """Asks a storage now and then, in a thread: /healthz answers at once, and asking it often costs nothing."""

    def __init__(self, url: str):
        self._url = url
        self._answered = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)  # nobody waits for a storage that hangs

    def __enter__(self) -> "StorageWatch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()

    def answers(self) -> bool:
        """Whether the storage answered lately."""
        return time.monotonic() - self._answered < _SILENT_SECONDS

    def _watch(self) -> None:
        while not self._over.wait(_ASK_SECONDS):
            with suppress(Exception):  # whatever it is, it is no answer
                stored_names(self._url)
                self._answered = time.monotonic()


def health_page(look: Callable[[], Health]) -> WSGIApplication:
    """Return an application that answers with one line of JSON: 200 where the service works, else 503."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        health = look()
        reason = health.reason
        document = {
            "ok": reason is None,
            "workers": health.workers,
            "storage": health.storage and not health.trouble,
        }
        status = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
        more = {} if reason is None else {"reason": reason}
        return json_answer(environ, start_response, status, document | more, [("Cache-Control", "no-store")])

    return run
