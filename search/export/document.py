"""The exported document: a TOML or JSON file that says all about one trained net but its weights."""

import json
import tomllib
from dataclasses import fields
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import ConfigError, ExportError
from mlpsearch.models.paths import write_atomically
from mlpsearch.models.prediction import Layout
from mlpsearch.models.threads import MOST_THREADS
from mlpsearch.studies.data.table_columns import TableSchema
from mlpsearch.studies.spec.image_options import DataOptions, Fit, ImageOptions
from mlpsearch.studies.spec.table_options import ColumnOptions, TableOptions

DOCUMENT = "export.toml"  # in an exported folder
SUFFIXES = (".toml", ".json")

_MAX_BYTES = 32_000_000  # a table may have thousands of columns, and each a thousand categories
_FARTHEST_DAY = 10**8  # from 1970
# Fields of the configuration that older exports do not have, and do not use.
_ADDED = {"activation", "bins", "class_weights", "early_stopping"}


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    raise PydanticCustomError("printable", "must be printable")


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


_Text = Annotated[str, AfterValidator(_printable)]  # it is shown in terminals
_Share = Annotated[float, Field(ge=0, le=1)]
_Interval = Annotated[list[_Share], Field(min_length=2, max_length=2)]
_Size = Annotated[int, Field(ge=1)]
_Channels = Annotated[int, AfterValidator(_grey_or_rgb)]
_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ExportedTable(_Table):
    """How a table is read and split (studies/spec/table_options.py), and what its columns are.

    validation: the share of the rows, or how many, that the study asked for; None for the usual share.
    """

    label: _Text
    test: float | _Text
    validation: int | float | None = None
    group: _Text | None = None
    order: _Text | None = None
    options: ColumnOptions = Field(default_factory=ColumnOptions, strict=False)
    described: Annotated[TableSchema, AfterValidator(_usable)]

    def table_options(self) -> TableOptions:
        """Return how the table is read."""
        return TableOptions(self.label, self.test, self.group, self.order, self.options)


class ExportedImages(_Table):
    """How images of the user's own are read and split (studies/spec/image_options.py)."""

    test: float | None = Field(default=None, gt=0, lt=1)
    size: int | None = Field(default=None, ge=1)
    fit: Fit = "pad"
    channels: _Channels | None = None

    def image_options(self) -> ImageOptions:
        """Return how the images are read."""
        return ImageOptions(self.test, self.size, self.fit, self.channels)


class ExportedData(_Table):
    """The images: where they were, how they were split, and their fingerprint.

    validation: how many validation images.  validation_folder: of the data set, where they are from there; else
        split_seed chose them from the training images.
    folds, fold: into how many folds split_seed dealt the images out, and which, from 0, is this net's validation.
    shape: (height, width, channels); (1, columns, 1) of a table.
    table: what a table is; None for images.
    images: how images of the user's own are read and split; None for others, and where there is nothing to say.
    """

    dataset: _Text
    source: _Text | None = None
    validation: _Size
    validation_folder: _Text | None = None
    split_seed: int = Field(ge=0)
    folds: int | None = Field(default=None, ge=2)
    fold: int | None = Field(default=None, ge=0)
    fingerprint: _Digest
    classes: list[_Text] = Field(min_length=2)
    shape: tuple[_Size, _Size, _Channels] = Field(strict=False)
    table: ExportedTable | None = None
    images: ExportedImages | None = None

    def options(self) -> DataOptions | None:
        """Return how the table or the images are read."""
        if self.images is not None:
            return self.images.image_options()
        return None if self.table is None else self.table.table_options()

    @model_validator(mode="after")
    def _fold_is_one_of_them(self) -> Self:
        if (self.fold is None) != (self.folds is None) or (self.fold or 0) >= (self.folds or 1):
            raise PydanticCustomError("fold", "fold must be below folds")
        return self

    def layout(self) -> Layout:
        """Return what a row is as the net's preprocessing gets it."""
        columns = None if self.table is None else self.table.described.stored()
        return Layout(prod(self.shape), columns)


class ExportedTest(_Table):
    """What the test split said: of this net, or of all that the confirmation trained, this one among them.

    also_in_training: how many of the images are training or validation images too; None where nobody counted.
    seeds: of those nets, empty where it was this net alone.  accuracies: of each, in the order of the seeds.
    accuracy, deviation: their mean and, of several, their standard deviation.
    confusion: counts[true class][predicted class] over all of them.
    """

    accuracy: _Share
    interval: _Interval
    images: int
    also_in_training: int | None = None
    opening: int
    seeds: list[int]
    accuracies: list[_Share]
    deviation: float | None = None
    confusion: list[list[int]]


class ExportedConfirmation(_Table):
    """What training the configuration again from other seeds said, on the validation images.

    seeds, accuracies, mean, deviation: of the runs that are reported.  Of a study by another metric than accuracy,
        which chose by that, choice_mean and selection_bias stand in ExportedScore.
    candidates: how many trials it was chosen from.  choice_seeds, choice_mean: by which it was; mlpsearch 0.1.0
    chose and reported over the same seeds, and says nothing here.
    selection_bias: the search's best validation accuracy minus the mean of the reported runs.
    chance: how often, at most, seeds alone make a candidate lead all others as clearly as this one.
    p_value: in older exports: of a paired t-test against the runner-up.
    """

    seeds: list[int]
    accuracies: list[_Share]
    mean: _Share
    deviation: float | None = None
    candidates: int | None = None
    choice_seeds: list[int] = []
    choice_mean: _Share | None = None
    selection_bias: float | None = None
    chance: _Share | None = None
    p_value: float | None = None


class ExportedAccuracy(_Table):
    """Accuracies, 0 to 1.

    validation, this_net_on_test: of the exported net alone.  test, confirmation: of all nets that are reported.
    What was not made is missing.
    """

    validation: _Share
    this_net_on_test: _Share | None = None
    test: ExportedTest | None = None
    confirmation: ExportedConfirmation | None = None


class ExportedScore(_Table):
    """What ExportedAccuracy says, by the study's metric, where that is another than accuracy.

    validation, this_net_on_test: of the exported net alone.
    test, test_deviation, test_interval, tests: over all nets that are reported, and of each of them.
    confirmation, confirmation_deviation, confirmations: over these nets, on validation images.
    choice_mean, selection_bias: as ExportedConfirmation has them.
    """

    validation: float
    this_net_on_test: float | None = None
    test: float | None = None
    test_deviation: float | None = None
    test_interval: list[float] | None = Field(default=None, min_length=2, max_length=2)
    tests: list[float] = []
    confirmation: float | None = None
    confirmation_deviation: float | None = None
    confirmations: list[float] = []
    choice_mean: float | None = None
    selection_bias: float | None = None


class Export(_Table):
    """A trained net, but for its weights.

    taken: which net of the study it is, in words.  format: 2 of versions before 0.2.0, which says less, or 3.
    metric: by which it was chosen.  score: by that metric; None where it is accuracy.
    trial: of the search.  run: of its confirmation, where the net is from there.
    origin: where the trial's point is from (search/trials/next_trial.py); None in older exports.
    compiled_steps: whether all of its training steps were (models.net.Net); False in older exports.
    command: trains it again.  weights_digest: models.weights.digest of what the weights file holds; None where the
        weights were not there.
    """

    format: Literal[2, 3] = 3
    study: _Text
    taken: _Text | None = None
    trial: int = Field(ge=0)
    run: int | None = Field(default=None, ge=0)
    origin: _Text | None = None
    net: Literal["numpy", "torch"]
    threads: int = Field(ge=1, le=MOST_THREADS)
    compiled_steps: bool = False
    command: _Text
    weights_digest: _Digest | None = None
    config: dict[str, Any]
    data: ExportedData
    accuracy: ExportedAccuracy
    metric: Literal["accuracy", "balanced-accuracy", "macro-f1", "auc", "log-loss"] = "accuracy"
    score: ExportedScore | None = None
    versions: dict[_Text, _Text]

    def train_config(self) -> TrainConfig:
        """Return the configuration, checked. Raises ConfigError; a field that is missing has no default here."""
        names = {field.name for field in fields(TrainConfig)}
        for key in sorted((names ^ self.config.keys()) - _ADDED):
            raise ConfigError(
                f"config.{key}: {'is missing' if key in names else 'unknown key'}", key=f"config.{key}"
            )
        return TrainConfig(**self.config)


def write_export(export: Export, path: Path) -> None:
    """Write a .toml or .json file. Raises ExportError for another suffix, for a document that would be too large
    to be read again, and where it cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise ExportError(
            f"{path}: must end in {' or '.join(SUFFIXES)}, or name a folder, without a suffix", path=path
        )
    content = export_text(export, path.suffix).encode()
    if len(content) > _MAX_BYTES:
        raise ExportError(
            f"{path}: would have {len(content):,} bytes, and an export has at most {_MAX_BYTES:,}: "
            "of its table, leave out columns of many long categories",
            path=path,
        )
    try:
        write_atomically(path, content)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})", path=path) from error


def export_text(export: Export, suffix: str) -> str:
    """Return what a .toml or .json file of an export holds."""
    content = export.model_dump(mode="json", exclude_none=True)
    return _json(content) if suffix == ".json" else tomli_w.dumps(content)


def read_export(path: Path) -> Export:
    """Return the export of a file or an exported folder. Raises ExportError naming the file and the wrong key."""
    if path.is_dir():
        path = path / DOCUMENT
    key = None
    try:
        return _parse(_read(path), path.suffix)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except ValidationError as error:
        problem, key = first_mistake(error), _first_key(error)
    except RecursionError:
        problem = "is nested too deeply"
    except ConfigError as error:
        problem, key = str(error), error.key
    except ValueError as error:
        problem = str(error)
    raise ExportError(f"{path}: {_one_line(problem)}", path=path, key=key)


def first_mistake(error: ValidationError) -> str:
    """Return the first of the mistakes in a document, with its key."""
    message = error.errors()[0]["msg"]
    return f"{_first_key(error) or 'the document'}: {message[0].lower()}{message[1:]}"


def _first_key(error: ValidationError) -> str | None:
    return ".".join(str(part) for part in error.errors()[0]["loc"]) or None


def _read(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES:,} bytes; not an export")
    return content.decode()


def _parse(text: str, suffix: str) -> Export:
    export = Export.model_validate(json.loads(text) if suffix == ".json" else tomllib.loads(text))
    export.train_config()
    return export


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _one_line(text: str) -> str:
    """Without what a file from elsewhere could do to a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
