"""What makes no sense in a study file, or not together: mistakes that no key shows by itself."""

from collections.abc import Iterator

from mlpsearch.models.config import ALLOWED, IMAGE_PREPROCESSING, TABLE_PREPROCESSING, describe_allowed
from mlpsearch.studies.spec.dimensions import (
    FIELDS,
    Choices,
    Dimension,
    Value,
    extent,
    fits,
    inside,
    is_finite,
    mistakes,
    why_no_field,
)
from mlpsearch.studies.spec.keys import StudyKeys
from mlpsearch.studies.spec.messages import Mistake, key_path, nearest, show
from mlpsearch.studies.spec.table_options import BUNDLED_TABLES

# What only one kind of data has.
OF_TABLES = ("label", "group", "order", "columns")
OF_IMAGES = ("image_size", "image_fit", "channels")


def inconsistencies(spec: StudyKeys) -> Iterator[Mistake]:
    """Yield all mistakes of a study file whose keys are right by themselves."""
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


def _data_mistakes(spec: StudyKeys) -> Iterator[Mistake]:
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


def _test_mistakes(spec: StudyKeys) -> Iterator[Mistake]:
    none = spec.dataset == "table" and spec.test == 0
    if isinstance(spec.test, float) and not (0 < spec.test < 1 or none):
        path = ", or the path of a file" if spec.dataset == "table" else ""
        yield Mistake(f"must be a share between 0 and 1{path}", "test", show(spec.test))
    if not spec.has_test and spec.confirm is not None:
        yield Mistake("ends with the test, for which test = 0 holds no row out", "confirm")


def _of_other_data(spec: StudyKeys) -> Iterator[Mistake]:
    """Keys that the study's data set does not know."""
    known = {"table": (*OF_TABLES, "test"), "images": (*OF_IMAGES, "test"), "arrays": ("test",)}
    for key in (*OF_TABLES, "test", *OF_IMAGES):
        if getattr(spec, key) is not None and key not in known.get(spec.dataset, ()):
            names = " or ".join(repr(name) for name in known if key in known[name])
            yield Mistake(f"is only for dataset = {names}", key)
    if spec.dataset == "images" and isinstance(spec.test, str):
        yield Mistake("must be a share between 0 and 1; test images of their own lie in test/", "test")


def _fold_mistakes(spec: StudyKeys) -> Iterator[Mistake]:
    if spec.folds is not None and spec.validation is not None:
        yield Mistake("cannot go with validation: each fold is the validation split once", "folds")
    if spec.folds is not None and spec.order is not None:
        yield Mistake("cannot go with order: older rows would judge what was learnt from newer ones", "folds")


def _array_mistakes(spec: StudyKeys) -> Iterator[Mistake]:
    if spec.data is None:
        yield Mistake("is missing: dataset = 'arrays' needs the path of a .npz file or a folder", "data")
    if isinstance(spec.test, str) or spec.test == 0:
        yield Mistake("must be, of arrays, a share between 0 and 1", "test", show(spec.test))


def misfits(spec: StudyKeys, *, is_table: bool) -> Iterator[Mistake]:
    """Values that a study cannot have whose data are a table, or images."""
    allowed = TABLE_PREPROCESSING if is_table else IMAGE_PREPROCESSING
    kind, others = ("a table", "images") if is_table else ("images", "a table")
    for value in _values(spec, "preprocessing"):
        if value in ALLOWED["preprocessing"] and value not in allowed:
            problem = f"is for {others}; of {kind}: one of {', '.join(allowed)}"
            yield Mistake(problem, "preprocessing", show(value))
    if is_table:
        for name in ("flip", "shift", "flip_averaging", "shift_averaging"):
            if any(_values(spec, name)):
                yield Mistake("is for images, which a table has none of", name)


def _values(spec: StudyKeys, name: str) -> tuple[Value, ...]:
    """All values that a study gives a field, where they are listed."""
    dimension = spec.search.get(name)
    if dimension is None:
        return (spec.fixed[name],) if name in spec.fixed else ()
    return dimension.choices if isinstance(dimension, Choices) else (dimension.high,)


def _precisions(spec: StudyKeys) -> tuple[Value | None, ...]:
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
