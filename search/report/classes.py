"""How good a net is at each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlpsearch.models.statistics import wilson_interval
from mlpsearch.search.report.columns import Judgement

_MOST_ROWS = 100  # of the table, from the class that the net is worst at on


@dataclass(frozen=True, slots=True)
class ClassAccuracy:
    """One true class.

    count: of its images or rows.  accuracy: how many of them are taken for it, a share; the mean over the nets.
    interval: the 95% interval over new images that Wilson's is at that accuracy.
    mistaken: the class that most of the others are taken for, and how many of all answers; "" without mistakes.
    """

    name: str
    count: int
    accuracy: float
    interval: list[float]
    mistaken: str


@dataclass(frozen=True, slots=True)
class ClassView:
    """How good the winner's nets are at each class; note says which nets, and on what."""

    rows: list[ClassAccuracy]
    note: str


def class_view(
    test: dict[str, Any] | None, judged: Judgement | None, classes: Sequence[str] | None, what: str
) -> ClassView | None:
    """Return how good the nets are at each class on the test, else on the validation; None where neither is known.

    test: TestReport as JSON.  judged, classes: of the validation.  what: images or rows.
    """
    if test is not None:
        nets = max(1, len(test.get("seeds", [])))
        rows = class_accuracies(test["classes"], test["confusion"], nets)
        of = f"On the test, the mean of {nets} nets" if nets > 1 else "On the test"
        told = f"{of}; the interval is for new {what} of that class."
    elif judged is not None and classes is not None:
        rows = class_accuracies(classes, judged.confusion.tolist(), 1)
        told = f"On {len(judged.labels):,} validation {what}, which had a part in choosing the net."
    else:
        return None
    cut = (
        f" The worst {_MOST_ROWS} of {len(rows)} classes." if len(rows) > _MOST_ROWS else " The worst come first."
    )
    return ClassView(rows[:_MOST_ROWS], told + cut)


def class_accuracies(classes: Sequence[str], confusion: Sequence[Sequence[int]], nets: int) -> list[ClassAccuracy]:
    """Return the classes that have images, the worst first.

    confusion: counts of all answers, [true class][predicted class].  nets: how many answered each image.
    """
    found = []
    for true, row in enumerate(confusion):
        answers = sum(row)
        if not answers:
            continue
        count, accuracy = answers // nets, row[true] / answers
        most = max(
            (place for place in range(len(row)) if place != true), key=lambda place: row[place], default=true
        )
        mistaken = f"{classes[most]} ({row[most]:,} of {answers:,})" if most != true and row[most] else ""
        ends = [*wilson_interval(min(count, round(accuracy * count)), count)]
        found.append(ClassAccuracy(str(classes[true]), count, accuracy, ends, mistaken))
    return sorted(found, key=lambda one: one.accuracy)
