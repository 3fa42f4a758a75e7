"""The statements of backend.py, on Optuna's own tables, whose layout its schema version pins."""

from functools import cache

from mlpsearch.studies.storage.rows import COLUMNS

LOCKED_STATE = "SELECT state FROM trials WHERE trial_id = :trial FOR UPDATE"
START = "SELECT datetime_start FROM trials WHERE trial_id = :trial"
HEARTBEAT = "SELECT heartbeat FROM trial_heartbeats WHERE trial_id = :trial"
HEARTBEATS = (
    "SELECT trials.trial_id, heartbeat FROM trials"
    " JOIN trial_heartbeats ON trial_heartbeats.trial_id = trials.trial_id"
    " WHERE study_id = :study AND state = 'RUNNING'"
)
NOW = "SELECT CURRENT_TIMESTAMP"
BEAT = (
    "INSERT INTO trial_heartbeats (trial_id, heartbeat) VALUES (:trial, CURRENT_TIMESTAMP)"
    " ON CONFLICT (trial_id) DO UPDATE SET heartbeat = CURRENT_TIMESTAMP"
)
SET_STATE = "UPDATE trials SET state = :state WHERE trial_id = :trial"
SET_START = "UPDATE trials SET datetime_start = :moment WHERE trial_id = :trial"
SET_COMPLETE = "UPDATE trials SET datetime_complete = :moment WHERE trial_id = :trial"
HAS_STUDY = "SELECT study_id FROM studies WHERE study_id = :study"
LOCKED_STUDY = f"{HAS_STUDY} FOR UPDATE"
NUMBER = "SELECT COUNT(*) FROM trials WHERE study_id = :study"
USED = "SELECT COUNT(*) FROM trials WHERE study_id = :study AND state <> 'FAIL' AND (state = 'WAITING' OR {own})"
ADD_TRIAL = "INSERT INTO trials (study_id, number, state) VALUES (:study, :number, 'WAITING')"
TRIAL_ID = "SELECT MAX(trial_id) FROM trials WHERE study_id = :study AND number = :number"
STUDY_ATTRIBUTES = "SELECT key, value_json FROM study_user_attributes WHERE study_id = :study"
STUDY_ATTRIBUTE = "SELECT value_json FROM study_user_attributes WHERE study_id = :study AND key = :name"
SET_STUDY_ATTRIBUTE = (
    "UPDATE study_user_attributes SET value_json = :value_json WHERE study_id = :study AND key = :name"
)
ADD_STUDY_ATTRIBUTE = (
    "INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (:study, :name, :value_json)"
)
STUDY_NAME = "SELECT study_name FROM studies WHERE study_id = :study"
STUDY_ID = "SELECT study_id FROM studies WHERE study_name = :name"
DIRECTIONS = "SELECT direction FROM study_directions WHERE study_id = :study ORDER BY objective"
SERVER_SECONDS = "SELECT EXTRACT(EPOCH FROM now() - pg_postmaster_start_time())"


@cache
def upsert_into(table: str) -> str:
    """Return the statement that inserts a row, or updates the one of its trial and step, name or the like."""
    given = ["trial_id", *(name for name in COLUMNS[table] if name != "param_id")]
    key = [name for name in given if name in ("trial_id", "step", "param_name", "key", "objective")]
    changed = ", ".join(f"{name} = excluded.{name}" for name in given if name not in key)
    values = ", ".join(f":{name}" for name in given)
    return (
        f"INSERT INTO {table} ({', '.join(given)}) VALUES ({values})"  # noqa: S608 - of our own names
        f" ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changed}"
    )
