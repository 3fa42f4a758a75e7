"""Which files of a data set are its images, and of which class: the rules of the layout, by names alone.

Classes are the folders of train/, in the order of their names; names that differ only in their Unicode normal form
(as those of folders from a Mac may) are one name. Other splits have no class that train/ lacks.
"""

import unicodedata
from collections.abc import Sequence

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import SplitName
from mlpsearch.studies.data.images.trees import ImageTree

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png")


def class_names(tree: ImageTree) -> tuple[str, ...]:
    """The classes of a data set, by number. Raises DataError for names that are not allowed."""
    folders = _class_folders(tree, "train")
    if len(folders) < 2:
        raise DataError(f"{tree.path}: train has {len(folders)} class folders: at least 2 are needed")
    return tuple(sorted(folders))


def split_images(tree: ImageTree, split: SplitName, classes: Sequence[str]) -> dict[str, int]:
    """The images of one split as path → class number, in the order of their rows.

    Raises DataError for what does not fit the layout: folders in a class, other files, classes that are empty or
    that train does not have, and a split without images.
    """
    listing, where = tree.listing(split), f"{tree.path}: {tree.folder_name(split)}"
    for folder in sorted(listing.folders):
        if "/" in folder:
            raise DataError(f"{where} has a folder inside a class: {folder!r}: only images are allowed there")
    numbers = _class_numbers(tree, split, classes)
    for file in sorted(listing.files):
        if file.count("/") != 1 or not file.lower().endswith(IMAGE_SUFFIXES):
            allowed = f"<class>/<image> ({', '.join(IMAGE_SUFFIXES)})"
            raise DataError(f"{where} has a file {file!r}: every file there must be {allowed}")
    empty = listing.folders - {file.partition("/")[0] for file in listing.files}
    if empty:
        raise DataError(f"{where}: class {min(empty)!r} has no images")
    if not listing.files:
        raise DataError(f"{where} has no images")
    labels = {file: numbers[file.partition("/")[0]] for file in listing.files}
    return dict(sorted(labels.items(), key=lambda item: (item[1], _normal(item[0]), item[0])))


def _class_numbers(tree: ImageTree, split: SplitName, classes: Sequence[str]) -> dict[str, int]:
    """The class number of each folder of a split."""
    numbers = {name: number for number, name in enumerate(classes)}
    known = {_loosely(name): name for name in classes}
    found = {}
    for name, folder in _class_folders(tree, split).items():
        if name not in numbers:
            meant = known.get(_loosely(name))
            hint = f" (it has {meant!r})" if meant else ""
            raise DataError(
                f"{tree.path}: {tree.folder_name(split)} has a class {name!r} that train does not have{hint}"
            )
        found[folder] = numbers[name]
    return found


def _class_folders(tree: ImageTree, split: SplitName) -> dict[str, str]:
    """Class name → folder, of one split."""
    where, folders = f"{tree.path}: {tree.folder_name(split)}", dict[str, str]()
    for folder in sorted(folder for folder in tree.listing(split).folders if "/" not in folder):
        # Names are shown in terminals and in reports.
        if not folder.isprintable():
            raise DataError(f"{tree.path}: class {folder!r}: the name must be printable")
        name = _normal(folder)
        if name in folders:
            raise DataError(
                f"{where} has the folders {folders[name]!a} and {folder!a}, one name in two Unicode "
                "normal forms: put their images into one folder"
            )
        folders[name] = folder
    return folders


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _loosely(name: str) -> str:
    """The name without what people overlook."""
    return unicodedata.normalize("NFKC", name).casefold().strip()
