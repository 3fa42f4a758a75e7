"""Deleting a study: from the storage, and its files where they are its own."""

from contextlib import suppress

from mlpsearch.studies.files.artifacts import artifacts_of, remove_artifacts
from mlpsearch.studies.files.file_store import FileStore
from mlpsearch.studies.record import StudyRecord, confirmation_name, expected_store, load_study, study_names
from mlpsearch.studies.storage.own_studies import own_studies


def delete_study(record: StudyRecord) -> str | None:
    """Delete a study and its confirmation from the storage, and their weights, checkpoints and artifacts.

    Returns why its files stay, in one line, where they are not in their place or belong to another, else None.
    """
    delete_confirmation(record)
    return _delete(record)


def delete_confirmation(record: StudyRecord) -> None:
    """Delete the confirmation of a study, or of another that had its name once, if there is one."""
    name = confirmation_name(record.name)
    if name in study_names(record.storage, confirmations=True):
        _delete(load_study(record.storage, name))


def _delete(record: StudyRecord) -> str | None:
    store, artifacts = expected_store(record), artifacts_of(record.storage, record.study_id)
    stays = _stays(record, store)
    with suppress(KeyError):  # it is gone already: deleted by another, or the answer got lost
        record.storage.optuna.delete_study(record.study_id)
    sharing = [study.study_name for study in own_studies(record.storage) if study.user_attrs["id"] == record.id]
    if stays is None and sharing:
        stays = f"its files stay: study {sharing[0]}, a copy of it, has them, too"
    if stays is None:
        store.files.within(record.id).clear()
        remove_artifacts(record.storage, store, artifacts)
    return stays


def _stays(record: StudyRecord, store: FileStore) -> str | None:
    stray = store.stray(record.id, record.attributes().get("beside"))
    if stray is not None:
        return f"its files stay in {stray / record.id}"
    if not store.has(record.id):
        return "its files are not where this machine looks for them"
    return store.objection(record.id)
