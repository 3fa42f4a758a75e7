"""Where files can be, a folder or an S3 bucket: how that is named, and how its files are opened."""

import re
from pathlib import Path

from mlpsearch.models.errors import StorageError
from mlpsearch.models.paths import expanded
from mlpsearch.studies.files.base import Files, FolderFiles

_S3 = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[^?#]*))?")


def location_of(text: str) -> str:
    """Return the full name of a place: an absolute path, or s3://BUCKET/PREFIX.

    Raises StorageError for what is neither.
    """
    found = _S3.fullmatch(text)
    if not text.isprintable() or ("://" in text and found is None):
        raise StorageError(f"artifacts {text!r}: must be a folder or s3://BUCKET/PREFIX", path=text)
    if found is None:
        return str(expanded(text).absolute())
    prefix = "/".join(part for part in (found["prefix"] or "").split("/") if part)
    return f"s3://{found['bucket']}/{prefix}" if prefix else f"s3://{found['bucket']}"


def files_at(name: str) -> Files:
    """Return the files of a place; name: as location_of gives it. Nothing is looked at yet."""
    if not name.startswith("s3://"):
        return FolderFiles(Path(name))
    from mlpsearch.studies.files.s3 import S3Files

    bucket, _, prefix = name.removeprefix("s3://").partition("/")
    return S3Files(bucket, prefix)
