"""The commands that messages name: they reach the same studies and files as the command that the user gave."""

import os
import shlex
from collections.abc import Mapping
from typing import Any

from mlpsearch.studies.files.file_store import ENVIRONMENT
from mlpsearch.studies.storage.opening import is_server, sqlite_path, storage_url, without_password

TESTING = ("run", "resume", "submit")  # what has a study confirmed and tested, unless it is told not to


def command(url: str, *words: str) -> str:
    """Return `mlpsearch WORDS…`, with --storage and --artifacts where the user's own command needed them.

    url: of the storage; its password is not shown.
    """
    return shlex.join(["mlpsearch", *words, *_options(url)])


def untested(attributes: Mapping[str, Any]) -> list[str]:
    """Return the option without which a command of TESTING would open a test split that shall stay closed.

    attributes: the study's: those of one whose search was begun with --no-evaluate have an empty ending.
    """
    shall_stay = "ending" in attributes and attributes["ending"] is None and not attributes["tests"]
    return ["--no-evaluate"] if shall_stay else []


def _options(url: str) -> list[str]:
    options = (
        []
        if url == storage_url(None)
        else ["--storage", without_password(url) if is_server(url) else str(sqlite_path(url))]
    )
    if place := os.environ.get(ENVIRONMENT):  # where --artifacts is kept, too
        options += ["--artifacts", place]
    return options
