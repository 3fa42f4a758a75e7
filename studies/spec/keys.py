"""The keys of a study file: which there are, what each may be by itself, and what they say together of the data.

docs/study-file.md lists every key.
"""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator

from mlpsearch.models.config import ALLOWED, describe_allowed
from mlpsearch.studies.spec.dimensions import Dimension, Table, Value, as_float, with_floats
from mlpsearch.studies.spec.image_options import DataOptions, Fit, ImageOptions
from mlpsearch.studies.spec.table_options import (
    ARRAY_LABEL,
    BUNDLED_LABEL,
    BUNDLED_TABLES,
    TEST_SHARE,
    ColumnOptions,
    TableOptions,
)

VALIDATION = 1000  # validation images, where neither a study nor its data set says how many


class Budget(Table):
    """When a study is over: after its trials, or sooner by one of the optional limits."""

    trials: int = Field(ge=1, description="a whole number of at least 1")
    epochs: int = Field(ge=ALLOWED["epochs"][0], le=ALLOWED["epochs"][1], description=describe_allowed("epochs"))
    seconds: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="a number of seconds above 0"
    )
    total_epochs: int | None = Field(default=None, ge=1, description="a whole number of at least 1")
    patience: int | None = Field(default=None, ge=1, description="a whole number of at least 1")


class Confirm(Table):
    """What is trained again once the search is over.

    top, seeds: so many of its best trials, each with so many fresh seeds, to choose one of them.
    report: with so many further fresh seeds the chosen one is trained once more; only these nets are reported.
    """

    top: int = Field(default=5, ge=1, le=100, description="a whole number from 1 to 100")
    seeds: int = Field(default=5, ge=2, le=100, description="a whole number from 2 to 100")
    report: int = Field(default=5, ge=2, le=100, description="a whole number from 2 to 100")


class Transfer(Table):
    """What is taken over from earlier studies of the same storage: their best points are tried first."""

    studies: tuple[str, ...] = Field(strict=False, min_length=1, description="a list of names of studies")


LEARNT = "learnt"  # in place of starting points: those that come with the package


def _form_of_start(start: object) -> str:
    return "learnt" if isinstance(start, str) else "points"


Start = Annotated[
    Annotated[tuple[dict[str, Value], ...], Field(strict=False), Tag("points")]
    | Annotated[Literal["learnt"], Tag("learnt")],
    Discriminator(_form_of_start),
]


class StudyKeys(Table):
    """What a study file says.

    Whole numbers given for a field of floats are kept as floats, so that equal settings compare equal.
    """

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="1 to 100 letters, digits, '.', '_' or '-', the first a letter or digit",
    )
    net: Literal["numpy", "torch"] = Field(description="'numpy' or 'torch'")
    dataset: Literal[
        "digits",
        "iris",
        "wine",
        "breast-cancer",
        "letter-like",
        "cifar10",
        "mnist",
        "fashion-mnist",
        "images",
        "table",
        "arrays",
    ] = Field(
        description="one of 'digits', 'iris', 'wine', 'breast-cancer', 'letter-like', 'cifar10', 'mnist', "
        "'fashion-mnist', 'images', 'table', 'arrays'"
    )
    data: str | None = Field(
        default=None, pattern=r"^[^\x00]+$", description="the path of images, of a table or of arrays"
    )
    validation: int | float | None = Field(
        default=None, description="a whole number of at least 1, or a share between 0 and 1"
    )
    folds: int | None = Field(default=None, ge=2, le=20, description="a whole number from 2 to 20")
    label: str | None = Field(default=None, min_length=1, description="the name of a table's column")
    test: float | str | None = Field(
        default=None, description="a share between 0 and 1, or of a table the path of a table of test rows"
    )
    group: str | None = Field(default=None, min_length=1, description="the name of a table's column")
    order: str | None = Field(default=None, min_length=1, description="the name of a table's column")
    columns: ColumnOptions | None = Field(
        default=None, description="a table with ignore, categorical, numeric and dates"
    )
    image_size: int | None = Field(default=None, ge=1, le=1024, description="a whole number from 1 to 1024")
    image_fit: Fit | None = Field(default=None, description="'pad' or 'crop'")
    channels: Literal[1, 3] | None = Field(default=None, description="1 or 3")
    seed: int = Field(
        default=0, ge=ALLOWED["seed"][0], le=ALLOWED["seed"][1], description=describe_allowed("seed")
    )
    metric: Literal["accuracy", "balanced-accuracy", "macro-f1", "auc", "log-loss"] = Field(
        default="accuracy",
        description="one of 'accuracy', 'balanced-accuracy', 'macro-f1', 'auc', 'log-loss'",
    )
    sampler: Literal["auto", "tpe", "gp", "random", "grid"] = Field(
        default="auto", description="one of 'auto', 'tpe', 'gp', 'random', 'grid'"
    )
    pruner: Literal["halving", "leader", "median", "hyperband", "none"] = Field(
        default="halving", description="one of 'halving', 'leader', 'median', 'hyperband', 'none'"
    )
    budget: Budget = Field(description="a table with trials and epochs")
    confirm: Confirm | None = Field(default=None, description="a table with top, seeds and report")
    search: dict[str, Dimension] = Field(
        description="a table: field = { low = .., high = .. } or { choices = [..] }"
    )
    fixed: dict[str, Value] = Field(default_factory=dict, description="a table: field = value")
    start: Start = Field(default=(), description="'learnt', or a list of tables: [[start]]")
    transfer: Transfer | None = Field(default=None, description="a table with studies")

    @field_validator("search")
    @classmethod
    def _floats_in_search(cls, search: dict[str, Dimension]) -> dict[str, Dimension]:
        return {name: with_floats(name, dimension) for name, dimension in search.items()}

    @field_validator("fixed")
    @classmethod
    def _floats_in_fixed(cls, fixed: dict[str, Value]) -> dict[str, Value]:
        return {name: as_float(name, value) for name, value in fixed.items()}

    @field_validator("start")
    @classmethod
    def _floats_in_start(cls, start: Start) -> Start:
        if isinstance(start, str):
            return start
        return tuple({name: as_float(name, value) for name, value in point.items()} for point in start)

    @property
    def points(self) -> tuple[dict[str, Value], ...]:
        """The starting points that the file itself gives."""
        return () if isinstance(self.start, str) else self.start

    @property
    def table_options(self) -> TableOptions | None:
        """How its table is read, or its arrays; None for images."""
        test = TEST_SHARE if self.test is None else self.test
        if self.dataset in BUNDLED_TABLES:
            return TableOptions(BUNDLED_LABEL)
        if self.dataset == "arrays":
            return TableOptions(ARRAY_LABEL, test)
        if self.dataset != "table" or self.label is None:
            return None
        return TableOptions(self.label, test, self.group, self.order, self.columns or ColumnOptions())

    @property
    def has_test(self) -> bool:
        """Whether there are rows or images to test the winner on; test = 0 holds none out."""
        return self.test != 0

    @property
    def data_options(self) -> DataOptions | None:
        """How its table, or its own images, are read; None for other data sets."""
        if self.dataset != "images":
            return self.table_options
        share = self.test if isinstance(self.test, float) else None
        return ImageOptions(share, self.image_size, self.image_fit or "pad", self.channels)
