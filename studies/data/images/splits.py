"""The splits of a data set of images, by names alone.

A data set comes with its splits; or some of its images are held out as the test split: those of a data set in one
piece, or of its training images where the study file says so. Which those are follows from the names of the images
and their classes, and from a seed that never changes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Protocol

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import SplitName
from mlpsearch.studies.data.stratified import held_out_rows
from mlpsearch.studies.spec.table_options import TEST_SHARE


class LabelledImages(Protocol):
    """The images of one data set and their classes. Every method raises DataError."""

    @property
    def path(self) -> Path:
        """Of the data set, for errors."""
        ...

    @property
    def folders(self) -> Mapping[SplitName, str]:
        """Split → its folder, by which messages name it; of a data set in one piece train alone, as ""."""
        ...

    def class_names(self) -> tuple[str, ...]:
        """The classes, by number."""
        ...

    def labels(self, split: SplitName, classes: Sequence[str]) -> dict[str, int]:
        """The images in the folder of a split as path → class number, in the order of their rows."""
        ...

    def read(self, files: Set[str]) -> Iterator[tuple[str, bytes]]:
        """The path and content of each of these images, in the order that is quickest to read."""
        ...

    def fingerprint(self, files: Iterable[str]) -> str:
        """A text that changes when these images, the classes, or which splits there are may have changed."""
        ...


class ImageSplits:
    """The splits of a data set. share: what the study file holds out for the test; None where it says nothing."""

    def __init__(self, images: LabelledImages, share: float | None) -> None:
        self.images = images
        self._share = share

    @property
    def validation_folder(self) -> str | None:
        """The name of the folder of the validation split, if there is one."""
        return self.images.folders.get("validation")

    @property
    def held_out(self) -> float | None:
        """The share of the images that is held out for the test; None where the data set has a test split.

        Raises DataError where the study file asks for a share and there is a test split.
        """
        folders = self.images.folders
        if "test" not in folders:
            return TEST_SHARE if self._share is None and folders["train"] == "" else self._share
        if self._share is not None:
            raise DataError(
                f"{self.images.path}: has a test split, {folders['test']}/, and test = {self._share:g} asks for a "
                "share of the other images: leave that out, or take the folder away"
            )
        return None

    def splits(self) -> tuple[SplitName, ...]:
        """The splits that there are, or must be."""
        return ("train", "test") if self.validation_folder is None else ("train", "validation", "test")

    def name(self, split: SplitName) -> str:
        """By which messages name a split: its folder, if it has one."""
        return self.images.folders.get(split) or split

    def labels(self, split: SplitName) -> dict[str, int]:
        """The images of a split as path → class number, in the order of their rows. Raises DataError."""
        classes, share = self.images.class_names(), self.held_out
        if share is None or split == "validation":
            if split not in self.images.folders:
                train = self.images.folders["train"]
                raise DataError(
                    f"{self.images.path}: no {split} folder: add one, or let test = {TEST_SHARE} in the study "
                    f"file hold out a share of {train}"
                )
            return self.images.labels(split, classes)
        found = self.images.labels("train", classes)
        test = held_out_rows([*found.values()], share, f"{self.images.path}: test images")
        return {path: found[path] for row, path in enumerate(found) if (row in test) == (split == "test")}
