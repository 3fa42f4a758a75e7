"""The one epoch loop, for both nets."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import SupportsFloat

import numpy as np

from mlpsearch.models.class_weights import class_weights
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.metrics import accuracy, view_logits
from mlpsearch.models.net import EpochBatches, Net
from mlpsearch.models.schedules import learning_rate
from mlpsearch.models.scores import ACCURACY, Metric

# A net that guesses uniformly has a cross-entropy of log(classes). A hundred times that, and one class
# predicted for everything, is a net that was thrown off and will not come back.
_OFF_SCALE = 100

_STEPS_BETWEEN_LOOKS = 20  # at the loss: each may wait for a device that could have gone on


@dataclass(frozen=True, slots=True)
class EpochResult:
    """What one epoch came to.

    epoch: from 1.  loss: mean of J over the epoch's steps.  validation_accuracy: after the epoch, 0 to 1.
    validation_score: after the epoch, by the study's metric; the accuracy where that is the metric.
    seconds: of the steps alone, without the validation.
    diverged: the loss is not finite, or left the scale while the net predicts one class for all.
    """

    epoch: int
    loss: float
    validation_accuracy: float
    validation_score: float
    seconds: float
    diverged: bool


def train(
    net: Net,
    training: Split,
    validation: Split,
    config: TrainConfig,
    preprocessing: Preprocessing,
    *,
    epochs_done: int = 0,
    metric: Metric = ACCURACY,
) -> Iterator[EpochResult]:
    """Train epoch by epoch, yielding after each; the caller may stop at any of them.

    metric: of the results' validation_score.
    config.early_stopping is for the caller, who may train several nets side by side: see early_stopping.py.
    epochs_done: where to go on, with a net whose state was saved after that epoch: the results are the same,
    bit by bit, as without the pause.
    A diverged epoch is the last.
    """
    net.class_weights = class_weights(training.labels[training.rows], config)
    batches = net.batches(training, config, preprocessing)
    sample = batches.sample() if config.batch_normalization else None
    views = preprocessing.views(validation)
    for epoch in range(epochs_done + 1, config.epochs + 1):
        started = time.perf_counter()
        loss = _train_epoch(net, batches, config, epoch)
        seconds = time.perf_counter() - started
        if sample is not None:
            net.measure(sample)
        logits = view_logits(net, views)
        predictions = logits.argmax(axis=1)
        off_scale = not loss < _OFF_SCALE * math.log(int(training.labels.max()) + 1)
        diverged = off_scale and (not math.isfinite(loss) or len(np.unique(predictions)) == 1)
        share = accuracy(predictions, validation)
        score = share if metric is ACCURACY else metric.score(logits, validation.labels[validation.rows])
        yield EpochResult(epoch, loss, share, score, seconds, diverged)
        if diverged:
            return


def _train_epoch(net: Net, batches: EpochBatches, config: TrainConfig, epoch: int) -> float:
    """Take the epoch's steps; return their mean J, or the first that is not finite, soon after which it stops."""
    first, steps = (epoch - 1) * len(batches), config.epochs * len(batches)
    rates = [learning_rate(config, first + step, steps) for step in range(len(batches))]
    losses: list[SupportsFloat] = []
    left = batches.epoch(epoch)
    for start in range(0, len(rates), _STEPS_BETWEEN_LOOKS):
        losses += net.train_batches(left, rates[start : start + _STEPS_BETWEEN_LOOKS])
        if not math.isfinite(losses[-1]):
            break
    values = [float(loss) for loss in losses]
    broken = [value for value in values if not math.isfinite(value)]
    return broken[0] if broken else math.fsum(values) / len(values)
