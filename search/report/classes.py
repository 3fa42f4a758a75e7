"""How good a net is at each class."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlpsearch.models.statistics import wilson_interval

MOST_ROWS = 100  # of the table, from the class that the net is worst at on


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
