"""Files and folders that are either whole or not there."""

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def expanded(path: str | Path) -> Path:
    """Return the path with a leading ~ or ~USER replaced by that home; of a user who is not there it stays.

    A shell does not replace one behind `--option=`, and nobody does in the environment or in a study file.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises where there is no such user


def write_atomically(path: Path, content: bytes) -> None:
    """Write the file so that a reader, or a crash, finds the old content or the new, and nothing between."""
    with file_written_atomically(path) as file:
        file.write(content)


@contextmanager
def file_written_atomically(path: Path) -> Iterator[BinaryIO]:
    """Yield an empty file to write, which takes the place of `path` once the body has ended without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    # Not by tempfile, whose files are private: here the system applies the umask, as to any other file.
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException as error:
        new.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and not error.filename:  # a full disk's names no file
            error.filename = str(path)
        raise


@contextmanager
def folder_written_atomically(path: Path) -> Iterator[Path]:
    """Yield an empty folder to fill, which takes the place of `path` once the body has ended without an error.

    A crash leaves the old folder or the new one, and hidden ones beside it; what was in the old one is deleted.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = f".{target.name}.{uuid.uuid4().hex}"
    new, old = target.with_name(f"{mark}.new"), target.with_name(f"{mark}.old")
    new.mkdir()
    try:
        yield new
        sync_folder(new)
        if target.exists():
            target.rename(old)
        new.rename(target)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Have the files of a folder, and their names, on the disk when this returns."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if path != folder or error.errno != errno.EINVAL:  # some file systems cannot sync a folder
                raise
        finally:
            os.close(descriptor)
