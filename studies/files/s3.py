"""Files in an S3 bucket, through Optuna's artifact store; what that does not do, its boto3 client does.

Endpoint and credentials come from the usual AWS environment. They can be part of boto3's messages, so none of
those is shown, but only what kind of error it was.
"""

import errno
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO

from mlpsearch.models.errors import StorageError
from mlpsearch.studies.files.base import Files, FoundFile, checked

if TYPE_CHECKING:
    from optuna.artifacts import Boto3ArtifactStore

# Tries of one request, with pauses that grow: a server may be away for about a minute.
_TRIES = 10
_CODE = re.compile(r"[A-Za-z0-9]{1,60}")


class S3Files(Files):
    """The files of a bucket whose keys begin with the prefix."""

    def __init__(self, bucket: str, prefix: str):
        self.where = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        self._bucket = bucket
        self._start = f"{prefix}/" if prefix else ""
        with self._explained("used"):
            try:
                self._store = _store(bucket)
            except ValueError:
                raise StorageError(
                    f"{self.where}: cannot be used (AWS_ENDPOINT_URL is no URL)", path=self.where
                ) from None
            self._client = self._store.client

    def open(self, name: str) -> tuple[BinaryIO, int]:
        """Return the object, open for reading, and its size; FileNotFoundError where there is none."""
        from optuna.artifacts.exceptions import ArtifactNotFound

        key = self._key(name)
        try:
            with self._explained("read"):
                size = self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
                return self._store.open_reader(key), size
        except ArtifactNotFound as error:
            raise _not_found(name) from error

    def read(self, name: str, most: int) -> bytes:
        """Return the content of an object; a connection that breaks off meanwhile is a StorageError."""
        with self._explained("read"):
            return super().read(name, most)

    def write(self, name: str, content: bytes) -> None:
        """Write the object, which is whole or not there."""
        with self._explained("written"):
            self._store.write(self._key(name), io.BytesIO(content))

    def remove(self, name: str) -> None:
        """Remove the object; that there is none is no error."""
        with self._explained("written"):
            self._store.remove(self._key(name))

    def found(self) -> list[FoundFile]:
        """Return all objects; their age is by the server's clock."""
        with self._explained("listed"):
            return [file for page in self._pages() for file in self._files_of(page)]

    def folders(self) -> list[str]:
        """Return what stands between the prefix and the next slash."""
        with self._explained("listed"):
            pages = list(self._pages(Delimiter="/"))
        found = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", [])]
        return [key.removeprefix(self._start).rstrip("/") for key in found]

    def within(self, folder: str) -> "S3Files":
        """Return the objects whose keys go on with the folder's name."""
        return S3Files(self._bucket, self._key(folder))

    def clear(self) -> None:
        """Remove all objects under the prefix, one request each."""
        with self._explained("written"):
            for file in self.found():
                self._store.remove(self._start + file.name)  # whatever its name is

    def _key(self, name: str) -> str:
        return self._start + checked(name)

    def _pages(self, **options: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2")
        return iter(pages.paginate(Bucket=self._bucket, Prefix=self._start, **options))

    def _files_of(self, page: dict[str, Any]) -> Iterator[FoundFile]:
        date = page["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        for entry in page.get("Contents", []):
            name = entry["Key"].removeprefix(self._start)
            if not name.endswith("/"):  # some programs make those for empty folders
                yield FoundFile(name, entry["Size"], (now - entry["LastModified"]).total_seconds())

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        """Turn boto3's errors into ours. done: what could not be done, as a participle."""
        try:
            from boto3.exceptions import Boto3Error
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as error:
            raise StorageError(
                f"{self.where}: S3 needs boto3: pip install 'mlpsearch[s3]'", path=self.where
            ) from error
        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ("404", "NoSuchKey"):
                raise _not_found(self.where) from None
            reason = code if _CODE.fullmatch(code) else "ClientError"
            raise StorageError(f"{self.where}: cannot be {done} ({reason})", path=self.where) from None
        except (Boto3Error, BotoCoreError) as error:
            raise StorageError(
                f"{self.where}: cannot be {done} ({type(error).__name__})", path=self.where
            ) from None


def _not_found(name: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)


@cache
def _store(bucket: str) -> "Boto3ArtifactStore":
    """A client takes a while to make and keeps connections, so a process has one for a bucket."""
    import boto3
    from botocore.config import Config
    from optuna.artifacts import Boto3ArtifactStore

    config = Config(retries={"mode": "standard", "total_max_attempts": _TRIES})
    client = boto3.Session().client("s3", config=config)
    return Boto3ArtifactStore(bucket, client, avoid_buf_copy=True)
