"""What a study's data are, what looks wrong with them, and what its search will take on this machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.inputs.data import Split
from mlpsearch.search.measuring import measure, memory_before_data
from mlpsearch.studies.data.table_columns import MISSING
from mlpsearch.studies.data.training import (
    FOLDS,
    LOPSIDED,
    TrainingData,
    check_images,
    remarks_on,
    validation_in_training,
)
from mlpsearch.studies.study_data import find_spec, load_spec_data

_FEW = 3_000  # rows in all: of fewer, an accuracy on validation rows is mostly luck
_RARE = 10  # rows of a class
_GIVES_AWAY = 0.98  # balanced accuracy of one column alone
_TREE_ROWS = 4_000


@dataclass(frozen=True, slots=True)
class Check:
    """What was understood of a study.

    training, validation, test: how many images or rows; of images nobody counts those of the test here: None.
        With folds, of the first.
    inputs: numbers of each, as stored.
    classes: how many of each class are among those for training and validation.
    columns: of a table, each with its kind, its categories and how many cells are empty.  left_out: name → why.
    validation_in_training, test_in_training: of a table, how many of these rows are training rows too (of the
        test, or validation rows), but for the label.
    remarks: what people should know.  warnings: what looks wrong.
    epoch_seconds: of one epoch of a configuration from the middle of the ranges, one thread.
    trial_seconds, search_seconds, confirm_seconds: what follows from that without pruning, with one worker.
    worker_bytes, shared_bytes: memory of one worker, at most, and what of it all workers have in common.
    """

    study: str
    net: str
    training: int
    validation: int
    test: int | None
    inputs: int
    classes: dict[str, int]
    columns: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    validation_in_training: int | None = None
    test_in_training: int | None = None
    remarks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    epoch_seconds: float = 0.0
    trial_seconds: float = 0.0
    search_seconds: float = 0.0
    confirm_seconds: float = 0.0
    worker_bytes: int = 0
    shared_bytes: int = 0


def check_study(study: str, url: str, data: str | None) -> Check:
    """Look at a study's file and data, and train for some seconds. No test image or row is looked at.

    study: a name of the catalog or the storage, or the path of a file.
    data: the images or the table, if not those that it names.
    Raises SpecError, StudyError and DataError for what no search could use.
    """
    spec, path = find_spec(study, url, data)
    remarks = check_images(spec.dataset, path, spec.data_options)
    before = memory_before_data(spec)
    images = load_spec_data(spec, path)
    cost, known = measure(spec, images, before), _known(images)
    run = cost.epoch_seconds * spec.budget.epochs
    trial = run * (spec.folds or 1)
    confirm = spec.confirm
    runs = 0 if confirm is None else confirm.report + (confirm.top * confirm.seeds if confirm.top > 1 else 0)
    return Check(
        study=spec.name,
        net=spec.net,
        training=len(images.training),
        validation=len(images.validation),
        test=None if images.sealed is None else images.sealed.rows,
        inputs=images.training.inputs,
        classes=_classes(images),
        columns=_columns(images),
        left_out={} if images.table is None else images.table.left_out,
        validation_in_training=known,
        test_in_training=None if images.sealed is None else images.sealed.also_in_training,
        remarks=[*remarks, *remarks_on(images)],
        warnings=[*_warnings(images, known)],
        epoch_seconds=cost.epoch_seconds,
        trial_seconds=trial,
        search_seconds=trial * spec.budget.trials,
        confirm_seconds=run * runs,
        worker_bytes=cost.worker_bytes,
        shared_bytes=cost.shared_bytes,
    )


def warnings_about(images: TrainingData) -> list[str]:
    """Return what looks wrong with the data, a line each."""
    return [*_warnings(images, _known(images))]


def _known(images: TrainingData) -> int | None:
    return None if images.table is None else validation_in_training(images)


def _classes(images: TrainingData) -> dict[str, int]:
    return dict(zip(images.classes, images.class_counts().tolist(), strict=True))


def _counts(split: Split, classes: int) -> NDArray[np.int64]:
    return np.bincount(split.labels[split.rows], minlength=classes)


def _columns(images: TrainingData) -> list[dict[str, Any]]:
    if images.table is None:
        return []
    found, place = [], 0
    for column in images.table.columns:
        cells = np.asarray(images.training.images[:, place])
        empty = np.isnan(cells).sum() if column.kind != "category" else _empty(cells, column.categories)
        values = {*column.categories, *column.together} - {MISSING}
        found.append({"name": column.name, "kind": column.kind, "categories": len(values), "empty": int(empty)})
        place += len(column.stored())
    return found


def _empty(codes: NDArray[np.float64], categories: list[str]) -> int:
    return int((codes == categories.index(MISSING)).sum()) if MISSING in categories else 0


# ---- what looks wrong ----


def _warnings(images: TrainingData, known: int | None) -> Iterator[str]:
    counts = _classes(images)
    total, most = sum(counts.values()), max(counts, key=lambda name: counts[name])
    if counts[most] > LOPSIDED * total:
        share = counts[most] / total
        yield (
            f"{share:.1%} are {most!r}: a net that says nothing else has that accuracy; "
            "metric = 'balanced-accuracy' or 'auc' says more, and class_weights = 'balanced' helps them"
        )
    rare = [name for name, count in counts.items() if count < _RARE]
    if rare:
        more = f", and {len(rare) - 1} more are as rare" if len(rare) > 1 else ""
        yield f"class {rare[0]!r} has {counts[rare[0]]}{more}: too few to learn or to judge"
    if total < _FEW and images.folds is None:
        error = 100 * np.sqrt(0.25 / len(images.validation))
        can_have_folds = images.validation_folder is None and not images.is_ordered and total >= FOLDS
        remedy = f"; `folds = {FOLDS}` judges them by all {total:,}" if can_have_folds else ""
        yield (
            f"{len(images.validation):,} for validation are few: one standard error of an accuracy is up to "
            f"{error:.1f} points, so trials are told apart by luck as well{remedy}"
        )
    yield from _one_sided(images)
    if known:
        yield (
            f"validation rows that are training rows as well, but for the label: {known:,} of "
            f"{len(images.validation):,}: they favour what is learnt by heart"
        )
    if images.sealed is not None and images.sealed.also_in_training:
        yield (
            "test rows that are training or validation rows as well, but for the label: "
            f"{images.sealed.also_in_training:,} of {images.sealed.rows:,}: the test says less of new rows"
        )
    if images.sealed is not None and images.sealed.in_training_groups:
        yield (
            "test rows of a group that training or validation rows are of as well: "
            f"{images.sealed.in_training_groups:,} of {images.sealed.rows:,}: the test says less of new groups"
        )
    for name, accuracy in _that_give_away(images):
        yield f"column {name!r} alone gives the class away ({accuracy:.1%}): looks like a leak"


def _one_sided(images: TrainingData) -> Iterator[str]:
    """Classes that a split lacks. A class that only the test has is refused before."""
    training, validation = (
        [images.classes[place] for place in np.flatnonzero(_counts(split, len(images.classes)) == 0)]
        for split in (images.training, images.validation)
    )
    sides: list[tuple[str, Sequence[str], str]] = [
        ("the training", training, "no net learns it"),
        ("the validation", validation, "what a net makes of it does not count"),
        ("the test", images.sealed.missing_classes if images.sealed else (), "the test says nothing of it"),
    ]
    for side, names, so in sides:
        if names:
            more = f", nor of {len(names) - 1} more" if len(names) > 1 else ""
            yield f"{side} has no row of class {names[0]!r}{more}: {so}"


def _that_give_away(images: TrainingData) -> Iterator[tuple[str, float]]:
    """Columns whose values alone tell the class, with how well a tree does on rows that it has not seen."""
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.tree import DecisionTreeClassifier

    rows, labels, classes = _enough_of_each_class(images.training.sample(_TREE_ROWS))
    if classes < 2:
        return
    half, other = slice(0, None, 2), slice(1, None, 2)
    place = 0
    for column in images.table.columns if images.table else ():
        width = len(column.stored())
        values = np.nan_to_num(rows[:, place : place + width], nan=-1e9)
        tree = DecisionTreeClassifier(max_leaf_nodes=max(8, 2 * classes), random_state=0)
        guessed = tree.fit(values[half], labels[half]).predict(values[other])
        accuracy = float(balanced_accuracy_score(labels[other], guessed))
        if accuracy >= _GIVES_AWAY:
            yield column.name, accuracy
        place += width


def _enough_of_each_class(sample: Split) -> tuple[NDArray[Any], NDArray[np.int64], int]:
    """Rows and labels by class, of the classes that have enough of them; and how many classes these are."""
    labels = sample.labels[sample.rows]
    counts = np.bincount(labels)
    order = np.argsort(labels, kind="stable")
    order = order[counts[labels[order]] >= _RARE]
    return np.asarray(sample.images[sample.rows[order]]), labels[order], int((counts >= _RARE).sum())
