"""A configuration to take away: one TOML file with all that training it again needs."""

import importlib.metadata
import platform
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models import build_net
from models.config import TrainConfig
from models.errors import ConfigError, DataError, ExportError
from models.files import write_atomically
from models.preprocessing import PixelStatistics
from models.threads import use_threads
from models.training import EpochResult, train
from search.finalize import Winner, last_report
from studies.datasets import load_training
from studies.record import StudyRecord

_MAX_BYTES = 1_000_000
_PACKAGES = ("mlpsearch", "numpy", "optuna", "pillow", "scikit-learn", "torch", "torchvision")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ExportedData(_Table):
    """The images: where they were, how they were split, and their fingerprint."""

    dataset: str
    source: str | None = None
    validation: int = Field(ge=1)
    split_seed: int = Field(ge=0)
    fingerprint: str
    classes: list[str] = Field(min_length=2)
    shape: list[int] = Field(min_length=3, max_length=3)


class ExportedAccuracy(_Table):
    """Accuracies, 0 to 1; the test part is there once the trial was tested."""

    validation: float
    test: float | None = None
    test_interval: list[float] | None = None
    test_images: int | None = None
    test_opening: int | None = None
    confusion: list[list[int]] | None = None


class Export(_Table):
    """The best trial of a study, as the file has it."""

    format: Literal[1] = 1
    study: str
    trial: int
    net: Literal["numpy", "torch"]
    threads: int = Field(ge=1)
    config: dict[str, Any]
    data: ExportedData
    accuracy: ExportedAccuracy
    versions: dict[str, str]

    def train_config(self) -> TrainConfig:
        """Return the configuration, checked. Raises ConfigError; a field that is missing has no default here."""
        names = {field.name for field in fields(TrainConfig)}
        for key in sorted(names ^ self.config.keys()):
            raise ConfigError(f"config.{key}: {'is missing' if key in names else 'unknown key'}")
        return TrainConfig(**self.config)


def export_winner(record: StudyRecord, winner: Winner) -> Export:
    """Return the export of a study's best trial."""
    report = last_report(record)
    accuracy = ExportedAccuracy(validation=winner.validation_accuracy)
    if report is not None and report.trial == winner.trial:
        accuracy = ExportedAccuracy(
            validation=winner.validation_accuracy,
            test=report.accuracy,
            test_interval=list(report.interval),
            test_images=report.images,
            test_opening=report.opening,
            confusion=report.confusion,
        )
    return Export(
        study=record.name,
        trial=winner.trial,
        net=record.spec.net,
        threads=winner.threads,
        config=asdict(winner.config),
        data=ExportedData(
            dataset=record.spec.dataset,
            source=record.attributes()["source"]["data"],
            validation=record.spec.validation,
            split_seed=record.spec.seed,
            fingerprint=winner.data.fingerprint,
            classes=list(winner.data.classes),
            shape=list(winner.data.shape),
        ),
        accuracy=accuracy,
        versions=_versions(),
    )


def write_export(export: Export, path: Path) -> None:
    """Write the TOML file."""
    try:
        write_atomically(path, tomli_w.dumps(export.model_dump(exclude_none=True)).encode())
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})") from error


def write_weights(winner: Winner, path: Path) -> None:
    """Write the winner's weights as a safetensors file of the same names as in the study."""
    try:
        write_atomically(path, winner.weights.read_bytes())
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})") from error


def read_export(path: Path) -> Export:
    """Return a file's export. Raises ExportError naming the file and the key that is wrong."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ExportError(f"{path}: larger than {_MAX_BYTES:,} bytes; not an export")
        export = Export.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        export.train_config()
    except OSError as error:
        raise ExportError(f"{path}: cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ExportError(f"{path}: {key}: {first['msg'][0].lower()}{first['msg'][1:]}") from error
    except RecursionError as error:
        raise ExportError(f"{path}: is nested too deeply") from error
    except (ConfigError, ValueError) as error:
        raise ExportError(f"{path}: {error}") from error
    return export


def train_export(export: Export, data: str | None) -> Iterator[EpochResult]:
    """Train the exported configuration again, as its trial was; yield its epochs.

    data: where the images are, if not where they were. Raises DataError when they are not the same images.
    """
    use_threads(export.threads)
    source = data or export.data.source
    images = load_training(
        export.data.dataset,
        None if source is None else Path(source),
        validation=export.data.validation,
        split_seed=export.data.split_seed,
    )
    if images.fingerprint != export.data.fingerprint:
        raise DataError(
            f"training images at {source or 'the cache'}: their fingerprint is {images.fingerprint[:12]}, "
            f"the export's {export.data.fingerprint[:12]}; name the right ones with --data"
        )
    config = export.train_config()
    net = build_net(export.net, inputs=images.training.inputs, classes=len(images.classes), config=config)
    preprocessing = PixelStatistics(images.training).preprocessing(config.preprocessing)
    yield from train(net, images.training, images.validation, config, preprocessing)


def _versions() -> dict[str, str]:
    versions = {package: importlib.metadata.version(package) for package in _PACKAGES}
    return {"python": platform.python_version(), **versions}
