"""What a study's data are, what looks wrong with them, and how long its search will take on this machine."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models import build_net
from mlpsearch.models.config import TYPES, TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.metrics import predict_split
from mlpsearch.models.prediction import statistics
from mlpsearch.models.threads import limited_threads
from mlpsearch.studies.data.duplicates import count_known
from mlpsearch.studies.data.table_columns import MISSING
from mlpsearch.studies.data.training import TrainingData, check_images, remarks_on_validation
from mlpsearch.studies.spec.dimensions import Choices, Dimension
from mlpsearch.studies.spec.space import defaults_of
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.study_data import find_spec, load_spec_data

_STEPS_SECONDS = 1.5  # of training, to tell how long an epoch takes
_LOPSIDED = 0.8  # the share of one class above which its share is an accuracy that says nothing
_FEW = 3_000  # rows in all: of fewer, an accuracy on validation rows is mostly luck
_GIVES_AWAY = 0.98  # balanced accuracy of one column alone
_TREE_ROWS = 4_000


@dataclass(frozen=True, slots=True)
class Check:
    """What was understood of a study.

    training, validation: how many images or rows; with folds, of the first.  inputs: numbers of each, as stored.
    classes: how many of each class are among them.
    columns: of a table, each with its kind, its categories and how many cells are empty.  left_out: name → why.
    remarks: what people should know.  warnings: what looks wrong.
    epoch_seconds: of one epoch of a configuration from the middle of the ranges, one thread.
    trial_seconds, search_seconds, confirm_seconds: what follows from that without pruning, with one worker.
    """

    study: str
    net: str
    training: int
    validation: int
    inputs: int
    classes: dict[str, int]
    columns: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    epoch_seconds: float = 0.0
    trial_seconds: float = 0.0
    search_seconds: float = 0.0
    confirm_seconds: float = 0.0


def check_study(study: str, url: str, data: str | None) -> Check:
    """Look at a study's file and data, and train for some seconds. No test image or row is looked at.

    study: a name of the catalog or the storage, or the path of a file.
    data: the images or the table, if not those that it names.
    Raises SpecError, StudyError and DataError for what no search could use.
    """
    spec, path = find_spec(study, url, data)
    remarks = check_images(spec.dataset, path, spec.data_options)
    images = load_spec_data(spec, path)
    seconds = _epoch_seconds(spec, images)
    run = seconds * spec.budget.epochs
    trial = run * (spec.folds or 1)
    confirm = spec.confirm
    runs = 0 if confirm is None else confirm.report + (confirm.top * confirm.seeds if confirm.top > 1 else 0)
    return Check(
        study=spec.name,
        net=spec.net,
        training=len(images.training),
        validation=len(images.validation),
        inputs=images.training.inputs,
        classes=_classes(images),
        columns=_columns(images),
        left_out={} if images.table is None else images.table.left_out,
        remarks=[*remarks, *remarks_on_validation(images)],
        warnings=[*_warnings(images)],
        epoch_seconds=seconds,
        trial_seconds=trial,
        search_seconds=trial * spec.budget.trials,
        confirm_seconds=run * runs,
    )


def _classes(images: TrainingData) -> dict[str, int]:
    counts = sum(
        np.bincount(split.labels[split.rows], minlength=len(images.classes))
        for split in (images.training, images.validation)
    )
    return dict(zip(images.classes, np.asarray(counts).tolist(), strict=True))


def _columns(images: TrainingData) -> list[dict[str, Any]]:
    if images.table is None:
        return []
    found, place = [], 0
    for column in images.table.columns:
        cells = np.asarray(images.training.images[:, place])
        empty = np.isnan(cells).sum() if column.kind != "category" else _empty(cells, column.categories)
        found.append(
            {"name": column.name, "kind": column.kind, "categories": len(column.categories), "empty": int(empty)}
        )
        place += len(column.stored())
    return found


def _empty(codes: NDArray[np.float64], categories: list[str]) -> int:
    return int((codes == categories.index(MISSING)).sum()) if MISSING in categories else 0


def _warnings(images: TrainingData) -> Iterator[str]:
    counts = _classes(images)
    total, most = sum(counts.values()), max(counts, key=lambda name: counts[name])
    if counts[most] > _LOPSIDED * total:
        share = counts[most] / total
        yield f"{share:.1%} are {most!r}: a net that says nothing else has that accuracy"
    rare = [name for name, count in counts.items() if count < 10]
    if rare:
        more = f", and {len(rare) - 1} more have as few" if len(rare) > 1 else ""
        yield f"class {rare[0]!r} has {counts[rare[0]]}{more}: too few to learn or to judge"
    if total < _FEW and images.folds is None:
        error = 100 * np.sqrt(0.25 / len(images.validation))
        yield (
            f"{len(images.validation):,} for validation are few: one standard error of an accuracy is up to "
            f"{error:.1f} points, so trials are told apart by luck as well; "
            f"`folds = 5` judges them by all {total:,}"
        )
    if images.table is None:
        return
    known = count_known(_rows(images.validation), [_rows(images.training)])
    if known:
        yield f"{known:,} of {len(images.validation):,} validation rows are training rows as well"
    for name, accuracy in _that_give_away(images):
        yield f"column {name!r} alone gives the class away ({accuracy:.1%}): looks like a leak"


def _rows(split: Split) -> NDArray[Any]:
    return np.asarray(split.images[split.rows])


def _that_give_away(images: TrainingData) -> Iterator[tuple[str, float]]:
    """Columns whose values alone tell the class, with how well a tree does on rows that it has not seen."""
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    sample = images.training.sample(_TREE_ROWS)
    rows, labels = _rows(sample), sample.labels[sample.rows]
    half, other = slice(0, None, 2), slice(1, None, 2)
    if len(np.unique(labels[half])) < len(images.classes) or len(labels) < 10 * len(images.classes):
        return
    place = 0
    for column in images.table.columns if images.table else ():
        width = len(column.stored())
        values = np.nan_to_num(rows[:, place : place + width], nan=-1e9)
        tree = DecisionTreeClassifier(max_leaf_nodes=max(8, 2 * len(images.classes)), random_state=0)
        guessed = tree.fit(values[half], labels[half]).predict(values[other])
        accuracy = float(balanced_accuracy_score(labels[other], guessed))
        if accuracy >= _GIVES_AWAY:
            yield column.name, accuracy
        place += width


def _epoch_seconds(spec: StudySpec, images: TrainingData) -> float:
    """Of one epoch in the middle of the ranges: some steps and a look at the validation split, measured."""
    config = _middle(spec)
    with limited_threads(1):
        preprocessing = statistics(images.training).preprocessing(config)
        net = build_net(spec.net, inputs=preprocessing.inputs, classes=len(images.classes), config=config)
        batches, steps, started = net.batches(images.training, config, preprocessing), 0, time.perf_counter()
        for pixels, labels in batches.epoch(1):
            float(net.train_batch(pixels, labels))
            steps += 1
            if time.perf_counter() - started > _STEPS_SECONDS:
                break
        step = (time.perf_counter() - started) / steps
        started = time.perf_counter()
        predict_split(net, images.validation, preprocessing)
        return step * len(batches) + time.perf_counter() - started


def _middle(spec: StudySpec) -> TrainConfig:
    searched = {name: _middle_of(name, dimension) for name, dimension in spec.search.items()}
    values: dict[str, Any] = {**defaults_of(spec), **spec.fixed, **searched}
    return TrainConfig(epochs=spec.budget.epochs, seed=0, **values)


def _middle_of(name: str, dimension: Dimension) -> Any:
    if isinstance(dimension, Choices):
        return dimension.choices[len(dimension.choices) // 2]
    low, high = dimension.low, dimension.high
    middle = np.sqrt(low * high) if dimension.log else (low + high) / 2
    return round(middle) if TYPES[name] is int else float(middle)
