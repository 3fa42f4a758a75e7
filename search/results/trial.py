"""The trials of a study as plain objects, for whoever works with them in Python."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from mlpsearch.models.scores import ACCURACY, Metric
from mlpsearch.search.trials.ledger import validation_accuracy
from mlpsearch.studies.record import StudyRecord

if TYPE_CHECKING:
    import pandas

STATES = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One training run of a search.

    state: "finished", "pruned", "failed", "running" or "waiting".
    params: the searched fields.
    validation_score: the last, by the study's metric; None before the first epoch's.
    validation_accuracy: of the same epoch, 0 to 1; by another metric than accuracy None until the trial ends.
    curve: the validation score after each epoch.
    facts: what its worker noted besides: seconds, seed, parameters, threads, …; of a failed trial the error.
    """

    number: int
    state: str
    params: dict[str, Any]
    validation_accuracy: float | None
    validation_score: float | None
    curve: list[float]
    facts: dict[str, Any]


class Trials(list[Trial]):
    """Trials, by number."""

    def to_frame(self) -> "pandas.DataFrame":
        """Return a data frame with a row a trial, and a column for each searched field. Needs pandas.

        Raises ImportError where pandas is not installed.
        """
        import pandas

        rows = [{**asdict(trial), **trial.params, "epochs": len(trial.curve)} for trial in self]
        frame = pandas.DataFrame(
            rows,
            columns=None if rows else ["number", "state", "validation_accuracy", "validation_score", "epochs"],
        )
        return frame.drop(columns=["params", "curve", "facts"], errors="ignore").set_index("number")


def plain(trial: FrozenTrial, metric: Metric) -> Trial:
    """Return an Optuna trial of ours as a plain object; metric: its study's."""
    curve = [value for _, value in sorted(trial.intermediate_values.items())]
    score = trial.value if trial.value is not None else next(reversed(curve), None)
    accuracy = score if metric is ACCURACY else validation_accuracy(trial, metric)
    state, facts = STATES[trial.state], dict(trial.user_attrs)
    return Trial(trial.number, state, dict(trial.params), accuracy, score, curve, facts)


def trials_of(record: StudyRecord) -> Trials:
    """Return a study's own trials, by number."""
    return Trials(plain(trial, record.metric) for trial in record.own_trials())
