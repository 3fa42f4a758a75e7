"""Files and folders that are either whole or not there."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Return the path with a leading ~ or ~USER replaced by that home; of a user who is not there it stays.

    A shell does not replace one behind `--option=`, and nobody does in the environment or in a study file.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path's own raises where there is no such user


def write_atomically(path: Path, content: bytes) -> None:
    """Write the file so that a reader, or a crash, finds the old content or the new, and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())  # mkstemp's files are private; these are as any other file
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
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
        if target.exists():
            target.rename(old)
        new.rename(target)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
