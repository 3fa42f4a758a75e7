"""What is said of a study first: one trial with its own figures, the same wherever it is said.

Never the test accuracy of one trial beside the hyperparameters of another.
"""

from dataclasses import dataclass
from typing import Any

from mlpsearch.models.statistics import mean
from mlpsearch.search.results.confirmation import Confirmation, last_confirmation
from mlpsearch.search.results.openings import openings_of, test_of
from mlpsearch.search.results.wording import points
from mlpsearch.search.trials.ledger import Ledger, validation_accuracy
from mlpsearch.studies.record import StudyRecord


@dataclass(frozen=True, slots=True)
class Headline:
    """The winner of a study: the confirmed one, else the best of its search. Accuracies are shares of 1.

    params: the trial's own.
    validation: by the study's metric, the mean over its reporting seeds, else what it reached in the search.
    validation_accuracy: of the same nets; None where nobody kept it.
    seeds: those seeds; empty where it is not confirmed.  deviation: over them, None where there are none.
    test: the newest opening of the test split for just these nets (TestReport as JSON), if there was any.
    remark: what is missing, or what its figures are worth; empty where there is nothing to say.
    """

    trial: int
    params: dict[str, Any]
    validation: float
    deviation: float | None
    seeds: list[int]
    test: dict[str, Any] | None
    remark: str
    validation_accuracy: float | None

    @property
    def confirmed(self) -> bool:
        """Whether it was trained again over fresh seeds."""
        return bool(self.seeds)


def headline(record: StudyRecord, ledger: Ledger) -> Headline | None:
    """Return the headline of now; None where no trial is finished."""
    confirmation, tests = last_confirmation(record), openings_of(record)
    if confirmation is not None:
        return _of_confirmed(record, ledger, confirmation, tests)
    best = ledger.best()
    if best is None or best.value is None:
        return None
    test = test_of(tests, best.number, [])
    remark = _missing(record, test) if record.plan is None and ledger.is_complete() else ""
    accuracy = validation_accuracy(best, record.metric)
    return Headline(best.number, best.params, best.value, None, [], test, remark, accuracy)


def _of_confirmed(
    record: StudyRecord, ledger: Ledger, confirmation: Confirmation, tests: list[dict[str, Any]]
) -> Headline:
    result = confirmation.result
    test = test_of(tests, confirmation.winner, result.seeds)
    return Headline(
        trial=confirmation.winner,
        params=confirmation.candidates[0].params,
        validation=result.mean,
        deviation=result.deviation,
        seeds=result.seeds,
        test=test,
        remark="; ".join([*_limits(record, ledger.ended(), confirmation), *_without_score(record, test)]),
        validation_accuracy=mean(result.accuracies),
    )


def _missing(record: StudyRecord, test: dict[str, Any] | None) -> str:
    """What a study whose search is over lacks."""
    if record.spec.confirm is not None:
        return f"not confirmed: `{record.command('confirm')}`"
    if test:
        return "; ".join(_without_score(record, test))
    return f"not tested: `{record.command('evaluate')}`" if record.spec.has_test else ""


def _without_score(record: StudyRecord, test: dict[str, Any] | None) -> list[str]:
    """What is to be said where the metric is not defined on the test images."""
    if test is None or test["score"] is not None:
        return []
    return [f"its test images are all of one class, and have no {record.metric.title}"]


def _limits(record: StudyRecord, ended: int, confirmation: Confirmation) -> list[str]:
    """What a confirmation does not say."""
    found = []
    if confirmation.flattery > 0:
        found.append(
            "the winner was chosen and reported over the same seeds, which makes its mean up to "
            f"{points(confirmation.flattery)} points too high"
        )
    if confirmation.search_trials != ended:
        found.append(f"confirmed when the search had {confirmation.search_trials} trials, it has {ended} by now")
    return [*found, f"`{record.command('confirm')}` confirms anew"] if found else []
