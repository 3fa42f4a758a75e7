"""A study file for data that somebody has: a table, arrays or images, looked at without their test split."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlpsearch.models.errors import DataError, SpecError
from mlpsearch.models.paths import write_atomically
from mlpsearch.search.study_texts import image_study, table_study
from mlpsearch.studies.data.images.check import SizesDifferError
from mlpsearch.studies.data.table_columns import UnclearColumnError
from mlpsearch.studies.data.training import (
    TABLE_VALIDATION,
    TrainingData,
    check_images,
    dataset_of,
    load_training,
    own_validation,
)
from mlpsearch.studies.spec.image_options import ImageOptions
from mlpsearch.studies.spec.reading import parse_spec
from mlpsearch.studies.spec.table_options import ARRAY_LABEL, TEST_SHARE, TableOptions

Tell = Callable[[str], None]
_SIDE = 32  # of images that are resized, in pixels
_MOST_PIXELS = 64 * 64  # of an image that is not


def write_new_study(
    data: Path, path: Path, net: str, tell: Tell, *, label: str | None = None, test: Path | None = None
) -> None:
    """Look at the training rows or images of a table, of arrays or of images, and write a study file for them.

    label: of a table, the column with the classes.  test: of a table, another one with the test rows.
    tell: is told what a person should know or may want otherwise, such as columns that are ignored.
    Raises DataError for data that nothing can be learnt from, and SpecError where there is a file already, where
    the name of the file is none for a study, for a table without a label, and for other data with one.
    """
    if path.exists():
        raise SpecError(f"{path}: is there already; name another with -o, or remove it", path=path)
    dataset = dataset_of(data, has_label=label is not None)
    keys = {"name": path.stem, "net": net, "dataset": dataset, "data": _relative(data, path)}
    if dataset == "table":
        text = _of_table(data, keys, label, test, tell)
    elif label is not None or test is not None:
        option = "--test" if label is None else "--label"
        raise SpecError(f"{data}: {option} is for a table, and this is read as {dataset}", path=data)
    else:
        text = _of_arrays(data, keys) if dataset == "arrays" else _of_images(data, keys, tell)
    parse_spec(text, str(path))
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise SpecError(f"{path}: cannot be written ({error.strerror})", path=path) from error


def _of_table(data: Path, keys: dict[str, Any], label: str | None, test: Path | None, tell: Tell) -> str:
    if label is None:
        raise SpecError(f"{data}: which column has the classes? Name it with --label", path=data)
    options = TableOptions(label, TEST_SHARE if test is None else str(test.absolute()))
    rows, options = _understood(data, options, tell)
    return table_study(rows, keys, options)


def _understood(data: Path, options: TableOptions, tell: Tell) -> tuple[TrainingData, TableOptions]:
    """The training rows; columns that only a person can explain are ignored, as the study file then says."""
    while True:
        try:
            return load_training("table", data, validation=None, split_seed=0, options=options), options
        except UnclearColumnError as error:
            tell(f"{error}; until then it is ignored")
            ignored = {"ignore": (*options.columns.ignore, error.column)}
            options = replace(options, columns=options.columns.model_copy(update=ignored))


def _of_arrays(data: Path, keys: dict[str, Any]) -> str:
    options = TableOptions(ARRAY_LABEL)
    check_images("arrays", data, options)
    rows = load_training("arrays", data, validation=TABLE_VALIDATION, split_seed=0, options=options)
    return image_study(rows, keys) if rows.table is None else table_study(rows, keys, options)


def _of_images(data: Path, keys: dict[str, Any], tell: Tell) -> str:
    try:
        images = _loaded(data, ImageOptions())
        height, width, _ = images.shape
        why = f"have {height}×{width} pixels" if height * width > _MOST_PIXELS else ""
    except SizesDifferError:
        why = "have different sizes"
    except DataError as error:
        if data.suffix.lower() != ".parquet":
            raise
        raise DataError(f"{error}; of a table, --label names the column with the classes", path=data) from error
    if why:
        tell(f"{data}: the images {why}: image_size = {_SIDE} in the study file resizes them")
        keys = keys | {"image_size": _SIDE}
        images = _loaded(data, ImageOptions(size=_SIDE))
    return image_study(images, keys)


def _loaded(data: Path, options: ImageOptions) -> TrainingData:
    check_images("images", data, options)
    share = TABLE_VALIDATION if own_validation("images", data, options) is None else None
    return load_training("images", data, validation=share, split_seed=0, options=options)


def _relative(data: Path, path: Path) -> str:
    """The path of the data as the study file says it: relative to its own folder."""
    try:
        return data.resolve().relative_to(path.resolve().parent).as_posix()
    except ValueError:
        return str(data.resolve())


def file_name(data: Path) -> Path:
    """Return the path of a study file for data: their name in the current folder, but for what no study has."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", data.absolute().name.partition(".")[0]).strip("-_")
    return Path(f"{name[:100] or 'table'}.toml")
