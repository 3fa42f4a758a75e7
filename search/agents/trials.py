"""The trials of a study for agents: filtered, in an order, a page at a time."""

import math
from typing import Any, Literal

from pydantic import BaseModel, Field

from mlpsearch.models.errors import StudyError
from mlpsearch.search.documents.base import VERSION
from mlpsearch.search.results.trial import Trial, trials_of
from mlpsearch.studies.record import StudyRecord

State = Literal["finished", "pruned", "failed", "running", "waiting"]
Order = Literal["number", "best"]

_FACTS = ("epochs", "seconds", "parameters")
_SCORES = ("validation_score", "validation_accuracy")
_LONGEST_ERROR = 300
_REMARK = "Scores of single runs, by which the search chose: the best of many flatters itself. Quote the headline."


class Bound(BaseModel):
    """Which values of one column are asked for; a trial without a value is left out."""

    low: float | None = Field(default=None, description="the least")
    high: float | None = Field(default=None, description="the largest")
    choices: list[str | bool | float] | None = Field(default=None, description="these alone")


def page(
    record: StudyRecord,
    states: list[State] | None,
    where: dict[str, Bound] | None,
    order: Order,
    first: int,
    most: int,
) -> dict[str, Any]:
    """Return the trials of these states that fit all bounds, from the one at `first`, from 0, `most` at most.

    order: "number", or "best" for the best validation score first and those without one last.
    Raises StudyError for a bound on what trials do not have.
    """
    known = [*record.spec.search, *_SCORES, *_FACTS]
    bounds = where or {}
    for name in bounds:
        if name not in known:
            raise StudyError(f"where: {name!r} is none of {', '.join(known)}", study=record.name)
    rows = [_row(trial) for trial in trials_of(record) if not states or trial.state in states]
    rows = [row for row in rows if all(_fits(_value(row, name), bound) for name, bound in bounds.items())]
    if order == "best":
        rows.sort(key=lambda row: _rank(record, row))
    shown = rows[first : first + most]
    following = first + len(shown)
    return {
        "schema_version": VERSION,
        "study": record.name,
        "remark": _REMARK,
        "metric": record.metric.name,
        "matching": len(rows),
        "first": first,
        "next_first": following if following < len(rows) else None,
        "trials": shown,
    }


def _row(trial: Trial) -> dict[str, Any]:
    found = {
        "number": trial.number,
        "state": trial.state,
        "params": trial.params,
        "validation_score": _finite(trial.validation_score),
        "validation_accuracy": _finite(trial.validation_accuracy),
        "epochs": len(trial.curve),
        "seconds": trial.facts.get("seconds"),
        "parameters": trial.facts.get("parameters"),
    }
    error = trial.facts.get("error")
    return found if error is None else found | {"error": str(error)[:_LONGEST_ERROR]}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _value(row: dict[str, Any], name: str) -> Any:
    return row[name] if name in (*_SCORES, *_FACTS) else row["params"].get(name)


def _fits(value: Any, bound: Bound) -> bool:
    if value is None:
        return False
    if bound.choices is not None and value not in bound.choices:
        return False
    if bound.low is None and bound.high is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (bound.low is None or value >= bound.low) and (bound.high is None or value <= bound.high)


def _rank(record: StudyRecord, row: dict[str, Any]) -> tuple[bool, float, int]:
    value = row["validation_score"]
    return value is None, 0.0 if value is None else record.metric.rank(value), row["number"]
