"""Studies in Optuna's tables, in plain SQL: made, described, deleted, within a transaction."""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from optuna.exceptions import DuplicatedStudyError
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy

from mlpsearch.studies.storage.rows import COLUMNS, NOT_FOUND
from mlpsearch.studies.storage.transaction import Transaction

USER, SYSTEM = "study_user_attributes", "study_system_attributes"

_NAMES = "SELECT study_id, study_name FROM studies ORDER BY study_id"
_ID = "SELECT study_id FROM studies WHERE study_name = :name"
_NAME = "SELECT study_name FROM studies WHERE study_id = :study"
_LOCKED = f"{_NAME} FOR UPDATE"
# Who makes a study of a name at the same time is waited for.
_ADD = "INSERT INTO studies (study_name) VALUES (:name) ON CONFLICT (study_name) DO NOTHING"
_DIRECTIONS = "SELECT direction FROM study_directions WHERE study_id = :study ORDER BY objective"
_ALL_DIRECTIONS = "SELECT study_id, direction FROM study_directions ORDER BY objective"
_ADD_DIRECTION = (
    "INSERT INTO study_directions (direction, study_id, objective) VALUES (:direction, :study, :objective)"
)
_ATTRIBUTE = "SELECT value_json FROM study_user_attributes WHERE study_id = :study AND key = :key"
_LOCKED_TRIALS = "SELECT trial_id FROM trials WHERE study_id = :study FOR UPDATE"


def id_of(connection: Transaction, name: str) -> int:
    """Return a study's id. Raises KeyError where there is none of this name."""
    return int(_found(connection.scalar(_ID, {"name": name})))


def name_of(connection: Transaction, study_id: int) -> str:
    """Return a study's name. Raises KeyError where there is no such study."""
    return str(_found(connection.scalar(_NAME, {"study": study_id})))


def lock(connection: Transaction, study_id: int) -> None:
    """Keep others from adding trials to a study. Raises KeyError where there is no such study."""
    _found(connection.scalar(_LOCKED, {"study": study_id}))


def directions_of(connection: Transaction, study_id: int) -> list[StudyDirection]:
    """Return what a study's values shall become. Raises KeyError where there is no such study."""
    rows = connection.execute(_DIRECTIONS, {"study": study_id})
    return [StudyDirection[direction] for (direction,) in _found(rows or None)]  # each study has one


def attributes_of(connection: Transaction, table: str, study_id: int) -> dict[str, Any]:
    """Return a study's attributes. table: USER or SYSTEM. Raises KeyError where there is no such study."""
    query = f"SELECT key, value_json FROM {table} WHERE study_id = :study"  # noqa: S608 - one of ours
    rows = connection.execute(query, {"study": study_id})
    if not rows:
        name_of(connection, study_id)
    return {key: json.loads(value) for key, value in rows}


def all_studies(connection: Transaction) -> list[FrozenStudy]:
    """Return all studies, by id."""
    attributes: dict[str, dict[int, dict[str, Any]]] = {}
    for table in (USER, SYSTEM):
        of_study = attributes[table] = defaultdict(dict)
        rows = connection.execute(f"SELECT study_id, key, value_json FROM {table}")  # noqa: S608 - one of ours
        for study_id, key, value in rows:
            of_study[study_id][key] = json.loads(value)
    directions = defaultdict(list)
    for study_id, direction in connection.execute(_ALL_DIRECTIONS):
        directions[study_id].append(StudyDirection[direction])
    return [
        FrozenStudy(
            study_name=name,
            direction=None,
            directions=directions[study_id],
            user_attrs=attributes[USER].get(study_id, {}),
            system_attrs=attributes[SYSTEM].get(study_id, {}),
            study_id=study_id,
        )
        for study_id, name in connection.execute(_NAMES)
    ]


def add(connection: Transaction, name: str, directions: Sequence[StudyDirection]) -> int:
    """Make a study; return its id. Raises DuplicatedStudyError where there is one of that name."""
    connection.execute(_ADD, {"name": name})
    study_id = id_of(connection, name)
    if connection.execute(_DIRECTIONS, {"study": study_id}):
        raise DuplicatedStudyError
    for objective, direction in enumerate(directions):
        values = {"direction": direction.name, "study": study_id, "objective": objective}
        connection.execute(_ADD_DIRECTION, values)
    return study_id


def delete(connection: Transaction, study_id: int) -> None:
    """Delete a study and its trials. Raises KeyError where there is no such study."""
    lock(connection, study_id)
    study = {"study": study_id}
    connection.execute(_LOCKED_TRIALS, study)  # or a worker might add a report meanwhile, and so prevent it
    for table in (*COLUMNS, "trial_heartbeats"):
        of_trials = "trial_id IN (SELECT trial_id FROM trials WHERE study_id = :study)"
        connection.execute(f"DELETE FROM {table} WHERE {of_trials}", study)  # noqa: S608 - one of ours
    for table in ("trials", USER, SYSTEM, "study_directions", "studies"):
        connection.execute(f"DELETE FROM {table} WHERE study_id = :study", study)  # noqa: S608 - one of ours


def set_attribute(connection: Transaction, table: str, study_id: int, key: str, value: Any) -> None:
    """Set one attribute to a JSON value. table: USER or SYSTEM. Raises KeyError where there is no such study."""
    name_of(connection, study_id)
    statement = (
        f"INSERT INTO {table} (study_id, key, value_json) VALUES (:study, :key, :value)"  # noqa: S608 - one of ours
        " ON CONFLICT (study_id, key) DO UPDATE SET value_json = excluded.value_json"
    )
    connection.execute(statement, {"study": study_id, "key": key, "value": json.dumps(value)})


def change_attribute(
    connection: Transaction, study_id: int, key: str, change: Callable[[Any], Any], missing: Any
) -> None:
    """Set a user attribute to what `change` makes of it as it is now; missing: in place of one that is not there.

    Raises KeyError where there is no such study, or without `missing` no such attribute.
    """
    lock(connection, study_id)
    kept = connection.scalar(_ATTRIBUTE, {"study": study_id, "key": key})
    if kept is None and missing is None:
        raise KeyError(key)
    set_attribute(connection, USER, study_id, key, change(missing if kept is None else json.loads(kept)))


def _found(value: Any) -> Any:
    if value is None:
        raise KeyError(NOT_FOUND)
    return value
