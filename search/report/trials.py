"""The table of a study's trials: what `mlpsearch export --trials` writes, for people."""

from dataclasses import dataclass
from typing import Any

from mlpsearch.search.export.trial_table import read_trials
from mlpsearch.search.results.wording import score, short
from mlpsearch.studies.record import StudyRecord

MOST_ROWS = 500
_STATES = {
    "COMPLETE": "finished",
    "PRUNED": "pruned",
    "FAIL": "failed",
    "RUNNING": "running",
    "WAITING": "waiting",
}
_LAST = len(_STATES)


@dataclass(frozen=True, slots=True)
class TrialTable:
    """Trials, the best first, then those that were pruned, failed, and are not over.

    columns: (name, whether it holds numbers).  rows: a text a column.  numbers: the trial of each row.
    left_out: how many more there are.
    """

    columns: list[tuple[str, bool]]
    rows: list[list[str]]
    numbers: list[int]
    left_out: int


def trial_table(record: StudyRecord) -> TrialTable:
    """Return the table of a study's own trials, and of those that are queued."""
    names, trials = read_trials(record)
    searched = [name for name in names if name in record.spec.search]
    metric = record.metric

    def place(trial: dict[str, Any]) -> tuple[int, float, int]:
        value = trial["value"]
        states = [*_STATES]
        order = states.index(trial["state"]) if trial["state"] in states else _LAST
        return order, 0.0 if value is None else metric.rank(value), trial["number"]

    own = sorted((trial for trial in trials if not trial["foreign"]), key=place)
    shown = own[:MOST_ROWS]
    names = ["number", "state", "value", *searched, "epochs", "seconds", "parameters", "origin"]
    titles = {"number": "trial", "value": f"validation {metric.title}"}
    columns = [
        (titles.get(name, name), any(type(trial.get(name)) in (int, float) for trial in shown)) for name in names
    ]
    rows = [
        [score(trial["value"], metric) if name == "value" else _text(name, trial.get(name)) for name in names]
        for trial in shown
    ]
    return TrialTable(columns, rows, [trial["number"] for trial in shown], len(own) - len(shown))


def _text(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if name == "state":
        return str(_STATES.get(value, value))
    if name == "seconds" and value == 0:  # it is rounded
        return "<0.01"
    return f"{value:,}" if type(value) is int and name != "number" else short(value)
