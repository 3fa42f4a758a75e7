"""Which files of a folder or archive are its images, and of which class: the rules of the layout, by names alone.

Classes are the folders of train/, or of the top where the data set is in one piece, in the order of their names;
names that differ only in their Unicode normal form (as those of folders from a Mac may) are one name. Other splits
have no class that train/ lacks.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import SplitName
from mlpsearch.studies.data.images.trees import ImageTree

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class ImageFolders:
    """The images of a folder or archive with their classes (splits.LabelledImages)."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree

    @property
    def path(self) -> Path:
        """Of the folder or archive."""
        return self._tree.path

    @property
    def folders(self) -> Mapping[SplitName, str]:
        """Split → its folder; of a data set in one piece train alone, whose folder is ""."""
        return self._tree.folders

    def fingerprint(self, files: Iterable[str]) -> str:
        """See trees.ImageTree.fingerprint."""
        return self._tree.fingerprint(files)

    def read(self, files: Set[str]) -> Iterator[tuple[str, bytes]]:
        """See trees.ImageTree.read."""
        return self._tree.read(files)

    def class_names(self) -> tuple[str, ...]:
        """The classes, by number. Raises DataError for names that are not allowed."""
        folders = self._class_folders("train")
        if len(folders) < 2:
            has = f"{self._where('train')} has {len(folders)} class folders"
            raise DataError(f"{has}: at least 2 are needed")
        return tuple(sorted(folders))

    def labels(self, split: SplitName, classes: Sequence[str]) -> dict[str, int]:
        """The images in the folder of a split as path → class number, in the order of their rows.

        Raises DataError for what does not fit the layout: folders in a class, other files, classes that are empty
        or that train does not have, and a split without images.
        """
        start = self.folders[split]
        listing, where = self._tree.listing(start), self._where(split)
        for folder in sorted(listing.folders):
            if "/" in folder:
                raise DataError(f"{where} has a folder inside a class: {folder!r}: only images are allowed there")
        numbers = self._class_numbers(split, classes)
        files = {file for file in listing.files if start or not _is_beside_classes(file)}
        for file in sorted(files):
            if file.count("/") != 1 or not file.lower().endswith(IMAGE_SUFFIXES):
                allowed = f"<class>/<image> ({', '.join(IMAGE_SUFFIXES)})"
                raise DataError(f"{where} has a file {file!r}: every file there must be {allowed}")
        empty = listing.folders - {file.partition("/")[0] for file in files}
        if empty:
            raise DataError(f"{where}: class {min(empty)!r} has no images")
        if not files:
            raise DataError(f"{where} has no images")
        labels = {file: numbers[file.partition("/")[0]] for file in files}
        rows = sorted(labels.items(), key=lambda item: (item[1], _normal(item[0]), item[0]))
        return {f"{start}/{file}" if start else file: number for file, number in rows}

    def _where(self, split: SplitName) -> str:
        folder = self.folders[split]
        return f"{self.path}: {folder}" if folder else str(self.path)

    def _class_numbers(self, split: SplitName, classes: Sequence[str]) -> dict[str, int]:
        """The class number of each folder of a split."""
        numbers = {name: number for number, name in enumerate(classes)}
        known = {_loosely(name): name for name in classes}
        found = {}
        for name, folder in self._class_folders(split).items():
            if name not in numbers:
                meant = known.get(_loosely(name))
                hint = f" (it has {meant!r})" if meant else ""
                raise DataError(f"{self._where(split)} has a class {name!r} that train does not have{hint}")
            found[folder] = numbers[name]
        return found

    def _class_folders(self, split: SplitName) -> dict[str, str]:
        """Class name → folder, of one split."""
        listing, folders = self._tree.listing(self.folders[split]), dict[str, str]()
        for folder in sorted(folder for folder in listing.folders if "/" not in folder):
            # Names are shown in terminals and in reports.
            if not folder.isprintable():
                raise DataError(f"{self.path}: class {folder!r}: the name must be printable")
            name = _normal(folder)
            if name in folders:
                raise DataError(
                    f"{self._where(split)} has the folders {folders[name]!a} and {folder!a}, one name in two "
                    "Unicode normal forms: put their images into one folder"
                )
            folders[name] = folder
        return folders


def _is_beside_classes(file: str) -> bool:
    """Whether it is a text or the like at the top, as many data sets have. An image there lacks its class."""
    return "/" not in file and not file.lower().endswith(IMAGE_SUFFIXES)


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _loosely(name: str) -> str:
    """The name without what people overlook."""
    return unicodedata.normalize("NFKC", name).casefold().strip()
