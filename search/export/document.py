"""The exported document: a TOML or JSON file that says all about one trained net but its weights."""

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import Field, ValidationError

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import ConfigError, ExportError
from mlpsearch.models.paths import write_atomically
from mlpsearch.models.threads import MOST_THREADS
from mlpsearch.search.export.exported_data import ExportedData
from mlpsearch.search.export.exported_figures import ExportedAccuracy, ExportedScore
from mlpsearch.search.export.fields import Digest, Part, Text

DOCUMENT = "export.toml"  # in an exported folder
SUFFIXES = (".toml", ".json")

_MAX_BYTES = 32_000_000  # a table may have thousands of columns, and each a thousand categories
# Fields of the configuration that older exports do not have, and do not use.
_ADDED = {"activation", "bins", "class_weights", "early_stopping"}


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
    metric: Literal["accuracy", "balanced-accuracy", "macro-f1", "auc", "log-loss"] = "accuracy"
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
