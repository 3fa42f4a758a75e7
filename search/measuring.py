"""What training takes on this machine: seconds, measured over some steps, and memory of a worker, worked out."""

import math
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from mlpsearch.models import build_net
from mlpsearch.models.config import TYPES, TrainConfig
from mlpsearch.models.initialization import layer_sizes, trained_shapes
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.metrics import predict_views
from mlpsearch.models.net import Net
from mlpsearch.models.prediction import Layout, blank_preprocessing, statistics
from mlpsearch.models.threads import limited_threads
from mlpsearch.studies.data.training import TrainingData
from mlpsearch.studies.spec.dimensions import Choices, Dimension
from mlpsearch.studies.spec.space import defaults_of
from mlpsearch.studies.spec.study import StudySpec

_STEPS_SECONDS = 1.5  # of training
_STEPS_AT_ONCE = 20  # as when a trial trains
_SAMPLE = 50_000  # training rows of which it is measured
_JUDGED, _LEAST_JUDGED = 5_000, 200  # validation rows whose prediction is timed: the fewer, the more poses
_COPIES = 8  # of a net's parameters: trained, averaged, gradients, the optimizer's, a checkpoint's
_LOOKED_AT = 1_000  # rows that a net predicts at once
_KEPT_BY = ("preprocessing", "bins", "components", "flip_averaging", "shift_averaging")  # fields that decide it
_SOME = 25  # values of a range
_EIGENVECTORS = 5  # times a symmetric matrix: itself, a copy, its eigenvectors, and twice for what finds them


@dataclass(frozen=True, slots=True)
class Cost:
    """What training takes here.

    epoch_seconds: of one epoch of a configuration from the middle of the ranges, with one thread.
    worker_bytes: memory of a worker with the largest configuration, about, the shared bytes included.
    shared_bytes: of these, the data set's, which all workers of a machine have in common.
    """

    epoch_seconds: float
    worker_bytes: int
    shared_bytes: int


def memory_before_data(spec: StudySpec) -> int:
    """Return the bytes that a process takes which has what trains the net, and no data yet."""
    from mlpsearch.search.workers import worker  # noqa: F401 - with what it imports

    build_net(spec.net, inputs=1, classes=2, config=TrainConfig(hidden_size=1))
    return _resident()


def measure(spec: StudySpec, data: TrainingData, before: int) -> Cost:
    """Train for a moment. before: what memory_before_data returned before the data were read."""
    config, sample = _config(spec, _middle_of), data.training.sample(_SAMPLE)
    with limited_threads(1):
        preprocessing = statistics(sample).preprocessing(config)
        net = build_net(spec.net, inputs=preprocessing.inputs, classes=len(data.classes), config=config)
        row = _training_seconds(net, sample, config, preprocessing)
        if preprocessing.is_kept(sample) and not preprocessing.is_kept(data.training):
            row += _preprocessing_seconds(sample, preprocessing)
        seconds = row * len(data.training) + _validation_seconds(net, data.validation, preprocessing)
    images = {id(split.images): split.images.nbytes for split in (data.training, data.validation)}
    shared = sum(images.values())
    return Cost(seconds, before + shared + _own_bytes(spec, data), shared)


def _training_seconds(net: Net, training: Split, config: TrainConfig, preprocessing: Preprocessing) -> float:
    """Of a row, once."""
    batches, steps, started = net.batches(training, config, preprocessing), 0, time.perf_counter()
    left = batches.epoch(1)
    while steps < len(batches) and time.perf_counter() - started < _STEPS_SECONDS:
        at_once = min(max(steps, 1), _STEPS_AT_ONCE, len(batches) - steps)  # few at first: each may take seconds
        losses = net.train_batches(left, [config.learning_rate] * at_once)
        float(losses[-1])  # waits for a device
        steps += at_once
    return (time.perf_counter() - started) / min(steps * config.batch_size, len(training))


def _preprocessing_seconds(sample: Split, preprocessing: Preprocessing) -> float:
    """Of a row: what cannot be kept is made anew in each epoch."""
    some, started = sample.sample(_LOOKED_AT), time.perf_counter()
    preprocessing.batch(some, some.rows)
    return (time.perf_counter() - started) / len(some)


def _validation_seconds(net: Net, validation: Split, preprocessing: Preprocessing) -> float:
    judged = validation.sample(max(_LEAST_JUDGED, _JUDGED // len(preprocessing.poses)))
    views = preprocessing.views(judged)
    if preprocessing.keeps_views(validation):
        predict_views(net, views)  # which makes, once for all epochs, what it is given
    started = time.perf_counter()
    predict_views(net, views)
    return (time.perf_counter() - started) * len(validation) / len(judged)


# ---- memory ----


def _own_bytes(spec: StudySpec, data: TrainingData) -> int:
    """What a worker has beside the data, with the values that take most: of each fold's net, all at a time."""
    largest = _config(spec, _largest_of)
    values = {name: _values_of(spec.search[name], data) for name in _KEPT_BY if name in spec.search}
    each = (dict(zip(values, chosen, strict=True)) for chosen in product(*values.values()))
    return max(_bytes_of(replace(largest, **some), data, spec.folds or 1) for some in each)


def _values_of(dimension: Dimension, data: TrainingData) -> set[Any]:
    """Of many values some: what a net gets of a row is kept with few inputs and not with many."""
    if isinstance(dimension, Choices):
        return {*dimension.choices}
    low, high = int(dimension.low), int(dimension.high)
    most = max(low, min(high, max(data.training.inputs, _LOOKED_AT)))
    return {high, *np.linspace(low, most, _SOME).astype(int).tolist()}


def _bytes_of(config: TrainConfig, data: TrainingData, nets: int) -> int:
    classes, training = len(data.classes), data.training
    preprocessing = blank_preprocessing(Layout.of(training), config)
    inputs = preprocessing.inputs
    parameters = sum(math.prod(shape) for shape in trained_shapes(inputs, classes, config).values())
    kept = len(training) if preprocessing.is_kept(training) else 0
    if preprocessing.keeps_views(data.validation):
        kept += len(preprocessing.poses) * len(data.validation)
    batch = max(min(config.batch_size, len(training)), _LOOKED_AT)
    units = sum(layer_sizes(inputs, classes, config))
    numbers = kept * inputs + (_COPIES + bool(config.early_stopping)) * parameters + 3 * batch * units
    order = 3 * 8 * len(training)  # the rows in order, and those of an epoch
    second_moments = 8 * training.inputs**2 if config.preprocessing == "whiten" else 0
    components = second_moments // 2  # which are float32
    return max(nets * (4 * numbers + order + components), _EIGENVECTORS * second_moments)


def _config(spec: StudySpec, choose: Callable[[str, Dimension], Any]) -> TrainConfig:
    searched = {name: choose(name, dimension) for name, dimension in spec.search.items()}
    values: dict[str, Any] = {**defaults_of(spec), **spec.fixed, **searched}
    return TrainConfig(epochs=spec.budget.epochs, seed=0, **values)


def _middle_of(name: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choices):
        return dimension.choices[len(dimension.choices) // 2]
    low, high = dimension.low, dimension.high
    middle = np.sqrt(low * high) if dimension.log else (low + high) / 2
    return round(middle) if TYPES[name] is int else float(middle)


def _largest_of(_name: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choices):
        return dimension.choices[0] if isinstance(dimension.choices[0], str) else max(dimension.choices)
    return dimension.high


def _resident() -> int:
    """Bytes of memory that this process has; where the system does not say, the most that it ever had."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
