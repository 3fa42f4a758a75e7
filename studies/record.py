"""A study in the storage: its specification, budget, data and test results, kept in its user attributes.

spec          the specification it was made from
budget        {"trials", "seconds", "total_epochs", "patience"}: may be enlarged; the other keys of the spec may
              not change
id            a random name for its folder of weights and checkpoints
artifacts     the place of that folder (studies/files/file_store.py), where one was named
beside        else the folder that it is in, beside the SQLite file as the study was made or last gone on with
source        {"data": path or None, "fingerprint": of the training images}; each machine has its own path; where
              the data set has a validation split of its own, is a table or has folds, also "validation":
              {"folder": name, "images": number, of the first fold where there are folds}
stopped       whether workers shall leave it alone
resumed_at    how many trials it had when somebody last went on with it: what failed before does not count any more
tests         every opening of the test split, oldest first (TestReport as JSON)
              with which images were right in system attributes beside (search/results/hits.py)
starts        what it tries first, settled when it was made (StartPoint as JSON, studies/spec/starting_points.py);
              missing where an earlier version made it: then the points that its specification gives
ending        what is done once the search is over (search/service.py); null where nothing is, or all of it was
confirmation  what training its best trials again over fresh seeds said (Confirmation as JSON), if that was done
marked        whether workers mark its trials as its own (studies/storage/ownership.py); earlier versions did not
told          the ends of it of which people were told (search/notices/told.py), if anybody asked for that
published     SHA-256 of the note that the dashboard was last given (search/dashboard/publish.py), if it was

The runs of a confirmation are trials of a study of their own beside it, which no sampler sees. It has two more:

confirms      the id of the study that it confirms
plan          the runs that its trials do, and nothing else (PlannedRun as JSON)
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from mlpsearch.models.errors import StorageError, StudyError
from mlpsearch.models.scores import METRICS, Metric
from mlpsearch.studies.files.base import Files
from mlpsearch.studies.files.file_store import FileStore, file_store_for
from mlpsearch.studies.hints import TESTING, command, untested
from mlpsearch.studies.spec.keys import VALIDATION, Budget
from mlpsearch.studies.spec.messages import nearest
from mlpsearch.studies.spec.starting_points import StartPoint, given_points
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.counts import Counts
from mlpsearch.studies.storage.opening import Storage, open_storage, without_password
from mlpsearch.studies.storage.own_studies import own_studies
from mlpsearch.studies.storage.ownership import MARKED, Ownership

_CONFIRMATION = " (confirmation)"  # no study file may have a name that ends so
# Attributes of a confirmation's trial: the trial of the search that it confirms, the seed that it trains with and,
# of a study with folds, the fold that is its validation.
OF_TRIAL, PLANNED_SEED, PLANNED_FOLD = "of_trial", "planned_seed", "planned_fold"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of a confirmation: the configuration of a trial of the search, with another seed.

    fold: of a study with folds, which is its validation, from 0.
    """

    trial: int
    params: dict[str, Any]
    seed: int
    fold: int | None = None

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from the other runs of its confirmation."""
        return self.trial, self.seed


@dataclass(frozen=True)
class StudyRecord:
    """One study: where it is and what it is.

    id: of its folder.  own: tells its own trials from others.  starts: what it tries first, in this order.
    """

    storage: Storage
    study_id: int
    name: str
    spec: StudySpec
    id: str
    own: Ownership
    starts: list[StartPoint] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The URL of its storage, with the password, if it has one: print `without_password(url)`."""
        return self.storage.url

    def command(self, verb: str, *options: str) -> str:
        """Return the command that does something with the study, for a message; none asks for a test anew."""
        closed = untested(self.attributes()) if verb in TESTING and self.spec.has_test else []
        return command(self.url, verb, self.name, *options, *closed)

    @property
    def metric(self) -> Metric:
        """What its trials are ranked by, and its runs where it is a confirmation."""
        return METRICS[self.spec.metric]

    @property
    def counts(self) -> Counts:
        """Counts over its own trials."""
        return Counts(self.storage, self.study_id, self.own)

    @cached_property
    def file_store(self) -> FileStore:
        """Where its files are, and those that the dashboard shows. Raises StudyError where they are not there."""
        store = expected_store(self)
        stray = store.stray(self.id, self.attributes().get("beside"))
        if stray is not None:
            raise StudyError(f"study {self.name}: {_stayed(store, stray)}", study=self.name)
        if not store.has(self.id):
            raise StudyError(
                f"study {self.name}: its files are not in {store.name}; "
                "name where this machine has them with --artifacts",
                study=self.name,
                path=store.name,
            )
        return store

    @property
    def files(self) -> Files:
        """Its weights and checkpoints, in the folder of its id. Raises StudyError where they are not there."""
        return self.file_store.files.within(self.id)

    def claim_files(self) -> None:
        """Mark the files as this storage's, if this machine has them: for who goes on with the study.

        Raises StudyError where they belong to another, as those of the original do in a copied database.
        """
        try:
            if not expected_store(self).has(self.id):
                return
            store = self.file_store
            whose = store.claim(self.id)
            if whose in ("own", "unmarked"):
                store.mark(self.id, self.name)
        except StorageError:  # a store that fails is told of by who reads or writes there
            return
        if whose == "another":
            raise StudyError(
                f"study {self.name}: its files in {store.files.where} belong to the database "
                f"{store.owner(self.id)}, of which {without_password(self.url)} seems to be a copy; "
                "copy the files, too, and name the new place with --artifacts",
                study=self.name,
                path=store.files.where,
            )
        if store.name is None and self.attributes().get("beside") != store.files.where:
            self.set("beside", store.files.where)

    def attributes(self) -> dict[str, Any]:
        """All user attributes, read anew. Raises StudyError when the study was deleted."""
        try:
            attributes = self.storage.optuna.get_study_user_attrs(self.study_id)
        except KeyError:
            attributes = {}
        if attributes.get("id") != self.id:  # the database may give a deleted study's number to another
            url = without_password(self.url)
            raise StudyError(f"study {self.name}: was deleted from {url}", study=self.name, url=url)
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
        """Set one user attribute to a JSON value, whatever it was."""
        self.storage.optuna.set_study_user_attr(self.study_id, key, value)

    def change(self, key: str, change: Callable[[Any], Any], missing: Any = None) -> None:
        """Set one user attribute to what `change` makes of it as it is now, in one transaction.

        `change` may be called again on its own result.  missing: what it gets where there is no such attribute.
        """
        self.storage.optuna.change_study_attr(self.study_id, key, change, missing)

    def reopen(self) -> None:
        """Let workers work on it (again): the reason why its last trials failed may be mended."""
        trials = self.storage.optuna.get_n_trials(self.study_id)  # those of others too: it is a number
        self.set("resumed_at", trials)
        self.set("stopped", False)

    @property
    def resumed_at(self) -> int:
        """How many trials it had when somebody last went on with it."""
        return int(self.attributes().get("resumed_at", 0))

    @property
    def budget(self) -> Budget:
        """The budget as it is now, enlargements included."""
        return Budget.model_validate(self.attributes()["budget"])

    def validation_split(self) -> tuple[int, str | None]:
        """How many validation images there are, and their folder; None where they are split off train.

        With folds, those of the first.
        """
        own = self.attributes()["source"].get("validation")
        return (own["images"], own["folder"]) if own else (int(self.spec.validation or VALIDATION), None)

    @property
    def plan(self) -> list[PlannedRun] | None:
        """The runs that its trials do, where it is a confirmation; None where they are sampled."""
        planned = self.attributes().get("plan")
        return None if planned is None else [PlannedRun(**run) for run in planned]

    def own_trials(self) -> list[FrozenTrial]:
        """Return its own trials, by number: those that somebody added with Optuna itself are not among them."""
        trials = self.storage.optuna.get_all_trials(self.study_id, deepcopy=False)
        return [trial for trial in trials if self.own.has(trial)]

    def optuna_study(
        self,
        sampler: optuna.samplers.BaseSampler | None = None,
        pruner: optuna.pruners.BasePruner | None = None,
    ) -> optuna.Study:
        """Return Optuna's view of the study with all trials.

        sampler, pruner: they matter only to who runs trials with it.
        """
        return optuna.load_study(study_name=self.name, storage=self.storage.optuna, sampler=sampler, pruner=pruner)


def open_study(url: str, name: str, *, read_only: bool = False) -> StudyRecord:
    """Return a study of an existing storage. Raises StudyError where there is none of that name."""
    storage = open_storage(url, read_only=read_only)
    known = study_names(storage)
    if name not in study_names(storage, confirmations=True):
        url = without_password(url)
        raise StudyError(f"study {name!r}: not in {url}{nearest(name, known, which='there')}", study=name, url=url)
    return load_study(storage, name)


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


def _stayed(store: FileStore, stray: Path) -> str:
    home = stray.with_suffix("")  # the database whose folder it is, unless an older version named that
    if home.exists():
        return f"its files are beside {home}, in {stray}; copy that to {store.files.where} if this is a copy, too"
    return f"its files are in {stray}; rename that to {store.files.where}, or name it with --artifacts"


def expected_store(record: StudyRecord) -> FileStore:
    """Return where this machine looks for a study's files; whether they are there is another question."""

    def ids() -> set[str]:
        return {study.user_attrs["id"] for study in own_studies(record.storage)}

    return file_store_for(record.url, record.attributes().get("artifacts"), ids)


def confirmation_name(study: str) -> str:
    """Return the name of the study that holds the runs of a study's confirmation."""
    return f"{study}{_CONFIRMATION}"


def searched_name(study: str) -> str:
    """Return the name of the study that a study confirms, or its own."""
    return study.removesuffix(_CONFIRMATION)


def load_study(storage: Storage, name: str) -> StudyRecord:
    """Return a study of an open storage; name: one of study_names, or of a confirmation."""
    study_id = storage.optuna.get_study_id_from_name(name)
    attributes = storage.optuna.get_study_user_attrs(study_id)
    spec = StudySpec.from_json(attributes["spec"])
    own = Ownership(attributes["id"], bool(attributes.get(MARKED)))
    kept = attributes.get("starts")
    starts = given_points(spec) if kept is None else [StartPoint(**point) for point in kept]
    return StudyRecord(storage, study_id, name, spec, attributes["id"], own, starts)
