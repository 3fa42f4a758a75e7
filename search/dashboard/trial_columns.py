"""The columns of a table of trials: what each trial has under them, to be seen, sorted and filtered by."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from mlpsearch.models.scores import ACCURACY, Metric
from mlpsearch.search.results.trial import STATES
from mlpsearch.search.results.wording import duration, percent, score, short
from mlpsearch.search.trials.ledger import validation_accuracy
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.dimensions import Choices, Dimension

NUMBER, SCORE = "trial", "score"
_STATE, _ACCURACY = "state", "validation_accuracy"


@dataclass(frozen=True, slots=True)
class Column:
    """What a trial has under one heading.

    value: what is sorted by; None where a trial has none.  text: what is seen.
    choices: what there is to choose from, in order, as texts; empty for numbers.
    unit: of the value, where it has one.
    """

    key: str
    title: str
    value: Callable[[FrozenTrial], Any]
    text: Callable[[FrozenTrial], str]
    choices: tuple[str, ...] = ()
    unit: str = ""

    @property
    def is_number(self) -> bool:
        """Whether it can be filtered from one number to another."""
        return not self.choices

    @property
    def label(self) -> str:
        """What its filter is called."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


def columns_of(record: StudyRecord) -> list[Column]:
    """Return the columns of a study's trials: state, scores, the searched fields, and what training took."""
    metric, states = record.metric, tuple(STATES.values())
    found = [
        Column(NUMBER, "trial", lambda trial: trial.number, lambda trial: str(trial.number)),
        Column(_STATE, "state", lambda trial: states.index(state_of(trial)), state_of, states),
        _of_score(metric),
    ]
    if metric is not ACCURACY:
        found.append(_of_accuracy(metric))
    found += [_of_field(name, dimension) for name, dimension in record.spec.search.items()]
    return [
        *found,
        Column("epochs", "epochs", _epochs, lambda trial: str(_epochs(trial))),
        _of_fact("seconds", "time", _brief, "in seconds"),
        _of_fact("parameters", "parameters", lambda count: f"{count:,}"),
    ]


def _brief(seconds: float) -> str:
    """A duration in a narrow column."""
    return duration(seconds).replace("less than", "<")


def _of_score(metric: Metric) -> Column:
    def value(trial: FrozenTrial) -> float | None:
        return _percent(_score(trial)) if metric.is_percentage else _score(trial)

    unit = "%" if metric.is_percentage else ""
    return Column(
        SCORE, f"validation {metric.title}", value, lambda trial: score(_score(trial), metric), unit=unit
    )


def _of_accuracy(metric: Metric) -> Column:
    def share(trial: FrozenTrial) -> float | None:
        return _finite(validation_accuracy(trial, metric))

    return Column(
        _ACCURACY,
        "validation accuracy",
        lambda trial: _percent(share(trial)),
        lambda trial: percent(share(trial)),
        unit="%",
    )


def _percent(share: float | None) -> float | None:
    """As people read it and filter by it: without what binary fractions add in the last digits."""
    return None if share is None else round(100 * share, 9)


def _of_field(name: str, dimension: Dimension) -> Column:
    if isinstance(dimension, Choices):
        return _of_choices(name, tuple(short(choice) for choice in dimension.choices))

    def value(trial: FrozenTrial) -> Any:
        return _finite(trial.params.get(name))

    return Column(name, name, value, lambda trial: "–" if value(trial) is None else short(value(trial)))


def _of_choices(name: str, choices: tuple[str, ...]) -> Column:
    def text(trial: FrozenTrial) -> str:
        return short(trial.params[name]) if name in trial.params else "–"

    def place(trial: FrozenTrial) -> int | None:
        found = text(trial)
        return choices.index(found) if found in choices else None

    return Column(name, name, place, text, choices)


def _of_fact(name: str, title: str, text: Callable[[Any], str], unit: str = "") -> Column:
    def value(trial: FrozenTrial) -> Any:
        return _finite(trial.user_attrs.get(name))

    return Column(name, title, value, lambda trial: "–" if value(trial) is None else text(value(trial)), unit=unit)


def state_of(trial: FrozenTrial) -> str:
    """Return a trial's state as `status` calls it."""
    return STATES[trial.state]


def _epochs(trial: FrozenTrial) -> int:
    return len(trial.intermediate_values)


def _score(trial: FrozenTrial) -> float | None:
    if trial.value is not None:
        return _finite(trial.value)
    reports = trial.intermediate_values
    return _finite(reports[max(reports)]) if reports else None


def _finite(value: Any) -> float | None:
    """A number that can be compared with others; None for all else that a storage may hold."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None
