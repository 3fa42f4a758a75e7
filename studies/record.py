"""A study in the storage: its specification, budget, data and test results, kept in its user attributes.

spec          the specification it was made from
budget        {"trials", "seconds", "total_epochs"}: may be enlarged; the other keys of the spec may not change
id            a random name for its folder of weights and checkpoints
artifacts     the place of that folder (studies/places.py), where one was named
source        {"data": path or None, "fingerprint": of the training images}; each machine has its own path
stopped       whether workers shall leave it alone
tests         every opening of the test split, oldest first (TestReport as JSON)
ending        what is done once the search is over (search/service.py); null where nothing is, or all of it was
confirmation  what training its best trials again over fresh seeds said (Confirmation as JSON), if that was done
published     SHA-256 of the note that the dashboard was last given (search/publish.py), if it was

The runs of a confirmation are trials of a study of their own beside it, which no sampler sees. It has two more:

confirms      the id of the study that it confirms
plan          the runs that its trials do, and nothing else (PlannedRun as JSON)
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna

from models.errors import StudyError
from studies import catalog
from studies.artifacts import artifacts_of, remove_artifacts
from studies.counts import Counts
from studies.datasets import own_copy
from studies.files import Files
from studies.places import Place, own_studies, place_for
from studies.spec import Budget, StudySpec
from studies.storage import Storage, exists, open_storage, shown

PLANNED_SEED = "planned_seed"  # the attribute of a confirmation's trial that says which seed it trains with


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a confirmation: the configuration of a trial of the search, with another seed."""

    trial: int
    params: dict[str, Any]
    seed: int

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from the other runs of its confirmation."""
        return self.trial, self.seed


@dataclass(frozen=True)
class StudyRecord:
    """One study: where it is and what it is. id: of its folder."""

    storage: Storage
    study_id: int
    name: str
    spec: StudySpec
    id: str

    @property
    def url(self) -> str:
        """Where the study is."""
        return self.storage.url

    @property
    def counts(self) -> Counts:
        """Counts over its trials."""
        return Counts(self.storage, self.study_id)

    @cached_property
    def place(self) -> Place:
        """Where its files are, and those that the dashboard shows. Raises StudyError where they are not there."""
        place = _place(self)
        if not place.has(self.id):
            raise StudyError(
                f"study {self.name}: its files are not in {place.name}; "
                "name where this machine has them with --artifacts"
            )
        return place

    @property
    def files(self) -> Files:
        """Its weights and checkpoints."""
        return self.place.files.within(self.id)

    def attributes(self) -> dict[str, Any]:
        """All user attributes, read anew. Raises StudyError when the study was deleted."""
        try:
            attributes = self.storage.optuna.get_study_user_attrs(self.study_id)
        except KeyError:
            attributes = {}
        if attributes.get("id") != self.id:  # the database may give a deleted study's number to another
            raise StudyError(f"study {self.name}: was deleted from {shown(self.url)}")
        return attributes

    @contextmanager
    def noticing_deletion(self) -> Iterator[None]:
        """Turn the KeyError that work on a deleted study ends in into the StudyError that says so."""
        try:
            yield
        except KeyError:
            self.attributes()
            raise

    def set(self, key: str, value: Any) -> None:
        """Set one user attribute."""
        self.storage.optuna.set_study_user_attr(self.study_id, key, value)

    def change(self, key: str, change: Callable[[Any], Any]) -> None:
        """Set one user attribute to what `change` makes of it as it is now.

        `change` may be called again on its own result.
        """
        self.storage.backend.change_study_attr(self.study_id, key, change)

    @property
    def budget(self) -> Budget:
        """The budget as it is now, enlargements included."""
        return Budget.model_validate(self.attributes()["budget"])

    @property
    def plan(self) -> list[PlannedRun] | None:
        """The runs that its trials do, where it is a confirmation; None where they are sampled."""
        planned = self.attributes().get("plan")
        return None if planned is None else [PlannedRun(**run) for run in planned]

    def optuna_study(
        self,
        sampler: optuna.samplers.BaseSampler | None = None,
        pruner: optuna.pruners.BasePruner | None = None,
    ) -> optuna.Study:
        """Return Optuna's view of the study; sampler and pruner matter only to who runs trials with it."""
        return optuna.load_study(study_name=self.name, storage=self.storage.optuna, sampler=sampler, pruner=pruner)


def open_study(url: str, name: str) -> StudyRecord:
    """Return a study of an existing storage. Raises StudyError where there is none of that name."""
    storage = open_storage(url)
    known = study_names(storage)
    if name not in study_names(storage, confirmations=True):
        raise StudyError(f"study {name!r}: not in {shown(url)} (there: {', '.join(known) or 'none'})")
    return load_study(storage, name)


def find_spec(study: str, url: str, data: str | None) -> tuple[StudySpec, Path | None]:
    """Return the specification of a catalog name, a study file or a stored study, and where its images are.

    A name in catalog and storage means the catalog's, so that a changed catalog is noticed.
    data: the path of the images, if the user gave one.
    """
    record = None
    if exists(url) and study in study_names(storage := open_storage(url)):
        record = load_study(storage, study)
    spec = record.spec if record and study not in catalog.names() else catalog.find(study, data)
    known = record.attributes()["source"]["data"] if record else None
    path = Path(data) if data else own_copy(spec.dataset, spec.data or known)
    if path is None and spec.data and record is None:
        path = Path(spec.data)  # what the file says must be there; what a study remembers may be another machine's
    return spec, None if path is None else path.absolute()


def confirmation_of(record: StudyRecord) -> StudyRecord | None:
    """Return the study that holds the runs of a study's confirmation, if there is one."""
    name = confirmation_name(record.name)
    if name not in study_names(record.storage, confirmations=True):
        return None
    found = load_study(record.storage, name)
    return found if found.attributes()["confirms"] == record.id else None


def study_names(storage: Storage, *, confirmations: bool = False) -> list[str]:
    """Names of the storage's studies that mlpsearch made, sorted; those of confirmations only where asked for."""
    return sorted(
        study.study_name for study in own_studies(storage) if confirmations or "plan" not in study.user_attrs
    )


def delete_study(record: StudyRecord) -> bool:
    """Delete a study and its confirmation from the storage, and their weights, checkpoints and artifacts.

    Returns False where the files were not in their place; `mlpsearch gc` removes them on a machine where they are.
    """
    there = _place(record).has(record.id)
    delete_confirmation(record)
    _delete(record)
    return there


def delete_confirmation(record: StudyRecord) -> None:
    """Delete the confirmation of a study, or of another that had its name once, if there is one."""
    name = confirmation_name(record.name)
    if name in study_names(record.storage, confirmations=True):
        _delete(load_study(record.storage, name))


def _delete(record: StudyRecord) -> None:
    place, artifacts = _place(record), artifacts_of(record.storage, record.study_id)
    with suppress(KeyError):  # it is gone already: deleted by another, or the answer got lost
        record.storage.optuna.delete_study(record.study_id)
    place.files.within(record.id).clear()
    remove_artifacts(record.storage, place, artifacts)


def _place(record: StudyRecord) -> Place:
    return place_for(record.url, record.attributes().get("artifacts"))


def confirmation_name(study: str) -> str:
    """Return the name of the study that holds the runs of a study's confirmation."""
    return f"{study} (confirmation)"  # no study file may have such a name


def load_study(storage: Storage, name: str) -> StudyRecord:
    """Return one of study_names."""
    study_id = storage.optuna.get_study_id_from_name(name)
    attributes = storage.optuna.get_study_user_attrs(study_id)
    spec = StudySpec.from_json(attributes["spec"])
    return StudyRecord(storage, study_id, name, spec, attributes["id"])
