"""The dashboard's pages of what is in the storage now: nothing of a deleted study, nothing of another file.

optuna-dashboard remembers by a study's id, which the database may give to another once the study is deleted.
"""

import re
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from optuna_dashboard import _importance

from mlpsearch.search.dashboard.answers import answer
from mlpsearch.studies.storage.opening import Storage

_OF_STUDY = re.compile(r"/(?:api/studies|csv)/([0-9]{1,18})(?:/.*)?")
_AGAIN = "end this, see to the file and those beside it (-wal, -shm), and start again"


class Current:
    """A WSGI application around optuna-dashboard's, which forgets what it remembers of studies that are gone.

    app: with its memory, as optuna_dashboard.wsgi makes it.
    """

    def __init__(self, app: Any, storage: Storage):
        self._app: WSGIApplication = app
        self._memory = app._inmemory_cache
        self._storage = storage
        self._generations: dict[int, int | None] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        found = _OF_STUDY.fullmatch(environ["PATH_INFO"])
        if found is None:
            return self._app(environ, start_response)
        study_id = int(found[1])
        self._forget_if_another(study_id)
        try:
            return self._app(environ, start_response)
        finally:
            self._forget_if_another(study_id)  # who began before the change may have remembered what was before

    def _forget_if_another(self, study_id: int) -> None:
        try:
            now = self._storage.optuna.generation(study_id)
        except KeyError:
            now = None
        with self._lock:
            if study_id not in self._generations or self._generations[study_id] != now:
                self._generations[study_id] = now
                self._memory.clear()
                with _importance.param_importance_cache_lock:
                    _importance.param_importance_cache.clear()


def unless_replaced(app: WSGIApplication, storage: Storage) -> WSGIApplication:
    """Return an application that says so where the storage's file is gone, or another has its name."""

    def run(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        trouble = storage.trouble()
        if trouble is None:
            return app(environ, start_response)
        line = f"the storage {trouble}; {_AGAIN}"
        return answer(environ, start_response, HTTPStatus.SERVICE_UNAVAILABLE, line)

    return run
