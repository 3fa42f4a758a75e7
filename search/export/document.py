"""The exported document: a TOML or JSON file that says all about a trained net, or several, but their weights."""

import json
import math
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import ConfigError, ExportError
from mlpsearch.models.paths import write_atomically
from mlpsearch.models.threads import MOST_THREADS
from mlpsearch.search.export.exported_data import ExportedData, ExportedDataSet
from mlpsearch.search.export.exported_figures import (
    ExportedAccuracy,
    ExportedAverage,
    ExportedScore,
    ExportedSelection,
)
from mlpsearch.search.export.fields import Digest, MetricName, Part, Share, Text

DOCUMENT = "export.toml"  # in an exported folder
SUFFIXES = (".toml", ".json")

MOST_MEMBERS = 1_000
_MAX_BYTES = 32_000_000  # a table may have thousands of columns, and each a thousand categories
# Fields of the configuration that older exports do not have, and do not use.
_ADDED = {"activation", "bins", "class_weights", "early_stopping", "shift_averaging"}
_ROUNDING = 1e-6  # of weights that add up to 1


class Export(Part):
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
    study: Text
    taken: Text | None = None
    trial: int = Field(ge=0)
    run: int | None = Field(default=None, ge=0)
    origin: Text | None = None
    net: Literal["numpy", "torch"]
    threads: int = Field(ge=1, le=MOST_THREADS)
    compiled_steps: bool = False
    command: Text
    weights_digest: Digest | None = None
    config: dict[str, Any]
    data: ExportedData
    accuracy: ExportedAccuracy
    metric: MetricName = "accuracy"
    score: ExportedScore | None = None
    versions: dict[Text, Text]

    def train_config(self) -> TrainConfig:
        """Return the configuration, checked. Raises ConfigError; a field that is missing has no default here."""
        names = {field.name for field in fields(TrainConfig)}
        for key in sorted((names ^ self.config.keys()) - _ADDED):
            raise ConfigError(
                f"config.{key}: {'is missing' if key in names else 'unknown key'}", key=f"config.{key}"
            )
        return TrainConfig(**self.config)

    def nets(self) -> "list[Export]":
        """Return the export of each of its nets: itself."""
        return [self]

    def weights(self) -> list[float]:
        """Return the weight of each of its nets in the average."""
        return [1.0]


class ExportedMember(Part):
    """One net of an ensemble; keys that Export has mean the same.

    weight: of its probabilities in the average.  fold: of a study with folds, which is its validation, from 0.
    validation, test: its own accuracies; the second None where it was not tested.
    validation_score, test_score: by the study's metric, where that is another than accuracy.
    """

    trial: int = Field(ge=0)
    run: int = Field(ge=0)
    origin: Text | None = None
    weight: float = Field(gt=0, le=1)
    fold: int | None = Field(default=None, ge=0)
    validation: Share
    validation_score: float | None = None
    test: Share | None = None
    test_score: float | None = None
    threads: int = Field(ge=1, le=MOST_THREADS)
    compiled_steps: bool = False
    weights_digest: Digest
    config: dict[str, Any]


class EnsembleExport(Part):
    """Several trained nets whose probabilities are averaged, but for their weights; keys of Export mean the same.

    ensemble: how they were chosen: all reported nets of the confirmed winner, or by greedy selection from the nets
        of all confirmed candidates.
    average: what they reach together.  selection: of a greedy one, what the choice is worth.
    members: the nets; their arrays have the number of their place, from 0, before their names.
    """

    format: Literal[4] = 4
    study: Text
    taken: Text
    net: Literal["numpy", "torch"]
    command: Text
    ensemble: Literal["winner", "greedy"]
    metric: MetricName
    data: ExportedDataSet
    average: ExportedAverage
    selection: ExportedSelection | None = None
    members: list[ExportedMember] = Field(min_length=1, max_length=MOST_MEMBERS)
    versions: dict[Text, Text]

    @model_validator(mode="after")
    def _members_fit(self) -> Self:
        if abs(math.fsum(self.weights()) - 1) > _ROUNDING:
            raise PydanticCustomError("weights", "weights of the members must add up to 1")
        if any((one.fold is None) != (self.data.folds is None) for one in self.members) or any(
            (one.fold or 0) >= (self.data.folds or 1) for one in self.members
        ):
            raise PydanticCustomError("fold", "fold of each member must be below folds")
        return self

    def nets(self) -> list[Export]:
        """Return the export of each of its nets, in the order of the members."""
        return [self._net(member) for member in self.members]

    def weights(self) -> list[float]:
        """Return the weight of each of its nets in the average."""
        return [member.weight for member in self.members]

    def _net(self, member: ExportedMember) -> Export:
        by_metric = None
        if member.validation_score is not None:
            by_metric = ExportedScore(validation=member.validation_score, this_net_on_test=member.test_score)
        return Export(
            study=self.study,
            trial=member.trial,
            run=member.run,
            origin=member.origin,
            net=self.net,
            threads=member.threads,
            compiled_steps=member.compiled_steps,
            command=self.command,
            weights_digest=member.weights_digest,
            config=member.config,
            data=ExportedData(**dict(self.data), fold=member.fold),
            accuracy=ExportedAccuracy(validation=member.validation, this_net_on_test=member.test),
            metric=self.metric,
            score=by_metric,
            versions=self.versions,
        )


AnyExport = Export | EnsembleExport


def write_export(export: AnyExport, path: Path) -> None:
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


def export_text(export: AnyExport, suffix: str) -> str:
    """Return what a .toml or .json file of an export holds."""
    content = export.model_dump(mode="json", exclude_none=True)
    return _json(content) if suffix == ".json" else tomli_w.dumps(content)


def read_export(path: Path) -> AnyExport:
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


def _parse(text: str, suffix: str) -> AnyExport:
    content = json.loads(text) if suffix == ".json" else tomllib.loads(text)
    if not (isinstance(content, dict) and content.get("format") == 4):
        export = Export.model_validate(content)
        export.train_config()
        return export
    ensemble = EnsembleExport.model_validate(content)
    for place, net in enumerate(ensemble.nets()):
        try:
            net.train_config()
        except ConfigError as error:
            raise ConfigError(f"members.{place}: {error}", key=f"members.{place}.{error.key}") from error
    return ensemble


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _one_line(text: str) -> str:
    """Without what a file from elsewhere could do to a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
