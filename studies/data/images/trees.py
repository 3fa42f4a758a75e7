"""A data set's files, in a folder or in an archive, seen the same way: train/<class>/* and test/<class>/*.

A third folder may hold the validation split: val/, valid/ or validation/. All stand at the top, or inside one
top folder. Hidden files and the leftovers of file managers are passed over, and so is everything else. Links are
refused in folders as in archives: what they point to may change, or lie anywhere, without a trace in the folder.
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

_LEFTOVERS = {"__macosx", "thumbs.db", "desktop.ini"}
_DEEPEST = 4  # <top folder>/<split>/<class>/<folder>
VALIDATION_FOLDERS = ("val", "valid", "validation")
_LAYOUT = "images must be laid out as train/<class>/* and test/<class>/*"


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies below a split's folder: paths relative to it, with "/" between their parts."""

    folders: frozenset[str]
    files: frozenset[str]


class ImageTree(Protocol):
    """The files of one data set. Every method raises DataError for what cannot be read or is not allowed."""

    path: Path

    @property
    def validation_folder(self) -> str | None:
        """The name of the folder of the validation split, if there is one."""
        ...

    def splits(self) -> tuple[SplitName, ...]:
        """The splits that there are, or must be."""
        ...

    def folder_name(self, split: SplitName) -> str:
        """The name of a split's folder."""
        ...

    def fingerprint(self, split: SplitName) -> str:
        """A text that changes when this split's files, the classes, or which splits there are may have changed."""
        ...

    def fingerprint_of_all(self) -> str:
        """A text that changes when the files of any split may have changed."""
        ...

    def listing(self, split: SplitName) -> Listing:
        """What lies below the split's folder, down to what is too deep for the layout."""
        ...

    def read(self, wanted: Mapping[SplitName, Set[str]]) -> Iterator[tuple[SplitName, str, bytes]]:
        """The split, path and content of each wanted file, in the order that is quickest to read."""
        ...


def open_tree(path: Path) -> ImageTree:
    """The folder or archive (.tar, .tar.gz, .tgz, .zip) at a path. Raises DataError for anything else."""
    if path.is_dir():
        return FolderTree(path)
    if path.is_file() and path.name.lower().endswith(ARCHIVE_SUFFIXES):
        return ArchiveTree(path)
    raise DataError(f"{path}: must be a folder or an archive ({', '.join(ARCHIVE_SUFFIXES)}) of images")


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is passed over."""
    return name.startswith(".") or name.lower() in _LEFTOVERS


def _find_root(path: Path, folders: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The folder that holds train/, given all folders of the upper two levels: () is the top itself."""
    roots = {folder[:-1] for folder in folders if len(folder) <= 2 and folder[-1] == "train"}
    if () in roots:
        return ()
    if len(roots) > 1:
        names = ", ".join(repr(f"{root[0]}/train") for root in sorted(roots))
        raise DataError(f"{path}: more than one train folder ({names}): {_LAYOUT}")
    if not roots:
        raise DataError(f"{path}: no train folder: {_LAYOUT}")
    return roots.pop()


class _Splits:
    """The splits and their folders, by what lies beside train/."""

    path: Path

    @cached_property
    def validation_folder(self) -> str | None:
        """The name of the folder of the validation split, if there is one."""
        found = sorted(name for name in self._beside_train() if name.lower() in VALIDATION_FOLDERS)
        if len(found) > 1:
            raise DataError(f"{self.path}: more than one validation folder ({', '.join(map(repr, found))})")
        return found[0] if found else None

    def splits(self) -> tuple[SplitName, ...]:
        """The splits that there are, or must be."""
        return ("train", "test") if self.validation_folder is None else ("train", "validation", "test")

    def folder_name(self, split: SplitName) -> str:
        """The name of a split's folder."""
        return (self.validation_folder or split) if split == "validation" else split

    def _beside_train(self) -> Iterable[str]:
        raise NotImplementedError


class FolderTree(_Splits):
    """A folder of images. A listing looks at each name; only files that are asked for are opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fingerprint(self, split: SplitName) -> str:
        """From the place of the folder, the class names, and each file's path, size and time of change."""
        digest = hashlib.sha256(os.fsencode(self.path.resolve()))
        digest.update(repr((self.validation_folder, sorted(self.listing("train").folders))).encode())
        for file in sorted(self.listing(split).files):
            try:
                status = (self._split_folder(split) / file).stat()
            except OSError as error:
                raise self._unreadable(split, file, error) from error
            digest.update(repr((file, status.st_size, status.st_mtime_ns)).encode())
        return digest.hexdigest()

    def fingerprint_of_all(self) -> str:
        """Those of the splits."""
        return " ".join(self.fingerprint(split) for split in self.splits())

    def listing(self, split: SplitName) -> Listing:
        """The classes and what they hold; what lies deeper shows as a folder inside a class."""
        folder = self._split_folder(split)
        if not folder.is_dir():
            raise DataError(f"{self.path}: no {split} folder: {_LAYOUT}")
        if folder.is_symlink() or (folder.parent != self.path and folder.parent.is_symlink()):
            raise DataError(f"{folder}: is reached by a link: only files and folders are allowed")
        folders, files = self._scan(folder, split, "")
        for name in sorted(folders):
            inner_folders, inner_files = self._scan(folder / name, split, f"{name}/")
            folders |= inner_folders
            files |= inner_files
        return Listing(frozenset(folders), frozenset(files))

    def read(self, wanted: Mapping[SplitName, Set[str]]) -> Iterator[tuple[SplitName, str, bytes]]:
        """Split by split, in sorted order."""
        for split, files in wanted.items():
            for file in sorted(files):
                try:
                    with (self._split_folder(split) / file).open("rb") as stream:
                        content = stream.read(MAX_FILE_BYTES + 1)
                except OSError as error:
                    raise self._unreadable(split, file, error) from error
                if len(content) > MAX_FILE_BYTES:
                    raise DataError(f"{self._shown(split, file)} has more than {MAX_FILE_BYTES:,} bytes")
                yield split, file, content

    def _shown(self, split: SplitName, file: str) -> str:
        return f"{self.path}: {self.folder_name(split) + '/' + file!r}"

    def _unreadable(self, split: SplitName, file: str, error: OSError) -> DataError:
        return DataError(f"{self._shown(split, file)}: {error.strerror}")

    def _split_folder(self, split: SplitName) -> Path:
        return self._root / self.folder_name(split)

    @cached_property
    def _root(self) -> Path:
        tops = self._visible_folders(self.path)
        if "train" in tops:
            return self.path
        inner = [(top, name) for top in tops for name in self._visible_folders(self.path / top)]
        return self.path.joinpath(*_find_root(self.path, inner))

    def _beside_train(self) -> Iterable[str]:
        return self._visible_folders(self._root)

    def _visible_folders(self, folder: Path) -> list[str]:
        try:
            with os.scandir(folder) as entries:
                return [entry.name for entry in entries if entry.is_dir() and not is_ignored(entry.name)]
        except OSError as error:
            raise DataError(f"{folder}: {error.strerror}") from error

    def _scan(self, folder: Path, split: SplitName, prefix: str) -> tuple[set[str], set[str]]:
        folders: set[str] = set()
        files: set[str] = set()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if is_ignored(entry.name):
                        continue
                    if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                        kind = "a link" if entry.is_symlink() else "a special file"
                        shown = self._shown(split, prefix + entry.name)
                        raise DataError(f"{shown} is {kind}: only files and folders are allowed")
                    (folders if entry.is_dir() else files).add(prefix + entry.name)
        except OSError as error:
            raise DataError(f"{folder}: {error.strerror}") from error
        return folders, files


class ArchiveTree(_Splits):
    """An archive of images. Each listing and each reading goes through the archive once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._problems: dict[tuple[str, ...], str] = {}  # of members that are no matter outside the splits

    def fingerprint(self, split: SplitName) -> str:  # noqa: ARG002 - the bytes of an archive hold all splits
        """From the bytes of the archive."""
        return digest_of_files(self.path)

    def fingerprint_of_all(self) -> str:
        """From the bytes of the archive."""
        return digest_of_files(self.path)

    def listing(self, split: SplitName) -> Listing:
        """Everything below the split's folder, however deep."""
        start = self._start(split)
        depth = len(start)
        if start not in self._folders:
            raise DataError(f"{self.path}: no {split} folder: {_LAYOUT}")
        for parts, problem in self._problems.items():
            if parts[:depth] == start:
                raise DataError(problem)
        return Listing(
            frozenset("/".join(p[depth:]) for p in self._folders if p[:depth] == start and len(p) > depth),
            frozenset("/".join(p[depth:]) for p in self._files if p[:depth] == start),
        )

    def read(self, wanted: Mapping[SplitName, Set[str]]) -> Iterator[tuple[SplitName, str, bytes]]:
        """In the archive's order, so that a compressed one is gone through once."""
        splits = {self._start(split): split for split in wanted}
        depth = len(self._root) + 1
        for member in archive_members(self.path):
            split, file = splits.get(member.parts[:depth]), "/".join(member.parts[depth:])
            if split is not None and not member.is_folder and file in wanted[split]:
                yield split, file, member.read()

    def _start(self, split: SplitName) -> tuple[str, ...]:
        return *self._root, self.folder_name(split)

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
        return _find_root(self.path, (folder for folder in self._folders if folder))

    def _beside_train(self) -> Iterable[str]:
        depth = len(self._root) + 1
        return [folder[-1] for folder in self._folders if len(folder) == depth and folder[:-1] == self._root]

    @property
    def _folders(self) -> frozenset[tuple[str, ...]]:
        return self._paths[0]

    @property
    def _files(self) -> frozenset[tuple[str, ...]]:
        return self._paths[1]
