"""Files by name, in a folder or in an S3 bucket: what keeps weights, checkpoints and what the dashboard shows.

A name has slashes, as weights/3.safetensors has. What is read was written by others, so its size is limited.
"""

import errno
import os
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mlpsearch.models.paths import write_atomically


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that is there. size: in bytes.  age: in seconds, since it was written."""

    name: str
    size: int
    age: float


class Files(ABC):
    """Files by name, in one place. where: for messages.

    What is missing is a FileNotFoundError. What else fails is an OSError or a StorageError of one line.
    """

    where: str

    @abstractmethod
    def open(self, name: str) -> tuple[BinaryIO, int]:
        """Return the file, open for reading, and its size in bytes."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write the file: a reader, or a crash, finds the old content or the new, and nothing between."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove the file, if it is there."""

    @abstractmethod
    def found(self) -> list[FoundFile]:
        """Return all files, also those that somebody was killed while writing."""

    @abstractmethod
    def folders(self) -> list[str]:
        """Return the names of the folders that files are in, of the first level."""

    @abstractmethod
    def within(self, folder: str) -> "Files":
        """Return the files of a folder, which need not exist."""

    @abstractmethod
    def clear(self) -> None:
        """Remove all files, whatever they are; that there are none is no error."""

    def read(self, name: str, most: int) -> bytes:
        """Return the content of a file; one of more than `most` bytes is an OSError."""
        file, size = self.open(name)
        with file:
            content = file.read(most + 1) if size <= most else b""
        if size > most or len(content) > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), name)
        return content


class FolderFiles(Files):
    """The files of a folder, which need not exist yet."""

    def __init__(self, path: Path):
        self.path = path
        self.where = str(path)

    def open(self, name: str) -> tuple[BinaryIO, int]:
        """Return the file, open for reading, and its size; FileNotFoundError where there is none."""
        file = self._of(name).open("rb")
        return file, os.fstat(file.fileno()).st_size

    def write(self, name: str, content: bytes) -> None:
        """Write the file, and its folder where there is none."""
        write_atomically(self._of(name), content)

    def remove(self, name: str) -> None:
        """Remove the file; its folder stays."""
        self._of(name).unlink(missing_ok=True)

    def found(self) -> list[FoundFile]:
        """Return all files of the folder, and of those in it."""
        return list(self._found())

    def _found(self) -> Iterator[FoundFile]:
        now = time.time()
        for folder, _, names in os.walk(self.path):
            for path in (Path(folder, name) for name in names):
                with suppress(FileNotFoundError):  # removed meanwhile
                    status = path.lstat()
                    yield FoundFile(path.relative_to(self.path).as_posix(), status.st_size, now - status.st_mtime)

    def folders(self) -> list[str]:
        """Return the names of the folders, also of empty ones."""
        return [entry.name for entry in self.path.glob("*") if entry.is_dir()]

    def within(self, folder: str) -> "FolderFiles":
        """Return the files of a folder in this one."""
        return FolderFiles(self._of(folder))

    def clear(self) -> None:
        """Remove the folder; what cannot be removed stays."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _of(self, name: str) -> Path:
        return self.path / checked(name)


def checked(name: str) -> str:
    """Return the name of a file or folder. Raises ValueError for one that could lead elsewhere."""
    if "\0" in name or {"", ".", ".."} & {*name.split("/")}:
        raise ValueError(f"{name!r}: no name of a file")
    return name
