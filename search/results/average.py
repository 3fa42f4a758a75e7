"""What several nets of one configuration say together, beside what one of them says."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.arrays import Labels
from mlpsearch.models.ensemble import average_log_probabilities, calibration_error, fitted_temperature
from mlpsearch.models.metrics import split_logits
from mlpsearch.models.score_interval import score_interval
from mlpsearch.models.scores import ACCURACY, LOG_LOSS, Metric
from mlpsearch.models.statistics import accuracy_interval, mean
from mlpsearch.search.results.openings import NetsAverage
from mlpsearch.search.results.winner import Winner


def validation_temperature(nets: Sequence[Winner]) -> float | None:
    """Return the temperature of the nets' average, fitted on validation images; None where there is none to fit.

    With folds there is none: each image has trained all nets but those that leave its fold out, and the average of
    these few is surer of itself than that of all. Else see models.ensemble.fitted_temperature.
    """
    if nets[0].fold is not None:
        return None
    validation = nets[0].data.validation
    logits = (split_logits(one.net, validation, one.preprocessing) for one in nets)
    return fitted_temperature(average_log_probabilities(logits), validation.labels[validation.rows])


def nets_average(logits: NDArray[Any], labels: Labels, metric: Metric, temperature: float | None) -> NetsAverage:
    """Return what the average of nets reaches. logits: (nets, images, classes).  labels: (images,)."""
    average = average_log_probabilities(logits)
    correct, score, ends = average.argmax(axis=1) == labels, None, None
    interval = [*accuracy_interval(correct[np.newaxis])]
    if metric is ACCURACY:
        score, ends = float(correct.mean()), interval
    elif metric.is_defined(labels):
        score, ends = metric.score(average, labels), [*score_interval(metric, average[np.newaxis], labels)]
    tempered = None if temperature is None else average / temperature
    return NetsAverage(
        accuracy=float(correct.mean()),
        interval=interval,
        score=score,
        score_interval=ends,
        log_loss=LOG_LOSS.score(average, labels),
        nets_log_loss=mean([LOG_LOSS.score(one, labels) for one in logits]),
        calibration_error=calibration_error(average, labels),
        temperature=temperature,
        tempered_log_loss=None if tempered is None else LOG_LOSS.score(tempered, labels),
        tempered_calibration_error=None if tempered is None else calibration_error(tempered, labels),
    )
