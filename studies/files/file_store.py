"""Where the files of a storage's studies are: one place for all of them.

It is the folder beside a SQLite file, or what --artifacts named (MLPSEARCH_ARTIFACTS) as the first study was made:
a folder that all machines share, or s3://BUCKET/PREFIX. Each study remembers that. A name given later is where
this machine finds the same place.

    <place>/<id of a study>/study.json                      says whose they are (studies/files/marks.py)
    <place>/<id of a study>/checkpoints/…, weights/…        see search/trials/checkpoints.py
    <place>/dashboard/…                                     see studies/files/artifacts.py

The folder beside a.db is a.db.artifacts; older versions named it a.artifacts, and one that has the storage's
studies stays in use.

In a place that was named and has none of the storage's studies, nothing is touched: it belongs to another storage,
or is not mounted here, or the storage comes from elsewhere and names what is not its own.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlpsearch.models.errors import StorageError
from mlpsearch.models.settings import setting
from mlpsearch.studies.files.base import Files, FolderFiles
from mlpsearch.studies.files.location import files_at, location_of
from mlpsearch.studies.files.marks import MARK, Claim, claim, database_file, new_mark, read_mark, sharing_database
from mlpsearch.studies.storage.opening import Storage, is_server, sqlite_path, without_password
from mlpsearch.studies.storage.own_studies import STUDY_ID, own_studies

ENVIRONMENT = "MLPSEARCH_ARTIFACTS"

_SUFFIX = ".artifacts"


@dataclass(frozen=True, slots=True)
class FileStore:
    """A place and its files. name: as location_of gives it; None beside the SQLite file.  url: of the storage."""

    name: str | None
    files: Files
    url: str

    def ids(self) -> set[str]:
        """Return the ids of the studies that have files here."""
        return {folder for folder in self.files.folders() if STUDY_ID.fullmatch(folder)}

    def mark(self, uid: str, study: str) -> None:
        """Make the folder of the study with this id, or say anew whose it is. Raises StorageError."""
        mark = new_mark(self.url, study, self.name)
        files = self.files.within(uid)
        try:
            files.write(MARK, mark.model_dump_json(exclude_none=True).encode())
        except OSError as error:
            raise StorageError(f"{files.where}: cannot be written ({error.strerror})", path=files.where) from error

    def has(self, uid: str) -> bool:
        """Whether the study with this id has its files here; beside the file it need not have any yet."""
        return self.name is None or bool(self.files.within(uid).found())

    def claim(self, uid: str) -> Claim:
        """Return whose the files of the study with this id are."""
        whose = claim(read_mark(self.files.within(uid)), self.url, self.name, self.files)
        # No other database can have the folder of this one's name beside it: its files were copied with it.
        return "own" if whose == "another" and self._is_beside() else whose

    def owner(self, uid: str) -> str:
        """Return the database that the files of the study with this id are marked with."""
        mark = read_mark(self.files.within(uid))
        name = mark.database if mark else None
        return repr(name) if name is None or not name.isprintable() else name

    def objection(self, uid: str) -> str | None:
        """Return why this storage may not delete the files of one of its studies, in one line; None if it may."""
        files = self.files.within(uid)
        if not files.found():
            return None
        whose = self.claim(uid)
        if whose == "another":
            return f"its files stay in {files.where}: they belong to the database {self.owner(uid)}"
        if whose == "unmarked" and self.name is None and isinstance(self.files, FolderFiles):
            other = sharing_database(self.url, self.files.path, uid)
            return f"its files stay in {files.where}: {other} has this study, too" if other else None
        if whose == "unmarked" and not is_server(self.url):  # a file is soon copied
            return f"its files stay in {files.where}: nothing there says which database they belong to"
        return None

    def stray(self, uid: str, remembered: object) -> Path | None:
        """Return where the files of a study stayed as its SQLite file was moved or renamed, if they did.

        remembered: the folder beside the file as the study was made, if it says so.
        """
        if self.name is not None or self.files.within(uid).found():
            return None
        folders = sorted(database_file(self.url).parent.glob(f"*{_SUFFIX}"))
        if isinstance(remembered, str) and remembered.isprintable():
            folders = [Path(remembered), *folders]
        with suppress(OSError):
            return next((folder for folder in folders if (folder / uid).is_dir()), None)
        return None

    def _is_beside(self) -> bool:
        return self.name is None and self.files.where == str(artifact_folder(self.url))


def artifact_folder(url: str) -> Path:
    """Return the folder beside a SQLite file, named after it."""
    path = database_file(url)
    return path.with_name(path.name + _SUFFIX)


def _beside(url: str, ids: Callable[[], set[str]]) -> Path:
    """Return the folder beside a SQLite file; an older one while that has files of these studies."""
    folder, older = artifact_folder(url), sqlite_path(url).absolute().with_suffix(_SUFFIX)
    if older.is_dir() and not folder.is_dir() and any((older / uid).is_dir() for uid in ids()):
        return older
    return folder


def file_store_for(url: str, recorded: object, ids: Callable[[], set[str]] = set) -> FileStore:
    """Return the place that this process was given, else the recorded one, else the one beside the SQLite file.

    ids: gives those of the storage's studies.
    Raises StorageError where that is none.
    """
    given = setting(ENVIRONMENT)
    name = location_of(given) if given else _trusted(recorded)
    beside = None if is_server(url) else _beside(url, ids)
    if name is not None and (beside is None or Path(name).resolve() != beside.resolve()):
        return FileStore(name, files_at(name), url)
    if beside is None:
        raise StorageError(
            f"{without_password(url)}: where shall weights and checkpoints be? "
            "Name a folder that all machines share, or s3://BUCKET/PREFIX, with --artifacts",
            url=without_password(url),
        )
    return FileStore(None, FolderFiles(beside), url)


def file_store_of(storage: Storage) -> FileStore:
    """Return the place of a storage's studies. Raises StorageError for one that is not theirs, or not there."""
    studies = own_studies(storage)
    recorded = [study.user_attrs["artifacts"] for study in studies if "artifacts" in study.user_attrs]
    ids = {study.user_attrs["id"] for study in studies}
    store = file_store_for(storage.url, recorded[0] if recorded else None, lambda: ids)
    if store.name is not None:
        found = store.ids()
        if ids and not ids & found:
            home = repr(recorded[0]) if recorded else "the folder beside it"
            raise StorageError(
                f"artifacts {store.name}: has no files of the studies in {without_password(storage.url)}, "
                f"whose place is {home}; name where this machine has that with --artifacts",
                path=store.name,
                url=without_password(storage.url),
            )
        if found and not ids:
            raise StorageError(
                f"artifacts {store.name}: has files of studies that are not in {without_password(storage.url)}, "
                "but in another storage, or deleted; remove them, or name another place or a new folder in it",
                path=store.name,
                url=without_password(storage.url),
            )
    return store


def _trusted(recorded: object) -> str | None:
    if recorded is None:
        return None
    if not isinstance(recorded, str) or location_of(recorded) != recorded:
        raise StorageError(f"artifacts {recorded!r}: no place of files; name it with --artifacts")
    return recorded
