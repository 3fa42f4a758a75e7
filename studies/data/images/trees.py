"""A data set's files, in a folder or in an archive, seen the same way.

The splits are folders at the top, or inside one top folder; or the classes are there, and the data set is in one
piece. Hidden files and the leftovers of file managers are passed over, and so is what stands beside the splits.
Links are refused in folders as in archives: what they point to may change, or lie anywhere, without a trace in the
folder.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import SplitName, digest_of_files
from mlpsearch.studies.data.images.archives import ARCHIVE_SUFFIXES, MAX_FILE_BYTES, archive_members
from mlpsearch.studies.data.images.split_names import find_root, find_splits, is_ignored, split_of

_DEEPEST = 4  # <top folder>/<split>/<class>/<folder>


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies below a split's folder: paths relative to it, with "/" between their parts."""

    folders: frozenset[str]
    files: frozenset[str]


class ImageTree(Protocol):
    """The files of one data set. Every method raises DataError for what cannot be read or is not allowed."""

    path: Path

    @property
    def folders(self) -> Mapping[SplitName, str]:
        """Split → its folder; of a data set in one piece train alone, whose folder is "", the top."""
        ...

    def fingerprint(self, files: Iterable[str]) -> str:
        """A text that changes when these files, the classes, or which splits there are may have changed."""
        ...

    def listing(self, folder: str) -> Listing:
        """What lies below the folder, down to what is too deep for the layout."""
        ...

    def read(self, files: Set[str]) -> Iterator[tuple[str, bytes]]:
        """The path and content of each of these files, in the order that is quickest to read."""
        ...


def open_tree(path: Path) -> ImageTree:
    """The folder or archive (.tar, .tar.gz, .tgz, .zip) at a path. Raises DataError for anything else."""
    if path.is_dir():
        return FolderTree(path)
    if path.is_file() and path.name.lower().endswith(ARCHIVE_SUFFIXES):
        return ArchiveTree(path)
    raise DataError(
        f"{path}: must be a folder or an archive ({', '.join(ARCHIVE_SUFFIXES)}) of images, or a Parquet file"
    )


def _splits(path: Path, names: Iterable[str]) -> dict[SplitName, str]:
    return find_splits(path, names) or {"train": ""}


class FolderTree:
    """A folder of images. A listing looks at each name; only files that are asked for are opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def folders(self) -> Mapping[SplitName, str]:
        """By the names in the folder that has the splits."""
        return _splits(self.path, self._visible_folders(self._root))

    def fingerprint(self, files: Iterable[str]) -> str:
        """From the folder's place, its splits and classes, and each file's path, size and time of change."""
        digest = hashlib.sha256(os.fsencode(self.path.resolve()))
        classes = self.listing(self.folders["train"]).folders
        digest.update(repr((sorted(self.folders.items()), sorted(classes))).encode())
        for file in files:
            try:
                status = (self._root / file).stat()
            except OSError as error:
                raise self._unreadable(file, error) from error
            digest.update(repr((file, status.st_size, status.st_mtime_ns)).encode())
        return digest.hexdigest()

    def listing(self, folder: str) -> Listing:
        """The classes and what they hold; what lies deeper shows as a folder inside a class."""
        start = self._root / folder
        if any(place.is_symlink() for place in {start, self._root} - {self.path}):
            raise DataError(f"{start}: is reached by a link: only files and folders are allowed")
        folders, files = self._scan(folder, "")
        for name in sorted(folders):
            inner_folders, inner_files = self._scan(folder, f"{name}/")
            folders |= inner_folders
            files |= inner_files
        return Listing(frozenset(folders), frozenset(files))

    def read(self, files: Set[str]) -> Iterator[tuple[str, bytes]]:
        """In the order in which they are given."""
        for file in files:
            try:
                with (self._root / file).open("rb") as stream:
                    content = stream.read(MAX_FILE_BYTES + 1)
            except OSError as error:
                raise self._unreadable(file, error) from error
            if len(content) > MAX_FILE_BYTES:
                raise DataError(f"{self.path}: {file!r} has more than {MAX_FILE_BYTES:,} bytes")
            yield file, content

    def _unreadable(self, file: str, error: OSError) -> DataError:
        return DataError(f"{self.path}: {file!r}: {error.strerror}")

    @cached_property
    def _root(self) -> Path:
        tops = self._visible_folders(self.path)
        if any(split_of(top) == "train" for top in tops):
            return self.path
        inner = [(top, name) for top in tops for name in self._visible_folders(self.path / top)]
        return self.path.joinpath(*find_root(self.path, [*((top,) for top in tops), *inner]))

    def _visible_folders(self, folder: Path) -> list[str]:
        try:
            with os.scandir(folder) as entries:
                return [entry.name for entry in entries if entry.is_dir() and not is_ignored(entry.name)]
        except OSError as error:
            raise DataError(f"{folder}: {error.strerror}") from error

    def _scan(self, start: str, prefix: str) -> tuple[set[str], set[str]]:
        folder = self._root / start / prefix
        folders: set[str] = set()
        files: set[str] = set()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if is_ignored(entry.name):
                        continue
                    if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                        kind = "a link" if entry.is_symlink() else "a special file"
                        shown = "/".join(filter(None, (start, prefix + entry.name)))
                        raise DataError(f"{self.path}: {shown!r} is {kind}: only files and folders are allowed")
                    (folders if entry.is_dir() else files).add(prefix + entry.name)
        except OSError as error:
            raise DataError(f"{folder}: {error.strerror}") from error
        return folders, files


class ArchiveTree:
    """An archive of images. Each listing and each reading goes through the archive once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._problems: dict[tuple[str, ...], str] = {}  # of members that are no matter outside the splits

    @cached_property
    def folders(self) -> Mapping[SplitName, str]:
        """By the names in the folder that has the splits."""
        depth = len(self._root) + 1
        names = [folder[-1] for folder in self._folders if len(folder) == depth and folder[:-1] == self._root]
        return _splits(self.path, names)

    def fingerprint(self, files: Iterable[str]) -> str:  # noqa: ARG002 - the bytes of an archive hold all files
        """From the bytes of the archive."""
        return digest_of_files(self.path)

    def listing(self, folder: str) -> Listing:
        """Everything below the folder, however deep."""
        start = (*self._root, folder) if folder else self._root
        depth = len(start)
        for parts, problem in self._problems.items():
            if parts[:depth] == start:
                raise DataError(problem)
        return Listing(
            frozenset("/".join(p[depth:]) for p in self._folders if p[:depth] == start and len(p) > depth),
            frozenset("/".join(p[depth:]) for p in self._files if p[:depth] == start),
        )

    def read(self, files: Set[str]) -> Iterator[tuple[str, bytes]]:
        """In the archive's order, so that a compressed one is gone through once."""
        depth = len(self._root)
        for member in archive_members(self.path):
            file = "/".join(member.parts[depth:])
            if member.parts[:depth] == self._root and not member.is_folder and file in files:
                yield file, member.read()

    @cached_property
    def _paths(self) -> tuple[frozenset[tuple[str, ...]], frozenset[tuple[str, ...]]]:
        folders: set[tuple[str, ...]] = set()
        files: set[tuple[str, ...]] = set()
        for member in archive_members(self.path):
            parts = member.parts
            if any(is_ignored(part) for part in parts):
                continue
            (folders if member.is_folder else files).add(parts)
            if member.problem is not None:
                self._problems[parts] = member.problem
            # Few archives list every folder as a member of its own; what lies deeper than this is never allowed.
            folders.update(parts[:depth] for depth in range(1, min(len(parts), _DEEPEST + 1)))
        return frozenset(folders), frozenset(files)

    @cached_property
    def _root(self) -> tuple[str, ...]:
        return find_root(self.path, (folder for folder in self._folders if folder))

    @property
    def _folders(self) -> frozenset[tuple[str, ...]]:
        return self._paths[0]

    @property
    def _files(self) -> frozenset[tuple[str, ...]]:
        return self._paths[1]
