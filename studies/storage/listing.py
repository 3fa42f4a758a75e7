"""A study's trials as they were last read, and how little of them must be read again.

A trial that ended does not change, so it is read once. But the database may give the ids of a deleted study and of
its trials to others, and a file may be restored from a copy. So each time it is asked who the study is, how many
trials it has, how many of the known ones have ended, and when the last did. Where that is not as it was, all are
read anew.
"""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

from optuna.trial import FrozenTrial

from mlpsearch.studies.storage.rows import NOT_FOUND, trials_of
from mlpsearch.studies.storage.transaction import Transaction

_WHO = (
    "SELECT study_name, value_json FROM studies LEFT JOIN study_user_attributes AS attributes"
    " ON attributes.study_id = studies.study_id AND attributes.key = 'id' WHERE studies.study_id = :study"
)
_TOTAL = "SELECT COUNT(*) FROM trials WHERE study_id = :study"
_KNOWN_ENDED = (
    "SELECT COUNT(*), MAX(datetime_complete) FROM trials WHERE study_id = :study AND trial_id <= :newest"
    " AND NOT trial_id IN :unfinished AND state IN ('COMPLETE', 'PRUNED', 'FAIL')"
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


def refreshed(connection: Transaction, study_id: int, known: Listing) -> Listing:
    """Return a study's trials as they are now, given what was known. Raises KeyError where there is no study."""
    found = connection.execute(_WHO, {"study": study_id})
    if not found:
        raise KeyError(NOT_FOUND)
    who = found[0]
    if known.who == who and known.ended == _ended(connection, study_id, known.newest, known.unfinished):
        changed = trials_of(connection, study_id, known.newest, sorted(known.unfinished))
        trials = known.trials | {trial.number: trial for trial in changed} if changed else known.trials
        if len(trials) == connection.scalar(_TOTAL, {"study": study_id}):
            return _listing(connection, study_id, who, trials, known, changed)
    everything = trials_of(connection, study_id, -1, [])
    nothing = Listing(generation=next(_generations))
    trials = {trial.number: trial for trial in everything}
    return _listing(connection, study_id, who, trials, nothing, everything)


def _listing(
    connection: Transaction,
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


def _ended(connection: Transaction, study_id: int, newest: int, unfinished: frozenset[int]) -> tuple[Any, ...]:
    values = {"study": study_id, "newest": newest, "unfinished": sorted(unfinished)}
    ended: tuple[Any, ...] = connection.execute(_KNOWN_ENDED, values)[0]
    return ended
