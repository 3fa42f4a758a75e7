"""What a net is surest of, and wrong about: validation images, for the test split stays sealed."""

from dataclasses import dataclass

import numpy as np

from mlpsearch.models.metrics import probabilities
from mlpsearch.search.report.pictures import data_uri, image_picture
from mlpsearch.search.results.winner import Winner


@dataclass(frozen=True, slots=True)
class Mistake:
    """One image that was taken for another class.

    picture: a data URI.  true, predicted: names of classes.  probability: of the predicted class, 0 to 1.
    """

    picture: str
    true: str
    predicted: str
    probability: float


def most_confident_mistakes(winner: Winner, count: int) -> list[Mistake]:
    """Return up to `count` validation images that the net gets wrong, the most confident first."""
    split, classes = winner.data.validation, winner.data.classes
    predicted = probabilities(winner.net, split, winner.preprocessing)
    labels, guesses, confidence = split.labels[split.rows], predicted.argmax(axis=1), predicted.max(axis=1)
    wrong = np.flatnonzero(guesses != labels)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]
    return [
        Mistake(
            picture=data_uri(image_picture(split.images[split.rows[place]], winner.data.shape)),
            true=classes[labels[place]],
            predicted=classes[guesses[place]],
            probability=float(confidence[place]),
        )
        for place in worst
    ]
