"""The data of a study: where they are, this machine's copy, checked to be the same."""

from pathlib import Path
from typing import Any

from mlpsearch.models.errors import DataError
from mlpsearch.models.paths import expanded
from mlpsearch.models.scores import METRICS
from mlpsearch.studies.data.training import TrainingData, load_training, own_copy, why_changed
from mlpsearch.studies.record import StudyRecord, load_study, study_names
from mlpsearch.studies.spec import catalog
from mlpsearch.studies.spec.consistency import misfits
from mlpsearch.studies.spec.messages import spec_error
from mlpsearch.studies.spec.starting_points import Kind, kind_of
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import exists, open_storage


def load_spec_data(spec: StudySpec, source: str | Path | None) -> TrainingData:
    """Return the images of a specification, split as it says; source: the path they are at, if any.

    Raises SpecError for values that its kind of data cannot have, DataError where its metric is not defined on
    the validation split.
    """
    path = None if source is None else Path(source)
    data = load_training(
        spec.dataset,
        path,
        validation=spec.validation,
        split_seed=spec.seed,
        options=spec.data_options,
        folds=spec.folds,
    )
    if wrong := [*misfits(spec, is_table=data.table is not None)]:  # of arrays, nobody could say that before
        raise spec_error(f"{spec.name}, on {path}", wrong)
    for part in [data] if spec.folds is None else [data.fold(fold) for fold in range(spec.folds)]:
        _refuse_undefined(spec, part, path)
    return data


def _refuse_undefined(spec: StudySpec, data: TrainingData, path: Path | None) -> None:
    labels = data.validation.labels[data.validation.rows]
    if METRICS[spec.metric].is_defined(labels):
        return
    where, way = (
        ("for validation", "a larger validation split") if spec.folds is None else ("in a fold", "fewer folds")
    )
    raise DataError(
        f"study {spec.name}: metric = '{spec.metric}' needs two classes to tell apart, and {where} "
        f"there is only {data.classes[labels[0]]!r}; choose another metric, or {way}",
        study=spec.name,
        key="metric",
        path=path,
    )


def load_study_data(record: StudyRecord) -> TrainingData:
    """Return this machine's copy of the study's images. Raises DataError when they are not those of the study."""
    source = record.attributes()["source"]
    path = own_copy(record.spec.dataset, source["data"])
    data = load_spec_data(record.spec, path)
    if data.fingerprint != source["fingerprint"]:
        why = why_changed(record.spec.dataset, path, record.spec.data_options)
        what = "images" if data.table is None else "rows"
        raise DataError(
            f"study {record.name}: its training {what} had the fingerprint {source['fingerprint'][:12]}, "
            f"those at {path or 'the cache'} have {data.fingerprint[:12]}{why}",
            study=record.name,
            path=path,
        )
    return data


def find_spec(study: str, url: str, data: str | None) -> tuple[StudySpec, Path | None]:
    """Return the specification of a catalog name, a study file or a stored study, and where its images are.

    A name in catalog and storage means the catalog's, so that a changed catalog is noticed.
    data: the path of the images, if the user gave one.
    """
    storage = open_storage(url) if exists(url) else None
    stored = study_names(storage) if storage else []
    record = load_study(storage, study) if storage and study in stored else None
    spec = record.spec if record and study not in catalog.names() else catalog.find(study, data, stored=stored)
    if record is None and not data:
        return spec, path_of_data(spec)
    known = record.attributes()["source"]["data"] if record else None
    path = expanded(data) if data else own_copy(spec.dataset, spec.data or known)
    return spec, None if path is None else path.absolute()


def path_of_data(spec: StudySpec) -> Path | None:
    """Return where the images of a specification are that no study was made from yet; None for the cache's.

    What the file says must be there; what a study remembers may be another machine's.
    """
    path = own_copy(spec.dataset, spec.data)
    path = Path(spec.data) if path is None and spec.data else path
    return None if path is None else path.absolute()


def kind_of_data(data: TrainingData) -> Kind:
    """Return for which kind of data starting points were learnt that suit these."""
    return kind_of(len(data.training) + len(data.validation), is_table=data.table is not None)


def source_of(data: TrainingData, path: Path | None) -> dict[str, Any]:
    """Return what a study keeps of its images, which are at this path."""
    source: dict[str, Any] = {"data": None if path is None else str(path), "fingerprint": data.fingerprint}
    if data.validation_folder is not None or data.table is not None or data.folds is not None:
        source["validation"] = {"folder": data.validation_folder, "images": len(data.validation)}
    return source
