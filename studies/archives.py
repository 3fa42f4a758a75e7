"""The members of tar and zip archives, which are untrusted: checked one by one and read as streams.

Nothing is ever extracted to a path. An archive with any member that would leave the target folder, is a
link or a special file, or comes twice, is refused as a whole: it was not made by someone with images in mind.
"""

import gzip
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from models.errors import DataError

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
MAX_FILE_BYTES = 32 * 2**20
MAX_MEMBERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Member:
    """One file or folder in an archive.

    parts: of its path inside the archive, without "." and empty ones.
    read: gives its bytes, until the next member is asked for. Raises DataError.
    """

    parts: tuple[str, ...]
    is_folder: bool
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class _RawMember:
    """A member as the archive states it, before any check. kind: "file", "folder", or what it is instead."""

    name: str
    kind: str
    size: int
    read: Callable[[], bytes]


def archive_members(path: Path) -> Iterator[Member]:
    """Every member of an archive, in its order. Raises DataError, naming archive and member."""
    raw_members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    seen: set[tuple[str, ...]] = set()
    with _as_data_error(f"{path}: cannot be read as an archive"):
        for count, raw in enumerate(raw_members(path), start=1):
            if count > MAX_MEMBERS:
                raise DataError(f"{path}: more than {MAX_MEMBERS:,} members")
            member = Member(_checked_parts(path, raw), raw.kind == "folder", _checked_read(path, raw))
            if not member.is_folder and member.parts in seen:
                raise DataError(f"{path}: member {raw.name!r} comes twice")
            seen.add(member.parts)
            yield member


@contextmanager
def _as_data_error(message: str) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    # The parsers meet bytes from anywhere and raise whatever their code runs into (struct.error, zlib.error,
    # EOFError, ValueError, …): for the user each of them means that the archive is broken.
    except Exception as error:
        details = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{message}: {details}") from error


def _checked_parts(archive: Path, raw: _RawMember) -> tuple[str, ...]:
    if raw.kind not in ("file", "folder"):
        raise DataError(f"{archive}: member {raw.name!r} is {raw.kind}: only files and folders are allowed")
    parts = tuple(part for part in raw.name.split("/") if part not in ("", "."))
    if raw.name.startswith("/") or raw.name[1:2] == ":" or "\\" in raw.name or ".." in parts:
        raise DataError(
            f"{archive}: member {raw.name!r} is not a plain path inside the archive: "
            "no leading '/', no drive, no '..' and no '\\' is allowed"
        )
    if not 0 <= raw.size <= MAX_FILE_BYTES:
        raise DataError(
            f"{archive}: member {raw.name!r} has {raw.size:,} bytes: at most {MAX_FILE_BYTES:,} are allowed"
        )
    return parts


def _checked_read(archive: Path, raw: _RawMember) -> Callable[[], bytes]:
    def read() -> bytes:
        with _as_data_error(f"{archive}: member {raw.name!r} cannot be read"):
            return raw.read()

    return read


class _GuardedStream:
    """A stream for tarfile that refuses to read huge or negative amounts, and remembers its last read.

    A header may state any size for the long names and attributes in front of a member, and tarfile would read
    that much into memory before anyone has seen the member.
    """

    def __init__(self, stream: IO[bytes] | gzip.GzipFile) -> None:
        self._stream = stream
        self.last = b""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_FILE_BYTES:
            raise tarfile.ReadError(f"a header asks for {size:,} bytes")
        self.last = self._stream.read(size)
        return self.last

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


def _tar_members(path: Path) -> Iterator[_RawMember]:
    plain = path.name.lower().endswith(".tar")
    with path.open("rb") if plain else gzip.open(path) as stream:
        guard = _GuardedStream(stream)
        with tarfile.open(fileobj=guard, mode="r:") as tar:  # type: ignore[call-overload]
            for info in tar:
                yield _RawMember(info.name, _tar_kind(info), info.size, _tar_reader(guard, info))
        # tarfile takes a header that is cut off or damaged for the end of the archive.
        if guard.last != bytes(tarfile.BLOCKSIZE):
            raise DataError(f"{path}: ends before its end mark: cut off or damaged")
        guard.read(MAX_FILE_BYTES)  # gzip checks its checksum when it meets the end


def _tar_kind(info: tarfile.TarInfo) -> str:
    if info.isdir():
        return "folder"
    if info.issym() or info.islnk():
        return "a link"
    return "file" if info.isreg() and not info.issparse() else "a special file"


def _tar_reader(stream: _GuardedStream, info: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        stream.seek(info.offset_data)
        return stream.read(info.size)

    return read


def _zip_members(path: Path) -> Iterator[_RawMember]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            yield _RawMember(info.filename, _zip_kind(info), info.file_size, _zip_reader(archive, info))


def _zip_kind(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
    if stat.S_ISLNK(kind):
        return "a link"
    if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        return "a special file"
    if info.flag_bits & 1:
        return "encrypted"
    return "folder" if info.is_dir() else "file"


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    # zipfile stops at the stated size, however far the compressed bytes would go on, and checks the CRC.
    return lambda: archive.read(info)
