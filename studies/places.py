"""Where the files of a storage's studies are: one place for all of them.

It is the folder beside a SQLite file, or what --artifacts named (MLPSEARCH_ARTIFACTS) as the first study was made:
a folder that all machines share, or s3://BUCKET/PREFIX. Each study remembers that. A name given later is where
this machine finds the same place.

    <place>/<id of a study>/study.json                      only in a place that was named: it is never empty
    <place>/<id of a study>/checkpoints/…, weights/…        see search/checkpoints.py
    <place>/dashboard/…                                     see studies/artifacts.py

In a place that was named and has none of the storage's studies, nothing is touched: it belongs to another storage,
or is not mounted here, or the storage comes from elsewhere and names what is not its own.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.errors import StorageError
from studies.files import Files, FolderFiles, open_place, place_name
from studies.storage import Storage, is_server, shown, sqlite_path

if TYPE_CHECKING:
    from optuna.study._frozen import FrozenStudy

ENVIRONMENT = "MLPSEARCH_ARTIFACTS"

_ID = re.compile("[0-9a-f]{32}")
_MARK = "study.json"


@dataclass(frozen=True, slots=True)
class Place:
    """A place and its files. name: as place_name gives it; None for the folder beside the SQLite file."""

    name: str | None
    files: Files

    def ids(self) -> set[str]:
        """Return the ids of the studies that have files here."""
        return {folder for folder in self.files.folders() if _ID.fullmatch(folder)}

    def mark(self, known: str, study: str) -> None:
        """Make the folder of the study with this id."""
        if self.name is not None:
            self.files.within(known).write(_MARK, json.dumps({"study": study}).encode())

    def has(self, known: str) -> bool:
        """Whether the study with this id has its files here; beside the file it need not have any yet."""
        return self.name is None or bool(self.files.within(known).found())


def artifact_folder(url: str) -> Path:
    """Return the folder beside a SQLite file, named after it."""
    return sqlite_path(url).with_suffix(".artifacts")


def own_studies(storage: Storage) -> "list[FrozenStudy]":
    """Return the studies that mlpsearch made, those of confirmations too."""
    return [study for study in storage.optuna.get_all_studies() if is_ours(study.user_attrs)]


def is_ours(attributes: dict[str, Any]) -> bool:
    """Whether these are the user attributes of a study that mlpsearch made, and made to the end."""
    # The id names a folder, so what a storage from elsewhere says is not taken on trust.
    known = attributes.get("id")
    return isinstance(attributes.get("spec"), dict) and isinstance(known, str) and bool(_ID.fullmatch(known))


def place_for(url: str, recorded: object) -> Place:
    """Return the place that this process was given, else the recorded one, else the one beside the SQLite file.

    Raises StorageError where that is none.
    """
    given = os.environ.get(ENVIRONMENT)
    name = place_name(given) if given else _trusted(recorded)
    beside = None if is_server(url) else artifact_folder(url)
    if name is not None and (beside is None or Path(name).resolve() != beside.resolve()):
        return Place(name, open_place(name))
    if beside is None:
        raise StorageError(
            f"{shown(url)}: where shall weights and checkpoints be? "
            "Name a folder that all machines share, or s3://BUCKET/PREFIX, with --artifacts"
        )
    return Place(None, FolderFiles(beside))


def storage_place(storage: Storage) -> Place:
    """Return the place of a storage's studies. Raises StorageError for one that is not theirs, or not there."""
    studies = own_studies(storage)
    recorded = [study.user_attrs["artifacts"] for study in studies if "artifacts" in study.user_attrs]
    place = place_for(storage.url, recorded[0] if recorded else None)
    if place.name is not None:
        known, found = {study.user_attrs["id"] for study in studies}, place.ids()
        if known and not known & found:
            home = repr(recorded[0]) if recorded else "the folder beside it"
            raise StorageError(
                f"artifacts {place.name}: has no files of the studies in {shown(storage.url)}, "
                f"whose place is {home}; name where this machine has that with --artifacts"
            )
        if found and not known:
            raise StorageError(
                f"artifacts {place.name}: has files of studies that are not in {shown(storage.url)}, "
                "but in another storage, or deleted; remove them, or name another place or a new folder in it"
            )
    return place


def _trusted(recorded: object) -> str | None:
    if recorded is None:
        return None
    if not isinstance(recorded, str) or place_name(recorded) != recorded:
        raise StorageError(f"artifacts {recorded!r}: no place of files; name it with --artifacts")
    return recorded
