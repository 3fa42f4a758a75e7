"""What an export says of its data: where they were, how they are read and split, what a table's columns are."""

from math import prod
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from mlpsearch.models.prediction import Layout
from mlpsearch.search.export.fields import Digest, Part, Size, Text
from mlpsearch.studies.data.table_columns import TableSchema
from mlpsearch.studies.spec.image_options import DataOptions, Fit, ImageOptions
from mlpsearch.studies.spec.table_options import ColumnOptions, TableOptions

_FARTHEST_DAY = 10**8  # from 1970


def _grey_or_rgb(channels: int) -> int:
    if channels in (1, 3):
        return channels
    raise PydanticCustomError("channels", "must be 1 or 3")


def _usable(schema: TableSchema) -> TableSchema:
    """What comes from elsewhere goes to terminals, and into arithmetic."""
    names = [column.name for column in schema.columns]
    problems = {
        "names must be printable, and each once": len({*names}) < len(names)
        or not all(map(str.isprintable, names)),
        "must be at least one": not names,
        "a category needs categories": any(
            column.kind == "category" and not column.categories + column.together for column in schema.columns
        ),
        "first must be a day": any(abs(column.first) > _FARTHEST_DAY for column in schema.columns),
    }
    for problem, is_there in problems.items():
        if is_there:
            raise PydanticCustomError("columns", f"of its columns, {problem}")
    return schema


_Channels = Annotated[int, AfterValidator(_grey_or_rgb)]


class ExportedTable(Part):
    """How a table is read and split (studies/spec/table_options.py), and what its columns are.

    validation: the share of the rows, or how many, that the study asked for; None for the usual share.
    """

    label: Text
    test: float | Text
    validation: int | float | None = None
    group: Text | None = None
    order: Text | None = None
    options: ColumnOptions = Field(default_factory=ColumnOptions, strict=False)
    described: Annotated[TableSchema, AfterValidator(_usable)]

    def table_options(self) -> TableOptions:
        """Return how the table is read."""
        return TableOptions(self.label, self.test, self.group, self.order, self.options)


class ExportedImages(Part):
    """How images of the user's own are read and split (studies/spec/image_options.py)."""

    test: float | None = Field(default=None, gt=0, lt=1)
    size: int | None = Field(default=None, ge=1)
    fit: Fit = "pad"
    channels: _Channels | None = None

    def image_options(self) -> ImageOptions:
        """Return how the images are read."""
        return ImageOptions(self.test, self.size, self.fit, self.channels)


class ExportedDataSet(Part):
    """The images: where they were, how they were split, and their fingerprint.

    validation: how many validation images.  validation_folder: of the data set, where they are from there; else
        split_seed chose them from the training images.
    folds: into how many folds split_seed dealt the images out.
    shape: (height, width, channels); (1, columns, 1) of a table.
    table: what a table is; None for images.
    images: how images of the user's own are read and split; None for others, and where there is nothing to say.
    """

    dataset: Text
    source: Text | None = None
    validation: Size
    validation_folder: Text | None = None
    split_seed: int = Field(ge=0)
    folds: int | None = Field(default=None, ge=2)
    fingerprint: Digest
    classes: list[Text] = Field(min_length=2)
    shape: tuple[Size, Size, _Channels] = Field(strict=False)
    table: ExportedTable | None = None
    images: ExportedImages | None = None

    def options(self) -> DataOptions | None:
        """Return how the table or the images are read."""
        if self.images is not None:
            return self.images.image_options()
        return None if self.table is None else self.table.table_options()

    def layout(self) -> Layout:
        """Return what a row is as the net's preprocessing gets it."""
        columns = None if self.table is None else self.table.described.stored()
        return Layout(prod(self.shape), columns)


class ExportedData(ExportedDataSet):
    """The images of one net. fold: of a study with folds, which is its validation, from 0."""

    fold: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _fold_is_one_of_them(self) -> Self:
        if (self.fold is None) != (self.folds is None) or (self.fold or 0) >= (self.folds or 1):
            raise PydanticCustomError("fold", "fold must be below folds")
        return self
