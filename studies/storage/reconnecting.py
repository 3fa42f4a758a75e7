"""Calls to a database server that may restart: repeated until it is back. So are reads that a write disturbed.

Each such call is one transaction, and one that may be done twice: whoever does not hear that it was committed does
it again.
"""

import re
import sqlite3
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from mlpsearch.models.errors import MlpsearchError, StorageError, innermost

T = TypeVar("T")

PATIENCE_SECONDS = 60.0  # how long a server may be away
OPENING_SECONDS = 20.0  # and when a storage is opened: it may just be starting, or the URL may be wrong
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0

# Classes of SQLSTATE: connection lost, too many connections, deadlock or the like, server ended or not yet ready.
_PASSING = re.compile("08...|53300|40001|40P01|57P0[1-5]|25P03")
# What a wrong URL leads to: errors of making a connection have no SQLSTATE.
_WRONG_URL = re.compile(
    "authentication failed|does not exist|no password supplied|pg_hba.conf|permission denied|failed to resolve"
    "|definition of service|invalid"
)


class Disturbed(sqlite3.OperationalError):
    """A file that was read without locks was written to meanwhile: what was read may be of no one moment."""


def repeated(call: Callable[[], T], *, opening: bool = False) -> T:
    """Return what the call returns; while its connection is lost or refused, call again, after growing pauses.

    opening: whether the server was not reached before, so that the URL may be wrong.
    Raises StorageError when the server has been away for too long.
    """
    pause, until = _FIRST_PAUSE_SECONDS, None
    while True:
        try:
            return call()
        except Exception as error:
            if not is_lost(error) or (opening and _WRONG_URL.search(innermost(error))):
                raise
            until = until or time.monotonic() + (OPENING_SECONDS if opening else PATIENCE_SECONDS)
            if time.monotonic() >= until:
                raise StorageError(f"the storage's server cannot be reached ({innermost(error)})") from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def is_lost(error: BaseException) -> bool:
    """Whether a call failed because the server went away, or for another reason that passes by itself."""
    if isinstance(error, MlpsearchError):
        return False
    psycopg = sys.modules.get("psycopg")  # not imported, so not the culprit
    kinds = (Disturbed,) if psycopg is None else (Disturbed, psycopg.Error)
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, kinds):
        cause = cause.__cause__
    if cause is None or psycopg is None or isinstance(cause, Disturbed):
        return cause is not None
    if cause.sqlstate is None:
        return isinstance(cause, psycopg.OperationalError)
    return bool(_PASSING.fullmatch(cause.sqlstate))
