"""The members of tar and zip archives, which are untrusted: checked one by one and read as streams.

Nothing is ever extracted to a path. An archive with any member that would leave the target folder, is a
link or a special file, or comes twice, is refused as a whole: it was not made by someone with images in mind.
A member that is too large, encrypted, or packed in a way that is not allowed is only refused when it is read.

No size that an archive states is taken on trust: what is read, unpacked and kept is counted as it comes.
"""

import gzip
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.untrusted import BoundedZip, as_data_error

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".zip")
MAX_FILE_BYTES = 32 * 2**20
MAX_MEMBERS = 1_000_000
# Of all that is unpacked while an archive is gone through once: training, validation and test images of
# image_files.MAX_SPLIT_BYTES each, even as uncompressed bitmaps, and a quarter for headers and other files.
MAX_TOTAL_BYTES = 64 * 2**30
MAX_NAME_CHARACTERS = 64 * MAX_MEMBERS  # of all paths together: they are kept in memory
_MAX_DIRECTORY_BYTES = 256 * MAX_MEMBERS  # of a zip's table of contents
_MAX_HEADER_BYTES = 2**20  # of all that stands in a tar before one member's content
_MAX_SHARED_ATTRIBUTES = 100  # that a tar gives to all its members
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_OTHER_ZIP_METHODS = {9: "deflate64", zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "lzma", 93: "zstandard"}
_ZIP_LOCAL_HEADER_BYTES = 30  # and then the name


@dataclass(frozen=True, slots=True)
class Member:
    """One file or folder in an archive.

    parts: of its path inside the archive, without "." and empty ones.
    problem: why it cannot be read, in one line; None where nothing is known against it.
    read: gives its bytes, until the next member is asked for. Raises DataError.
    """

    parts: tuple[str, ...]
    is_folder: bool
    problem: str | None
    read: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class _RawMember:
    """A member as the archive states it, before any check.

    kind: "file", "folder", or what it is instead.  packed: the way it is packed, where that is not allowed.
    """

    name: str
    kind: str
    size: int
    packed: str | None
    read: Callable[[], bytes]


class _Total:
    """Counts the bytes that an archive unpacks to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0

    def add(self, count: int) -> None:
        """Count bytes that are about to be unpacked. Raises DataError where they are too many."""
        self._count += count
        if self._count > MAX_TOTAL_BYTES:
            raise DataError(f"{self._path}: unpacks to more than the {MAX_TOTAL_BYTES:,} bytes allowed in all")


def archive_members(path: Path) -> Iterator[Member]:
    """Every member of an archive, in its order. Raises DataError, naming archive and member."""
    raw_members = _zip_members if path.name.lower().endswith(".zip") else _tar_members
    seen: set[tuple[str, ...]] = set()
    characters = 0
    with as_data_error(f"{path}: cannot be read as an archive"):
        for count, raw in enumerate(raw_members(path, _Total(path)), start=1):
            if count > MAX_MEMBERS:
                raise DataError(f"{path}: more than {MAX_MEMBERS:,} members")
            characters += len(raw.name)
            if characters > MAX_NAME_CHARACTERS:
                raise DataError(f"{path}: the members' names have more than {MAX_NAME_CHARACTERS:,} characters")
            parts, problem = _checked_parts(path, raw), _problem(path, raw)
            if raw.kind == "file" and parts in seen:
                raise DataError(f"{path}: member {raw.name!r} comes twice")
            seen.add(parts)
            yield Member(parts, raw.kind == "folder", problem, _checked_read(path, raw, problem))


def _checked_parts(archive: Path, raw: _RawMember) -> tuple[str, ...]:
    if raw.kind not in ("file", "folder"):
        raise DataError(f"{archive}: member {raw.name!r} is {raw.kind}: only files and folders are allowed")
    parts = tuple(part for part in raw.name.split("/") if part not in ("", "."))
    if raw.name.startswith("/") or raw.name[1:2] == ":" or "\\" in raw.name or ".." in parts:
        raise DataError(
            f"{archive}: member {raw.name!r} is not a plain path inside the archive: "
            "no leading '/', no drive, no '..' and no '\\' is allowed"
        )
    if raw.size < 0:
        raise DataError(f"{archive}: member {raw.name!r} has {raw.size:,} bytes")
    return parts


def _problem(archive: Path, raw: _RawMember) -> str | None:
    if raw.packed is not None:
        return f"{archive}: member {raw.name!r} is {raw.packed}"
    if raw.size > MAX_FILE_BYTES:
        return f"{archive}: member {raw.name!r} has {raw.size:,} bytes: at most {MAX_FILE_BYTES:,} are allowed"
    return None


def _checked_read(archive: Path, raw: _RawMember, problem: str | None) -> Callable[[], bytes]:
    def read() -> bytes:
        if problem is not None:
            raise DataError(problem)
        with as_data_error(f"{archive}: member {raw.name!r} cannot be read"):
            content = raw.read()
            if len(content) != raw.size:
                raise DataError(
                    f"{archive}: member {raw.name!r} cannot be read: not the {raw.size:,} bytes it states"
                )
            return content

    return read


class _GuardedStream:
    """A stream for tarfile that only goes forwards, counts what it unpacks, and remembers its last read.

    A header may state any size for the long names, attributes and tables in front of a member, and tarfile would
    read that much into memory before anyone has seen the member.
    """

    def __init__(self, stream: IO[bytes] | gzip.GzipFile, total: _Total) -> None:
        self._stream = stream
        self._total = total
        self._left = _MAX_HEADER_BYTES
        self.last = b""

    def allow(self, size: int) -> None:
        """Let the reads that follow have so many bytes together."""
        self._left = size

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= self._left:
            raise tarfile.ReadError(f"a header asks for {size:,} bytes")
        self._left -= size
        self.last = self._stream.read(size)
        self._total.add(len(self.last))
        return self.last

    def seek(self, offset: int, whence: int = 0) -> int:
        skipped = offset - self.tell()
        if whence != 0 or skipped < 0:
            raise tarfile.ReadError("a header points backwards")
        self._total.add(skipped)
        return self._stream.seek(offset)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True


def _tar_members(path: Path, total: _Total) -> Iterator[_RawMember]:
    plain = path.name.lower().endswith(".tar")
    with path.open("rb") if plain else gzip.open(path) as stream:
        guard = _GuardedStream(stream, total)
        with tarfile.open(fileobj=guard, mode="r:") as tar:  # type: ignore[call-overload]
            while (info := tar.next()) is not None:
                yield _RawMember(info.name, _tar_kind(info), info.size, None, _tar_reader(guard, info))
                tar.members.clear()  # tarfile would keep them all, with attributes of any size
                if len(tar.pax_headers) > _MAX_SHARED_ATTRIBUTES:
                    raise DataError(f"{path}: gives its members more than {_MAX_SHARED_ATTRIBUTES} attributes")
                guard.allow(_MAX_HEADER_BYTES)
        # tarfile takes a header that is cut off or damaged for the end of the archive.
        if guard.last != bytes(tarfile.BLOCKSIZE):
            raise DataError(f"{path}: ends before its end mark: cut off or damaged")
        guard.allow(MAX_FILE_BYTES)
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
        stream.allow(info.size)
        return stream.read(info.size)

    return read


def _zip_members(path: Path, total: _Total) -> Iterator[_RawMember]:
    with (
        BoundedZip(path, members=MAX_MEMBERS, size=_MAX_DIRECTORY_BYTES) as stream,
        zipfile.ZipFile(stream) as archive,
    ):
        _refuse_shared_bytes(path, archive)
        for info in archive.infolist():
            reader = _zip_reader(archive, info, total)
            yield _RawMember(info.filename, _zip_kind(info), info.file_size, _forbidden_packing(info), reader)


def _refuse_shared_bytes(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse members that lie over one another: a few bytes would be unpacked over and over."""
    end = archive.start_dir
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset, reverse=True):
        if info.header_offset + _ZIP_LOCAL_HEADER_BYTES + info.compress_size > end:
            raise DataError(f"{path}: member {info.filename!r} overlaps what comes after it")
        end = info.header_offset


def _zip_kind(info: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 where the archive was not made on Unix
    if stat.S_ISLNK(kind):
        return "a link"
    if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
        return "a special file"
    return "folder" if info.is_dir() else "file"


def _forbidden_packing(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & 1:
        return "encrypted"
    if info.compress_type in _ZIP_METHODS:
        return None
    # The other methods cannot be unpacked up to a limit: zipfile takes whatever comes out of a block.
    name = _OTHER_ZIP_METHODS.get(info.compress_type, "an unknown method")
    return f"packed with {name} (method {info.compress_type}): only stored and deflate are allowed"


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo, total: _Total) -> Callable[[], bytes]:
    def read() -> bytes:
        total.add(info.file_size + 1)
        with archive.open(info) as file:
            # A byte more than stated, so that zipfile meets the end and checks the CRC; never all there is, which
            # it would unpack before it looks at the stated size.
            return file.read(info.file_size + 1)

    return read
