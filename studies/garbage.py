"""What no study owns any more: folders and files in the place of a storage, and confirmations."""

from collections.abc import Set

from mlpsearch.studies.files.artifacts import artifact_garbage, dashboard_files
from mlpsearch.studies.files.file_store import FileStore, file_store_of
from mlpsearch.studies.storage.opening import Storage, exclusive
from mlpsearch.studies.storage.own_studies import own_studies


def collect_garbage(storage: Storage) -> tuple[int, int]:
    """Delete the folders and artifacts of studies that are gone; return how many files and bytes that freed.

    A confirmation goes with the study that it confirms, also where that was deleted without it.
    What another database made, or nobody knows who, stays: see folders_of_others.
    """
    with exclusive(storage.url):  # no study is made meanwhile
        store, studies = file_store_of(storage), own_studies(storage)
        ids = {study.user_attrs["id"] for study in studies}
        owned = {one.user_attrs["id"] for one in studies if one.user_attrs.get("confirms") in {None, *ids}}
        for study in studies:
            if study.user_attrs["id"] not in owned:
                storage.optuna.delete_study(study._study_id)
        others = _of_others(store, ids)
        folders = [store.files.within(folder) for folder in store.ids() - owned - others]
    # Who shares the place may have files there that no study here knows.
    shown, artifacts = dashboard_files(store), [] if others else artifact_garbage(storage, store)
    files = [*artifacts, *(file for folder in folders for file in folder.found())]
    for file in artifacts:
        shown.remove(file.name)
    for folder in folders:
        folder.clear()
    return len(files), sum(file.size for file in files)


def folders_of_others(storage: Storage) -> list[str]:
    """Return the folders that no study of the storage has, and of which nothing says that one had them."""
    store, ids = file_store_of(storage), {study.user_attrs["id"] for study in own_studies(storage)}
    return sorted(store.files.within(folder).where for folder in _of_others(store, ids) - ids)


def _of_others(store: FileStore, ids: Set[str]) -> set[str]:
    return {
        folder
        for folder in store.ids()
        if (store.objection(folder) if folder in ids else store.claim(folder) != "same")
    }
