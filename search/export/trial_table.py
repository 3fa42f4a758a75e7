"""All trials of a study as a CSV file, for spreadsheets and data frames."""

import csv
import io
from datetime import UTC
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from mlpsearch.models.errors import ExportError
from mlpsearch.models.paths import write_atomically
from mlpsearch.search.trials.next_trial import origin_of
from mlpsearch.search.trials.queue import ATTEMPT
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.space import distributions
from mlpsearch.studies.storage.ownership import Ownership

# User attributes that trials of every study have, in this order; those that only some have come after all else.
_FACTS = (
    *("epochs", "seconds", "seed", "threads", "compiled_steps"),
    *("training_accuracy", "images_per_second", "parameters", "worker"),
)
_TIMES = ("datetime_start", "datetime_complete")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute what begins so


def write_trials(record: StudyRecord, path: Path) -> None:
    """Write one row a trial, as `read_trials` has them; what a trial does not have is an empty cell.

    A text that a spreadsheet would take for a formula gets a ' before it. Raises ExportError for a file that
    cannot be written, or is not named as such a file is.
    """
    if path.suffix.lower() != ".csv":
        raise ExportError(f"{path}: must end in .csv", path=path)
    columns, trials = read_trials(record)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_cell(column) for column in columns])
    for trial in trials:
        writer.writerow([_cell(trial.get(column)) for column in columns])
    try:
        write_atomically(path, text.getvalue().encode())
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})", path=path) from error


def read_trials(record: StudyRecord) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns of a table of all trials, and a trial's values by them, by number.

    The columns: number, state, value, hyperparameters, facts, times (UTC, ISO 8601), origin, foreign, other facts.
    origin: where the trial's point is from (search/trials/next_trial.py).
    foreign: whether somebody added the trial with Optuna itself, or ended it, so that no worker trained it.
    """
    trials = record.optuna_study().get_trials(deepcopy=False)
    searched = list(distributions(record.spec))
    known = {"number", "state", "value", *searched, *_FACTS, *_TIMES, ATTEMPT, "origin", "foreign"}
    others = sorted({key for trial in trials for key, fact in trial.user_attrs.items() if _is_short(fact)} - known)
    columns = ["number", "state", "value", *searched, *_FACTS, *_TIMES, "origin", "foreign", *others]
    found = []
    for trial in trials:
        is_foreign = _is_foreign(trial, record.own)
        is_tried = not is_foreign and trial.state != TrialState.WAITING
        origin = origin_of(trial, record.starts) if is_tried else None
        found.append({**_values(trial), "origin": origin, "foreign": is_foreign})
    return columns, found


def _values(trial: FrozenTrial) -> dict[str, Any]:
    times = {"datetime_start": trial.datetime_start, "datetime_complete": trial.datetime_complete}
    return {
        **trial.user_attrs,
        **trial.params,
        "number": trial.number,
        "state": trial.state.name,
        "value": trial.value,
        **{key: time and time.astimezone(UTC).isoformat(timespec="milliseconds") for key, time in times.items()},
    }


def _is_foreign(trial: FrozenTrial, own: Ownership) -> bool:
    return trial.state != TrialState.WAITING and not own.has(trial)


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _is_short(fact: Any) -> bool:
    return isinstance(fact, str | int | float)
