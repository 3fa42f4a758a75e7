"""The best points of earlier studies, as starting points of a new one."""

from collections.abc import Iterator
from itertools import chain, islice, zip_longest

from mlpsearch.models.errors import StudyError
from mlpsearch.studies.record import StudyRecord, load_study, study_names
from mlpsearch.studies.spec.messages import nearest
from mlpsearch.studies.spec.space import defaults_of
from mlpsearch.studies.spec.starting_points import MOST, StartPoint, distinct, fitted, of_study
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.storage.opening import Storage, without_password

_AT_ONCE = 20  # trials that are asked for
_LOOKED_AT = 100  # of the best trials of a study: those after them are not good any more


def transferred_points(storage: Storage, spec: StudySpec) -> list[StartPoint]:
    """Return the best points of the studies that a new one names, best first and in turns over them.

    Each study's trials are ranked by its own metric; the points fit the new study.
    Raises StudyError for a study that is not there, searches other fields, or has no finished trial that fits.
    """
    names = () if spec.transfer is None else dict.fromkeys(spec.transfer.studies)
    best = [_best_of(storage, name, spec) for name in names]
    in_turns = chain.from_iterable(zip_longest(*best))
    return distinct(point for point in in_turns if point is not None)[:MOST]


def _best_of(storage: Storage, name: str, spec: StudySpec) -> list[StartPoint]:
    known = study_names(storage)
    if name not in known:
        where = without_password(storage.url)
        others = nearest(name, [other for other in known if other != spec.name], which="there")
        raise _unusable(spec, name, f"is not in {where}{others}")
    record = load_study(storage, name)
    if differing := spec.search.keys() ^ record.spec.search.keys():
        fields = ", ".join(sorted(differing))
        raise _unusable(spec, name, f"searches other fields: only one of the two searches {fields}")
    if not record.counts.best():
        raise _unusable(spec, name, "has no finished trial")
    points = distinct(islice(_fitting(record, spec), MOST))
    if not points:
        raise _unusable(
            spec, name, "has no point that fits: its optimizer or schedule is another, or its choices are others"
        )
    return points


def _fitting(record: StudyRecord, spec: StudySpec) -> Iterator[StartPoint]:
    """Yield the points of a study's finished trials, best first, as far as they fit the new one."""
    old, seen = record.spec, 0
    common = {**defaults_of(old), **old.fixed}
    lowest = record.metric.lower_is_better
    while seen < _LOOKED_AT and (keys := record.counts.best(_AT_ONCE, after=seen, lowest=lowest)):
        seen += len(keys)
        for key in keys:
            params = record.storage.optuna.get_trial(key.trial_id).params
            point = fitted({**common, **params}, spec, of_study(record.name))
            if point is not None and params.keys() == old.search.keys():
                yield point


def _unusable(spec: StudySpec, name: str, why: str) -> StudyError:
    return StudyError(f"study {spec.name}: transfer.studies names {name!r}, which {why}", study=spec.name)
