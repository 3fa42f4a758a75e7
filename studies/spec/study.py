"""The study file: what a study searches, on which data and for how long, checked before anything is created.

docs/study-file.md lists every key.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from mlpsearch.models.config import ALLOWED, IMAGE_PREPROCESSING, TABLE_PREPROCESSING, describe_allowed
from mlpsearch.studies.spec.dimensions import (
    FIELDS,
    Choices,
    Dimension,
    Range,
    Table,
    Value,
    as_float,
    extent,
    fits,
    inside,
    is_finite,
    mistakes,
    why_no_field,
    with_floats,
)
from mlpsearch.studies.spec.image_options import DataOptions, Fit, ImageOptions
from mlpsearch.studies.spec.messages import Mistake, explain, key_path, nearest, show, spec_error
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


class StudySpec(Table):
    """What one study is; every instance makes sense, however it was made.

    The fields are the keys of the study file, described in docs/study-file.md. Whole numbers given for a field
    of floats are kept as floats, so that equal settings compare equal.
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

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if mistakes := list(_mistakes(self)):
            raise ValueError(*mistakes)
        return self

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

    def taking_over(self, studies: Sequence[str]) -> "StudySpec":
        """Return the specification that names further studies to take points from, before those that it names."""
        if not studies:
            return self
        named = self.transfer.studies if self.transfer else ()
        given = self.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        transfer = {"studies": list(dict.fromkeys([*studies, *named]))}
        return StudySpec.from_json({**given, "transfer": transfer}, "--like")

    def to_json(self) -> dict[str, Any]:
        """The specification as JSON values, defaults included; from_json makes an equal one of them."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def from_json(cls, document: object, where: str | Path = "the stored specification") -> "StudySpec":
        """The specification that to_json wrote; SpecError, which names `where`, if it makes no sense."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            mistakes = explain(error, _TABLES)
            if isinstance(document, dict):
                mistakes += _beside(document, error)
            raise spec_error(where, list(dict.fromkeys(mistakes))) from None


_TABLES: dict[str, type[BaseModel]] = {
    "": StudySpec,
    "budget": Budget,
    "confirm": Confirm,
    "transfer": Transfer,
    "columns": ColumnOptions,
    "range": Range,
    "choices": Choices,
}


# What makes sense, or none, together with other keys.
_OF_TABLES = ("label", "group", "order", "columns")
_OF_IMAGES = ("image_size", "image_fit", "channels")
_OF_DATA = ("dataset", "data", "validation", "folds", "test", *_OF_TABLES, *_OF_IMAGES)
_TOGETHER = ("net", "fixed", "start", *_OF_DATA)
# To look at the other values of a document in which some of these are missing or wrong.
_SOUND = {"name": "any", "net": "torch", "dataset": "digits", "budget": {"trials": 1, "epochs": 1}}


def _beside(document: dict[str, Any], error: ValidationError) -> list[Mistake]:
    """What makes no sense among the values that are right by themselves, in a document where others are not.

    A start point is left out where a search entry is wrong: it may speak of that one.
    """
    wrong = {details["loc"] for details in error.errors() if details["loc"]}
    keys = {location[0] for location in wrong}
    entries = {location[1] for location in wrong if location[0] == "search" and len(location) > 1}
    parts = {key: document[key] for key in _TOGETHER if key in document}
    parts = {key: value for key, value in parts.items() if key not in keys}
    if keys & {"data", "label"}:
        parts = {key: value for key, value in parts.items() if key not in _OF_DATA}
    if not wrong or not isinstance(document.get("search"), dict):
        return []
    search = {name: entry for name, entry in document["search"].items() if name not in entries}
    if entries:
        if not search:
            return []
        parts.pop("start", None)
    try:
        StudySpec.model_validate(_SOUND | parts | {"search": search})
    except ValidationError as other:
        return explain(other, _TABLES)
    return []


def _mistakes(spec: StudySpec) -> Iterator[Mistake]:
    yield from _data_mistakes(spec)
    yield from _fold_mistakes(spec)
    if spec.dataset != "arrays":  # whose kind is known once they are there
        yield from misfits(spec, is_table=spec.dataset in ("table", *BUNDLED_TABLES))
    if spec.dataset == "images" and spec.data is None:
        yield Mistake("is missing: dataset = 'images' needs the path of a folder or archive of images", "data")
    if not spec.search:
        yield Mistake(f"must name at least one of {', '.join(FIELDS)}", "search")
    for name, dimension in spec.search.items():
        yield from mistakes(name, dimension)
        if spec.sampler == "grid" and not is_finite(name, dimension):
            yield Mistake("needs a step or choices: sampler = 'grid' tries each value", key_path("search", name))
    for name, value in spec.fixed.items():
        yield from _fixed_mistakes(name, value, spec.search)
    for index, point in enumerate(spec.points):
        yield from _start_mistakes(index, point, spec.search)
    if spec.transfer is not None and spec.name in spec.transfer.studies:
        yield Mistake("names the study itself", "transfer.studies", show(spec.name))
    if spec.net == "numpy" and "bfloat16" in _precisions(spec):
        yield Mistake("needs net = 'torch'", "precision", show("bfloat16"))


def _data_mistakes(spec: StudySpec) -> Iterator[Mistake]:
    share = spec.validation
    if share is not None and not (0 < share < 1 if isinstance(share, float) else share >= 1):
        problem = "must be a whole number of at least 1, or a share between 0 and 1"
        yield Mistake(problem, "validation", show(share))
    yield from _of_other_data(spec)
    yield from _test_mistakes(spec)
    if spec.image_fit is not None and spec.image_size is None:
        yield Mistake("says nothing without image_size", "image_fit", show(spec.image_fit))
    if spec.dataset == "arrays":
        yield from _array_mistakes(spec)
    if spec.dataset != "table":
        return
    if spec.data is None:
        yield Mistake("is missing: dataset = 'table' needs the path of a file of rows", "data")
    if spec.label is None:
        yield Mistake("is missing: the name of the column with the classes", "label")
    if spec.group is not None and spec.order is not None:
        yield Mistake("cannot go with order", "group")


def _test_mistakes(spec: StudySpec) -> Iterator[Mistake]:
    none = spec.dataset == "table" and spec.test == 0
    if isinstance(spec.test, float) and not (0 < spec.test < 1 or none):
        path = ", or the path of a file" if spec.dataset == "table" else ""
        yield Mistake(f"must be a share between 0 and 1{path}", "test", show(spec.test))
    if not spec.has_test and spec.confirm is not None:
        yield Mistake("ends with the test, for which test = 0 holds no row out", "confirm")


def _of_other_data(spec: StudySpec) -> Iterator[Mistake]:
    """Keys that the study's data set does not know."""
    known = {"table": (*_OF_TABLES, "test"), "images": (*_OF_IMAGES, "test"), "arrays": ("test",)}
    for key in (*_OF_TABLES, "test", *_OF_IMAGES):
        if getattr(spec, key) is not None and key not in known.get(spec.dataset, ()):
            names = " or ".join(repr(name) for name in known if key in known[name])
            yield Mistake(f"is only for dataset = {names}", key)
    if spec.dataset == "images" and isinstance(spec.test, str):
        yield Mistake("must be a share between 0 and 1; test images of their own lie in test/", "test")


def _fold_mistakes(spec: StudySpec) -> Iterator[Mistake]:
    if spec.folds is not None and spec.validation is not None:
        yield Mistake("cannot go with validation: each fold is the validation split once", "folds")
    if spec.folds is not None and spec.order is not None:
        yield Mistake("cannot go with order: older rows would judge what was learnt from newer ones", "folds")


def _array_mistakes(spec: StudySpec) -> Iterator[Mistake]:
    if spec.data is None:
        yield Mistake("is missing: dataset = 'arrays' needs the path of a .npz file or a folder", "data")
    if isinstance(spec.test, str) or spec.test == 0:
        yield Mistake("must be, of arrays, a share between 0 and 1", "test", show(spec.test))


def misfits(spec: StudySpec, *, is_table: bool) -> Iterator[Mistake]:
    """Values that a study cannot have whose data are a table, or images."""
    allowed = TABLE_PREPROCESSING if is_table else IMAGE_PREPROCESSING
    kind, others = ("a table", "images") if is_table else ("images", "a table")
    for value in _values(spec, "preprocessing"):
        if value in ALLOWED["preprocessing"] and value not in allowed:
            problem = f"is for {others}; of {kind}: one of {', '.join(allowed)}"
            yield Mistake(problem, "preprocessing", show(value))
    if is_table:
        for name in ("flip", "shift", "flip_averaging"):
            if any(_values(spec, name)):
                yield Mistake("is for images, which a table has none of", name)


def _values(spec: StudySpec, name: str) -> tuple[Value, ...]:
    """All values that a study gives a field, where they are listed."""
    dimension = spec.search.get(name)
    if dimension is None:
        return (spec.fixed[name],) if name in spec.fixed else ()
    return dimension.choices if isinstance(dimension, Choices) else (dimension.high,)


def _precisions(spec: StudySpec) -> tuple[Value | None, ...]:
    """The precisions that a study gives its trials, None for the default."""
    dimension = spec.search.get("precision")
    return dimension.choices if isinstance(dimension, Choices) else (spec.fixed.get("precision"),)


def _fixed_mistakes(name: str, value: Value, search: dict[str, Dimension]) -> Iterator[Mistake]:
    key = key_path("fixed", name)
    if name not in FIELDS:
        yield Mistake(why_no_field(name), key)
    elif name in search:
        yield Mistake("is also under [search]; a field is either searched or fixed", key)
    elif not fits(name, value):
        yield Mistake(f"must be {describe_allowed(name)}", key, show(value))


def _start_mistakes(index: int, point: dict[str, Value], search: dict[str, Dimension]) -> Iterator[Mistake]:
    if not point:
        yield Mistake(f"must give at least one of {', '.join(search)}", key_path("start", index))
    for name, value in point.items():
        key = key_path("start", index, name)
        if name not in search:
            yield Mistake(f"is not under [search]{nearest(name, search)}", key)
        elif name in FIELDS and not (fits(name, value) and inside(search[name], value)):
            yield Mistake(f"must be {extent(search[name])}, as search.{name} says", key, show(value))
