"""What every source of images gives, whatever form it has on disk."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.table_columns import TableSchema

SplitName = Literal["train", "validation", "test"]


class SealedCounts(BaseModel):
    """All that may be known of the test rows of a table before they are opened.

    rows: how many there are.  also_in_training: how many of them are rows of train too, but for the label.
    missing_classes: classes of train that none of them has.
    in_training_groups: how many of them are of a group that train has rows of as well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rows: int
    also_in_training: int
    missing_classes: tuple[str, ...] = ()
    in_training_groups: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImages:
    """All images of one split, decoded.

    images: (N, inputs), uint8 pixels 0–255, each row one image in (height, width, channel) order.
    labels: (N,), int64 class numbers from 0.
    classes: the name of each class number; both splits of a source have the same.
    shape: (height, width, channels) of every image; channels is 1 (grey) or 3 (red, green, blue).
    validation_folder: the source's own split for validation, by the name of its folder, if it has one.
    table: the columns of a table, whose `images` are float64 (models.inputs.data.Split). None for images.
    groups: (N,), int64: rows that are alike there stay together in every split.
    is_ordered: whether later rows are newer, and the last are the validation.
    remarks: of a table, what people should know of it, a line each.
    sealed: of the split train of a table, what may be known of the test rows.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    validation_folder: str | None = field(default=None, kw_only=True)
    table: TableSchema | None = field(default=None, kw_only=True)
    groups: NDArray[np.int64] | None = field(default=None, kw_only=True)
    is_ordered: bool = field(default=False, kw_only=True)
    remarks: tuple[str, ...] = field(default=(), kw_only=True)
    sealed: SealedCounts | None = field(default=None, kw_only=True)


class Source(Protocol):
    """A place that images come from. Making one reads nothing but names."""

    def fingerprint(self, split: SplitName) -> str:
        """A text that changes when what `decode` gives may have changed; cheap next to decoding."""
        ...

    def decode(self, split: SplitName) -> DecodedImages:
        """All images of one split. Raises DataError for what is missing, corrupt or not allowed."""
        ...


class DataSource(Source, Protocol):
    """A source that can be looked at as a whole."""

    def check(self) -> list[str]:
        """Look for what would come up only after a search, without decoding a pixel; return remarks for people.

        Raises DataError for what is missing or not allowed in any split.
        """
        ...


def digest_of_files(*paths: Path) -> str:
    """SHA-256 of the files' bytes, in hexadecimal digits. Raises DataError for a file that cannot be read."""
    digests = []
    for path in paths:
        try:
            with path.open("rb") as stream:
                digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()
