"""The files of a study that the dashboard hands out: of known types only, and never as a page.

optuna-dashboard sends an artifact with whatever type the study file says, so one of HTML or SVG could run a script
as the dashboard. Here the type follows from the file's name, and what is not in the list is refused.
"""

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import BinaryIO
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.util import FileWrapper

from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import BaseStorage

from mlpsearch.models.errors import StorageError
from mlpsearch.search.dashboard.answers import answer
from mlpsearch.studies.files.artifacts import PREFIX, dashboard_files
from mlpsearch.studies.files.base import Files
from mlpsearch.studies.files.file_store import file_store_of
from mlpsearch.studies.storage.opening import Storage

TYPES = {
    ".png": "image/png",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
    ".toml": "application/toml",
    ".safetensors": "application/octet-stream",
}

_PATH = re.compile(r"/artifacts/([0-9]{1,18})(?:/([0-9]{1,18}))?/([0-9a-fA-F-]+)")


def artifact_store(storage: Storage) -> "ArtifactStore":
    """Return the store of a storage's artifacts. Raises StorageError where their place is unknown, or not here."""
    return ArtifactStore(dashboard_files(file_store_of(storage)))


class ArtifactStore:
    """Files as Optuna's and the dashboard's functions want to have them (optuna.artifacts)."""

    def __init__(self, files: Files):
        self.files = files

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Return the file, open for reading."""
        try:
            return self.files.open(artifact_id)[0]
        except FileNotFoundError as error:
            raise ArtifactNotFound(artifact_id) from error

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Write the file."""
        self.files.write(artifact_id, content_body.read())

    def remove(self, artifact_id: str) -> None:
        """Remove the file, if it is there."""
        self.files.remove(artifact_id)


class Artifacts:
    """A WSGI application that answers GET and HEAD of /artifacts/STUDY/ID and /artifacts/STUDY/TRIAL/ID."""

    def __init__(self, storage: BaseStorage, files: Files):
        self._storage = storage
        self._files = files

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        found = _PATH.fullmatch(environ["PATH_INFO"])
        name = self._name(*found.groups()) if found else None
        if found is None or name is None:
            return answer(environ, start_response, HTTPStatus.NOT_FOUND, "no such artifact")
        kind = TYPES.get(PurePosixPath(name).suffix.lower())
        if kind is None:
            known = ", ".join(TYPES)
            return answer(environ, start_response, HTTPStatus.FORBIDDEN, f"only artifacts of {known} are served")
        try:
            file, size = self._files.open(found[3])
        except FileNotFoundError:
            return answer(environ, start_response, HTTPStatus.NOT_FOUND, "no such artifact")
        except StorageError as error:
            return answer(environ, start_response, HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return _send(file, size, name, kind, environ, start_response)

    def _name(self, study: str, trial: str | None, artifact: str) -> str | None:
        """Return the name of an artifact's file, if the study or trial has it and says so legibly."""
        try:
            if trial is None:
                attributes = self._storage.get_study_system_attrs(int(study))
            else:
                attributes = self._storage.get_trial_system_attrs(int(trial))
            name = json.loads(attributes[PREFIX + artifact])["filename"]
        except (KeyError, TypeError, ValueError):  # unknown; deleted, which leaves null behind; or no JSON
            return None
        return name if isinstance(name, str) else None


def _send(
    file: BinaryIO, size: int, name: str, kind: str, environ: WSGIEnvironment, start_response: StartResponse
) -> Iterable[bytes]:
    shown = "inline" if kind == "image/png" else "attachment"
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(size)),
        ("Content-Disposition", f"{shown}; filename*=UTF-8''{quote(name, safe='')}"),
    ]
    start_response("200 OK", headers)
    if environ["REQUEST_METHOD"] == "HEAD":
        file.close()
        return []
    wrapper = environ.get("wsgi.file_wrapper", FileWrapper)
    return wrapper(file)  # type: ignore[no-any-return]
