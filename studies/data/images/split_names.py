"""Which folders of a data set are its splits: they are known by their names, in upper or lower case."""

from collections.abc import Iterable
from pathlib import Path

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import SplitName

_NAMES: dict[SplitName, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
_LAYOUT = "images must be laid out as <class>/*, or as train/<class>/* and test/<class>/*"
_LEFTOVERS = {"__macosx", "thumbs.db", "desktop.ini"}


def is_ignored(name: str) -> bool:
    """Whether a file or folder of this name is passed over."""
    return name.startswith(".") or name.lower() in _LEFTOVERS


def split_of(name: str) -> SplitName | None:
    """The split that a name is for; None where it is another name."""
    return next((split for split, names in _NAMES.items() if name.lower() in names), None)


def find_splits(path: Path, names: Iterable[str]) -> dict[SplitName, str]:
    """Split → its folder, among the names in one folder.

    path: of the data set, for errors. Raises DataError where two names mean the same split.
    """
    found = dict[SplitName, str]()
    for name in sorted(names):
        split = split_of(name)
        if split is not None and split in found:
            raise DataError(f"{path}: more than one {split} folder ({found[split]!r}, {name!r})")
        if split is not None:
            found[split] = name
    return found


def find_root(path: Path, folders: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The folder that holds the splits, or the classes where nothing is called train: () is the top itself.

    folders: all of the upper two levels, by their parts. Raises DataError where none, or several, may be meant.
    """
    upper = [folder for folder in folders if len(folder) <= 2]
    roots = {folder[:-1] for folder in upper if split_of(folder[-1]) == "train"}
    if () in roots:
        return ()
    if len(roots) > 1:
        places = sorted("/".join(folder) for folder in upper if split_of(folder[-1]) == "train")
        raise DataError(f"{path}: more than one train folder ({', '.join(map(repr, places))}): {_LAYOUT}")
    return roots.pop() if roots else _root_of_classes(path, upper)


def _root_of_classes(path: Path, upper: list[tuple[str, ...]]) -> tuple[str, ...]:
    tops = {folder[0] for folder in upper}
    root = (min(tops),) if len(tops) == 1 and any(len(folder) == 2 for folder in upper) else ()
    names = [folder[-1] for folder in upper if folder[:-1] == root]
    other = min((name for name in (*names, *root) if split_of(name)), default=None)
    if other is not None or not names:
        beside = f" beside {other!r}" if other else ""
        raise DataError(f"{path}: no train folder{beside}: {_LAYOUT}")
    return root
