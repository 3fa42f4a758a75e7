"""Whose the files of a study are: a mark among them names the study's database, and no other deletes them.

A copied database has the same studies under the same ids as the original, so nothing in a database tells the two
apart. The mark, study.json among the study's files, says where the database is (see Mark).
"""

import socket
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mlpsearch.models.errors import StorageError
from mlpsearch.studies.files.base import Files, FolderFiles
from mlpsearch.studies.storage.opening import is_server, sqlite_path

MARK = "study.json"

# "same": made by this very database.  "own": by one that is gone from where it was, or was put back from a copy.
# "another": by another database, that is there or may be.  "unmarked": nobody knows; an older version made it.
Claim = Literal["same", "own", "another", "unmarked"]

_MOST_BYTES = 100_000
_SERVER = "postgresql "
_SYSTEM = "SELECT system_identifier::text FROM pg_control_system()"
_HAS_STUDY = "SELECT 1 FROM study_user_attributes WHERE key = 'id' AND value_json = ?"


class Mark(BaseModel):
    """What study.json holds. Older ones only name the study.

    database: a SQLite file; relative to the folder that the place is in where that is beside the file, so that
        both can be moved together. Else the numbers that a PostgreSQL server gives itself and the database.
    host, inode: of a SQLite file.
    place: its name as the mark was written; None beside the file.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    study: str
    database: str | None = None
    host: str | None = None
    inode: int | None = None
    place: str | None = None


def database_file(url: str) -> Path:
    """Return the file of a SQLite storage, by its own name where the URL goes by a link."""
    return sqlite_path(url).resolve()


def new_mark(url: str, study: str, place: str | None) -> Mark:
    """Return the mark of a study's files. place: the name of where they are; None beside the SQLite file."""
    if is_server(url):
        return Mark(study=study, database=_server_database(url), place=place)
    path = database_file(url)
    return Mark(
        study=study,
        database=path.name if place is None else str(path),
        host=None if place is None else socket.gethostname(),
        inode=path.stat().st_ino,
        place=place,
    )


def read_mark(files: Files) -> Mark | None:
    """Return the mark among the files of a study; None where there is no legible one."""
    try:
        return Mark.model_validate_json(files.read(MARK, _MOST_BYTES))
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None
    except OSError as error:
        raise StorageError(f"{files.where}/{MARK}: cannot be read ({error.strerror})", path=files.where) from error


def claim(mark: Mark | None, url: str, place: str | None, files: Files) -> Claim:
    """Return whose the marked files are. files: all of the place."""
    if mark is None or mark.database is None:
        return "unmarked"
    if is_server(url) or mark.database.startswith(_SERVER):
        return "same" if is_server(url) and mark.database == _server_database(url) else "another"
    mine, marked = database_file(url), Path(mark.database)
    if isinstance(files, FolderFiles):
        marked = files.path.resolve().parent / marked
    is_here, same_file = mark.host in (None, socket.gethostname()), mark.inode == mine.stat().st_ino
    if marked == mine and (is_here or same_file):
        return "same" if same_file else "own"
    # The database was moved; or the files were copied for this one.
    if is_here and (not marked.exists() or _is_elsewhere(mark.place, place)):
        return "own"
    return "another"


def _is_elsewhere(marked: str | None, place: str | None) -> bool:
    if marked is None or place is None or marked == place:
        return False
    one, other = Path(marked), Path(place)
    return not (one.exists() and other.exists() and one.samefile(other))


@cache
def _server_database(url: str) -> str:
    from mlpsearch.studies.storage.postgres import rows

    ((may_ask,),) = rows(url, "SELECT has_function_privilege('pg_control_system()', 'execute')")
    ((database,),) = rows(url, "SELECT oid::text FROM pg_database WHERE datname = current_database()")
    ((system,),) = rows(url, _SYSTEM) if may_ask else (("?",),)
    return f"{_SERVER}{system}/{database}"


def sharing_database(url: str, folder: Path, uid: str) -> Path | None:
    """Return another SQLite file that has the study with this id and, by older versions' rule, the same folder.

    They left the last part of a file's name out: a.db, a.sqlite and a.bak had the folder a.artifacts.
    """
    mine = database_file(url)
    for path in sorted(folder.parent.iterdir()):
        is_other = path.is_file() and path.resolve() != mine and path.with_suffix(folder.suffix) == folder
        if is_other and _has_study(path, uid):
            return path
    return None


def _has_study(path: Path, uid: str) -> bool:
    import sqlite3

    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as reader:
            return reader.execute(_HAS_STUDY, (f'"{uid}"',)).fetchone() is not None
    except sqlite3.DatabaseError as error:
        # It is no database, or none of studies; where it cannot be asked it may have the study.
        return error.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)
