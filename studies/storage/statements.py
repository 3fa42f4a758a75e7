"""The statements of backend.py, on Optuna's own tables; built once, for that takes longer than to answer them."""

from functools import cache

from optuna.storages._rdb import models as optuna_tables
from sqlalchemy import Executable, Table, and_, bindparam, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from mlpsearch.studies.storage.rows import COLUMNS, TRIALS

STUDIES: Table = optuna_tables.StudyModel.__table__
STUDY_USER: Table = optuna_tables.StudyUserAttributeModel.__table__
HEARTBEATS: Table = optuna_tables.TrialHeartbeatModel.__table__

LOCKED_STATE = select(TRIALS.c.state).where(TRIALS.c.trial_id == bindparam("trial")).with_for_update()
START = select(TRIALS.c.datetime_start).where(TRIALS.c.trial_id == bindparam("trial"))
HEARTBEAT = select(HEARTBEATS.c.heartbeat).where(HEARTBEATS.c.trial_id == bindparam("trial"))
UPDATE_TRIAL = update(TRIALS).where(TRIALS.c.trial_id == bindparam("trial"))
HAS_STUDY = select(STUDIES.c.study_id).where(STUDIES.c.study_id == bindparam("study"))
LOCKED_STUDY = HAS_STUDY.with_for_update()
NUMBER = select(func.count()).where(TRIALS.c.study_id == bindparam("study"))
USED = "SELECT COUNT(*) FROM trials WHERE study_id = :study AND state <> 'FAIL' AND (state = 'WAITING' OR {own})"
STUDY_ATTRIBUTES = select(STUDY_USER.c.key, STUDY_USER.c.value_json).where(
    STUDY_USER.c.study_id == bindparam("study")
)
IS_STUDY_ATTRIBUTE = and_(STUDY_USER.c.study_id == bindparam("study"), STUDY_USER.c.key == bindparam("name"))
STUDY_ATTRIBUTE = select(STUDY_USER.c.value_json).where(IS_STUDY_ATTRIBUTE)
UPDATE_STUDY_ATTRIBUTE = update(STUDY_USER).where(IS_STUDY_ATTRIBUTE)
STUDY_NAME = select(STUDIES.c.study_name).where(STUDIES.c.study_id == bindparam("study"))
SERVER_SECONDS = text("SELECT EXTRACT(EPOCH FROM now() - pg_postmaster_start_time())")


def _insert(table: Table, dialect: str) -> "postgresql.Insert | sqlite.Insert":
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


@cache
def upsert_into(table: Table, dialect: str) -> Executable:
    """Return the statement that inserts a row, or updates the one of its trial and step, name or the like."""
    insert_row = _insert(table, dialect)
    key = {"trial_id", "step", "param_name", "key", "objective"} & {*table.c.keys()}
    given = {"trial_id", *COLUMNS[table]} - {"param_id"}
    changed = {name: insert_row.excluded[name] for name in sorted(given - key)}
    return insert_row.values({name: bindparam(name) for name in sorted(given)}).on_conflict_do_update(
        index_elements=sorted(key), set_=changed
    )


@cache
def beat(dialect: str) -> Executable:
    """Return the statement that records a heartbeat, in the database's time."""
    insert_row = _insert(HEARTBEATS, dialect)
    return insert_row.values(
        trial_id=bindparam("trial_id"), heartbeat=func.current_timestamp()
    ).on_conflict_do_update(index_elements=["trial_id"], set_={"heartbeat": func.current_timestamp()})
