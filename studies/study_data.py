"""The images of a study in the storage: this machine's copy, checked to be the same."""

from pathlib import Path

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.training import TrainingData, load_training, own_copy, why_changed
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.study import StudySpec


def load_spec_data(spec: StudySpec, source: str | Path | None) -> TrainingData:
    """Return the images of a specification, split as it says; source: the path they are at, if any."""
    path = None if source is None else Path(source)
    return load_training(
        spec.dataset, path, validation=spec.validation, split_seed=spec.seed, table=spec.table_options
    )


def load_study_data(record: StudyRecord) -> TrainingData:
    """Return this machine's copy of the study's images. Raises DataError when they are not those of the study."""
    source = record.attributes()["source"]
    path = own_copy(record.spec.dataset, source["data"])
    data = load_spec_data(record.spec, path)
    if data.fingerprint != source["fingerprint"]:
        raise DataError(
            f"study {record.name}: its training images had the fingerprint {source['fingerprint'][:12]}, "
            f"those at {path or 'the cache'} have {data.fingerprint[:12]}{why_changed(record.spec.dataset, path)}",
            study=record.name,
            path=path,
        )
    return data
