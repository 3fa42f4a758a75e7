"""The commands that messages name: they reach the same studies and files as the command that the user gave."""

import os
import shlex

from mlpsearch.studies.files.file_store import ENVIRONMENT
from mlpsearch.studies.storage.opening import is_server, sqlite_path, storage_url, without_password


def command(url: str, *words: str) -> str:
    """Return `mlpsearch WORDS…`, with --storage and --artifacts where the user's own command needed them.

    url: of the storage; its password is not shown.
    """
    return shlex.join(["mlpsearch", *words, *_options(url)])


def _options(url: str) -> list[str]:
    options = (
        []
        if url == storage_url(None)
        else ["--storage", without_password(url) if is_server(url) else str(sqlite_path(url))]
    )
    if place := os.environ.get(ENVIRONMENT):  # where --artifacts is kept, too
        options += ["--artifacts", place]
    return options
