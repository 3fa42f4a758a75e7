"""A study's trials as they were last read, and how little of them must be read again.

A trial that ended does not change, so it is read once. But the database may give the ids of a deleted study and of
its trials to others, and a file may be restored from a copy. So each time it is asked who the study is, how many
trials it has, how many of the known ones have ended, and when the last did. Where that is not as it was, all are
read anew.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from optuna.storages._rdb import models as optuna_tables
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, Table, and_, bindparam, func, select

from mlpsearch.studies.storage.rows import TRIALS, trials_of

_STUDIES: Table = optuna_tables.StudyModel.__table__
_STUDY_USER: Table = optuna_tables.StudyUserAttributeModel.__table__
_ENDED = [state for state in TrialState if state.is_finished()]

_WHO = (
    select(_STUDIES.c.study_name, _STUDY_USER.c.value_json)
    .outerjoin(_STUDY_USER, and_(_STUDY_USER.c.study_id == _STUDIES.c.study_id, _STUDY_USER.c.key == "id"))
    .where(_STUDIES.c.study_id == bindparam("study"))
)
_IS_KNOWN_TO_HAVE_ENDED = and_(
    TRIALS.c.trial_id <= bindparam("newest"),
    TRIALS.c.trial_id.not_in(bindparam("unfinished", expanding=True)),
    TRIALS.c.state.in_(_ENDED),
)
_TOTAL = select(func.count()).where(TRIALS.c.study_id == bindparam("study"))
_KNOWN_ENDED = select(func.count(), func.max(TRIALS.c.datetime_complete)).where(
    TRIALS.c.study_id == bindparam("study"), _IS_KNOWN_TO_HAVE_ENDED
)

_generations = count(1)


@dataclass(frozen=True, slots=True)
class Listing:
    """A study's trials by number.

    generation: another number each time that all were read anew.
    who: the study's name and id.  newest: the highest id of a trial that has ended.  ended: how many of the trials
    with ids up to that had ended, and when the last did.  unfinished: the ids of those that had not.
    """

    trials: dict[int, FrozenTrial] = field(default_factory=dict)
    generation: int = 0
    who: tuple[Any, ...] = ()
    newest: int = -1
    ended: tuple[Any, ...] = ()
    unfinished: frozenset[int] = frozenset()


def refreshed(connection: Connection, study_id: int, known: Listing) -> Listing:
    """Return a study's trials as they are now, given what was known. Raises KeyError where there is no study."""
    who = connection.execute(_WHO, {"study": study_id}).fetchone()
    if who is None:
        raise KeyError(optuna_tables.NOT_FOUND_MSG)
    if known.who == tuple(who) and known.ended == _ended(connection, study_id, known.newest, known.unfinished):
        changed = trials_of(connection, study_id, known.newest, sorted(known.unfinished))
        trials = known.trials | {trial.number: trial for trial in changed} if changed else known.trials
        if len(trials) == connection.scalar(_TOTAL, {"study": study_id}):
            return _listing(connection, study_id, tuple(who), trials, known, changed)
    everything = trials_of(connection, study_id, -1, [])
    nothing = Listing(generation=next(_generations))
    trials = {trial.number: trial for trial in everything}
    return _listing(connection, study_id, tuple(who), trials, nothing, everything)


def _listing(
    connection: Connection,
    study_id: int,
    who: tuple[Any, ...],
    trials: dict[int, FrozenTrial],
    known: Listing,
    changed: list[FrozenTrial],
) -> Listing:
    """Return the listing of these trials. changed: those among them that were read now."""
    ended_now = [trial._trial_id for trial in changed if trial.state.is_finished()]
    unfinished = known.unfinished - {*ended_now}
    unfinished |= frozenset(trial._trial_id for trial in changed if not trial.state.is_finished())
    newest = max([known.newest, *ended_now])
    ended = known.ended
    if ended_now or not ended:
        ended = _ended(connection, study_id, newest, unfinished)
    return Listing(trials, known.generation, who, newest, ended, unfinished)


def _ended(connection: Connection, study_id: int, newest: int, unfinished: frozenset[int]) -> tuple[Any, ...]:
    values = {"study": study_id, "newest": newest, "unfinished": sorted(unfinished)}
    return tuple(connection.execute(_KNOWN_ENDED, values).one())
