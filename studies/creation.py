"""How studies come about in the storage: new, enlarged, and those that hold the runs of a confirmation."""

import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from optuna.exceptions import DuplicatedStudyError
from optuna.study import StudyDirection

from mlpsearch.models.errors import StudyError
from mlpsearch.models.scores import METRICS, Metric
from mlpsearch.studies.deletion import delete_confirmation
from mlpsearch.studies.files.file_store import FileStore, file_store_of
from mlpsearch.studies.record import (
    PlannedRun,
    StudyRecord,
    confirmation_name,
    confirmation_of,
    load_study,
    study_names,
)
from mlpsearch.studies.spec.keys import LEARNT, Budget
from mlpsearch.studies.spec.reading import differences
from mlpsearch.studies.spec.starting_points import (
    Kind,
    StartPoint,
    distinct,
    given_points,
    learnt_points,
    moved,
    summary,
)
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import Storage, exclusive, open_storage, without_password
from mlpsearch.studies.storage.ownership import MARKED
from mlpsearch.studies.transfer import transferred_points

_SHOWN_CHANGES = 10  # of a specification, in one message


def _nobody_listens(_: str) -> None:
    pass


def create_or_resume(
    url: str,
    spec: StudySpec,
    *,
    trials: int | None,
    source: dict[str, Any],
    kind: Kind | None = None,
    only_new: bool = False,
    tell: Callable[[str], None] = _nobody_listens,
) -> StudyRecord:
    """Return the study of this specification, making it where there is none.

    trials: how many trials it shall have in all; None for what the specification and earlier runs say.
    source: where its data are and their fingerprint.
    kind: of these, which decides what learnt points are for it; None: what its file says.
    only_new: refuse a study that is there, whoever made it and however short a time ago.
    tell: is told what a new study tries first.
    Raises StudyError where a study of this name is there and only a new one is asked for, where it has another
    specification or other data, or more trials begun, and where a study whose points a new one shall take over is
    of no use.
    """
    storage = open_storage(url, create=True)
    with exclusive(url):
        is_new = spec.name not in study_names(storage)
        if only_new and not is_new:
            raise StudyError(
                f"study {spec.name}: is there already, and stays as it is; another name makes another one",
                study=spec.name,
            )
        if is_new:
            store = file_store_of(storage)
            kind = kind or ("images" if spec.table_options is None else "table")
            starts = {"starts": [asdict(point) for point in _starts(storage, spec, kind, tell)]}
            _create(storage, spec.name, spec, source, store, _whereabouts(store) | starts)
        record = load_study(storage, spec.name)
        _refuse_drift(record, spec, source)
        record.claim_files()
        _enlarge(record, spec, trials)
        own = {"confirm": spec.confirm, "test": spec.test}  # the test: where its rows are by now
        if own != {key: getattr(record.spec, key) for key in own}:
            record.set("spec", record.spec.model_copy(update=own).to_json())
            record = load_study(storage, spec.name)
        if record.attributes()["source"] != source:  # the same images at a new place
            record.set("source", source)
    return record


def _starts(storage: Storage, spec: StudySpec, kind: Kind, tell: Callable[[str], None]) -> list[StartPoint]:
    """What a new study tries first: the points of its file, of earlier studies, and those that were learnt."""
    learnt, unfit = learnt_points(spec, kind)
    given = given_points(spec)
    points = given + distinct([*transferred_points(storage, spec), *learnt], beside=given)
    if spec.start != LEARNT and spec.transfer is None:
        return points
    why = f"; left out, for choices that the study does not have: {unfit} learnt" if unfit else ""
    if spec.start == LEARNT and not learnt:
        why = "; no learnt point fits the study"
    tell(f"{spec.name}: tried first: {summary(points) or 'nothing'}{moved(points)}{why}")
    return points


def plan_confirmation(record: StudyRecord, runs: list[PlannedRun]) -> StudyRecord:
    """Return the study of a confirmation, made where there is none, with these runs to do and no others.

    Runs that were asked for before and are done stay in it.
    """
    with exclusive(record.url):
        record.claim_files()
        confirmation = confirmation_of(record)
        if confirmation is None:
            delete_confirmation(record)  # of a study that had the same name once
            attributes, name = record.attributes(), confirmation_name(record.name)
            more = {key: value for key, value in attributes.items() if key in ("artifacts", "beside")}
            more |= {"confirms": record.id, "plan": []}
            _create(record.storage, name, record.spec, attributes["source"], record.file_store, more)
            confirmation = load_study(record.storage, name)
        elif _follow(confirmation, record):
            confirmation = load_study(record.storage, confirmation.name)
        if confirmation.plan != runs:
            budget = Budget(trials=max(1, len(runs)), epochs=record.spec.budget.epochs)
            confirmation.set("budget", budget.model_dump())
            confirmation.set("plan", [asdict(run) for run in runs])
    return confirmation


def _follow(confirmation: StudyRecord, record: StudyRecord) -> bool:
    """Have a confirmation look for the data where its study does by now; whether anything changed."""
    now, kept = record.attributes(), confirmation.attributes()
    changed = [key for key in ("source", "spec") if kept[key] != now[key]]
    for key in changed:
        confirmation.set(key, now[key])
    return bool(changed)


def _create(
    storage: Storage, name: str, spec: StudySpec, source: dict[str, Any], store: FileStore, more: dict[str, Any]
) -> None:
    metric = METRICS[spec.metric]
    study_id = _empty_study(storage, name, metric)
    storage.optuna.set_study_system_attr(study_id, "study:metric_names", [f"validation {metric.title}"])
    for key, value in (
        ("budget", _budget_json(spec.budget)),
        ("source", source),
        ("stopped", False),
        ("tests", []),
        (MARKED, True),
        *more.items(),
        ("spec", spec.to_json()),
    ):
        storage.optuna.set_study_user_attr(study_id, key, value)
    uid = uuid.uuid4().hex
    store.mark(uid, name)
    # Last: a study without it was left unfinished by a crash, see is_ours.
    storage.optuna.set_study_user_attr(study_id, "id", uid)


def _whereabouts(store: FileStore) -> dict[str, Any]:
    return {"artifacts": store.name} if store.name else {"beside": store.files.where}


def _empty_study(storage: Storage, name: str, metric: Metric) -> int:
    """A new study, or the one of this name if it has no trial: its making was cut off."""
    direction = StudyDirection.MINIMIZE if metric.lower_is_better else StudyDirection.MAXIMIZE
    for study in storage.optuna.get_all_studies():
        if study.study_name == name:
            study_id = study._study_id
            if storage.optuna.get_n_trials(study_id) or study.directions != [direction]:
                raise StudyError(
                    f"study {name!r}: the storage has one that mlpsearch did not make; rename yours", study=name
                )
            return study_id
    try:
        return storage.optuna.create_new_study([direction], name)
    except DuplicatedStudyError:  # it was made, but the answer got lost
        return storage.optuna.get_study_id_from_name(name)


def _refuse_drift(record: StudyRecord, spec: StudySpec, source: dict[str, Any]) -> None:
    changes = differences(record.spec, spec)
    kept = record.attributes()["source"]["fingerprint"]
    if kept != source["fingerprint"]:
        changes.append(f"training images: {kept[:12]} → {source['fingerprint'][:12]}")
    if len(changes) > _SHOWN_CHANGES:
        changes[_SHOWN_CHANGES:] = [f"and {len(changes) - _SHOWN_CHANGES} more"]
    if changes:
        raise StudyError(
            f"study {spec.name!r} in {without_password(record.url)} was made from another specification "
            f"({'; '.join(changes)}); give yours a new name, or go on with the old one",
            study=spec.name,
            url=without_password(record.url),
        )


def _enlarge(record: StudyRecord, spec: StudySpec, trials: int | None) -> None:
    now, begun = record.budget, record.counts.begun()
    if trials is not None and trials < min(begun, now.trials):
        raise StudyError(
            f"study {record.name}: --trials {trials} is less than it has begun; it can end with {begun} trials",
            study=record.name,
        )
    wanted = spec.budget.model_copy(update={"trials": trials or max(spec.budget.trials, now.trials)})
    if wanted != now:
        record.set("budget", _budget_json(wanted))


def _budget_json(budget: Budget) -> dict[str, Any]:
    return budget.model_dump(mode="json")
