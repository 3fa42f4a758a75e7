"""How long the last request of each kind took."""

import threading
import time
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_KINDS = ("studies", "dashboard", "api", "csv", "static", "artifacts", "metrics", "healthz")


class Timing:
    """Seconds by kind: the first part of the path, "/" for the front page, "other" for what is none of ours."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    def seconds(self) -> dict[str, float]:
        """Return those of now."""
        with self._lock:
            return dict(self._seconds)

    def timed(self, app: WSGIApplication) -> WSGIApplication:
        """Return an application that does what this one does, and is timed until its answer begins."""

        def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            kind, started = _kind(environ.get("PATH_INFO", "")), time.perf_counter()
            try:
                return app(environ, start_response)
            finally:
                with self._lock:
                    self._seconds[kind] = time.perf_counter() - started

        return run


def _kind(path: str) -> str:
    first = path.strip("/").partition("/")[0]
    if not first:
        return "/"
    return first if first in _KINDS else "other"
