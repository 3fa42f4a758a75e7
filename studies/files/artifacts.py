"""Files that the dashboard shows: the artifacts of studies and trials, in one folder of the storage's place.

Optuna and optuna-dashboard keep what they know of a file in an attribute of its study or trial, whose key ends in
the file's name; when the file is deleted, the attribute becomes null.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from mlpsearch.studies.files.base import Files, FoundFile
from mlpsearch.studies.files.file_store import FileStore
from mlpsearch.studies.storage.opening import Storage

PREFIX = "artifacts:"

_FILE = re.compile(r"[0-9a-fA-F-]+|\.[0-9a-fA-F-]+\..*\.tmp")  # the latter is left by who was killed while writing
_NEW_SECONDS = 60  # so long a file may be there before its study or trial says so


def dashboard_files(store: FileStore) -> Files:
    """Return the artifacts of the studies whose files are in this store; each is named after its id."""
    return store.files.within("dashboard")


def artifacts_of(storage: Storage, study_id: int) -> set[str]:
    """Return the names of the files that a study and its trials have."""
    trials = storage.optuna.get_all_trials(study_id, deepcopy=False)
    attributes = [storage.optuna.get_study_system_attrs(study_id), *(trial.system_attrs for trial in trials)]
    return {name for some in attributes for name in _named(some)}


def remove_artifacts(storage: Storage, store: FileStore, names: set[str]) -> None:
    """Remove these files, but those that a study or trial has; what cannot be removed stays for `mlpsearch gc`."""
    if names:
        for file in _files_of_nobody(storage, store):
            if file.name in names:
                with suppress(OSError):
                    dashboard_files(store).remove(file.name)


def artifact_garbage(storage: Storage, store: FileStore) -> list[FoundFile]:
    """Return the files that no study or trial has, but those that somebody may be uploading now."""
    return [file for file in _files_of_nobody(storage, store) if file.age > _NEW_SECONDS]


def _files_of_nobody(storage: Storage, store: FileStore) -> list[FoundFile]:
    # The files first: what is uploaded from now on is not among them.
    files = [file for file in dashboard_files(store).found() if _FILE.fullmatch(file.name)]
    studies = storage.optuna.get_all_studies() if files else []
    owned = {name for study in studies for name in artifacts_of(storage, study._study_id)}
    return [file for file in files if file.name not in owned]


def _named(attributes: dict[str, Any]) -> Iterator[str]:
    for key, value in attributes.items():
        if PREFIX in key and value != "null":
            yield key.rpartition(":")[2]
