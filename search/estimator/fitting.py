"""Fitting a net to rows: a study of them is made, searched in this process, and its best trial's net is kept."""

import secrets
import time
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import RowsError
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.metrics import probabilities
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from mlpsearch.models.prediction import prediction_arrays, preprocessing_of
from mlpsearch.search.estimator.rows import Rows
from mlpsearch.search.results.winner import load_winner
from mlpsearch.search.study_texts import table_study
from mlpsearch.search.trials.ledger import Ledger
from mlpsearch.search.workers.worker import Worker
from mlpsearch.studies.creation import create_or_resume
from mlpsearch.studies.data.table_columns import TableSchema, are_numbers
from mlpsearch.studies.data.training import TrainingData, load_training
from mlpsearch.studies.files.base import FolderFiles
from mlpsearch.studies.record import StudyRecord
from mlpsearch.studies.spec.study import StudySpec
from mlpsearch.studies.spec.table_options import TableOptions
from mlpsearch.studies.study_data import kind_of_data, load_spec_data, source_of

if TYPE_CHECKING:
    import polars as pl

ROWS = "rows.parquet"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a fit is asked for. seconds: None for no limit.  epochs: None for what fits the number of rows."""

    net: str
    trials: int
    seconds: float | None
    epochs: int | None
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class FittedNet:
    """A trained net, as arrays: whichever net was trained, it is the same function.

    arrays: all that predictions need (models/prediction.py).  schema: the columns of the table.
    classes: the number of the class of each output.
    """

    arrays: dict[str, NDArray[Any]]
    config: TrainConfig
    schema: TableSchema
    classes: NDArray[np.int64]

    def probabilities(self, table: "pl.DataFrame") -> NDArray[np.float64]:
        """Return the probability of each class by its number, (N, classes).

        In float64, so that a row's do not depend on the rows beside it. Raises RowsError for a column of another
        kind than the one it was fitted to.
        """
        self._check_kinds(table)
        stored, columns = self.schema.encoded(table, "X"), self.schema.stored()
        count, width = stored.shape
        split = Split(stored, np.zeros(count, np.int64), np.arange(count), (1, width, 1), columns)
        preprocessing = preprocessing_of(self.arrays, self.config, columns)
        config = replace(self.config, precision="float32")
        net = NumpyNet(inputs=preprocessing.inputs, classes=len(self.classes), config=config, dtype=np.float64)
        net.load_parameters(self.arrays)
        shares = np.empty((count, len(self.classes)))
        shares[:, self.classes] = probabilities(net, split, preprocessing)
        return shares

    def _check_kinds(self, table: "pl.DataFrame") -> None:
        for column in self.schema.columns:
            cells = table[column.name]
            if column.kind == "number" and not are_numbers(cells, decimal_comma=column.decimal_comma):
                raise RowsError(f"X: column {column.name!r} must have numbers, as it had in fit")
            if column.kind == "date" and not column.format and not cells.dtype.is_temporal():
                raise RowsError(
                    f"X: column {column.name!r} must have dates, as it had in fit; it has {cells.dtype}"
                )


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What came of a search. study: its name in the storage.  score: of the best trial, on validation rows."""

    study: str
    net: FittedNet
    params: dict[str, Any]
    score: float


def fit(rows: Rows, wanted: Wanted, folder: Path, url: str, *, keep: bool) -> Found:
    """Search for the best net for these rows, in this process.

    folder: where the rows are while somebody asks for the study's data.  url: of its storage.
    keep: whether a copy of the rows stays with the study.
    Raises DataError for rows that are of no use, SpecError for what cannot be asked for, StudyError where no
    trial ends well.
    """
    started = time.monotonic()
    path = folder / ROWS
    rows.table.write_parquet(path)
    spec = _specification(path, rows.options, wanted)
    data = load_spec_data(spec, path)
    record = create_or_resume(url, spec, trials=None, source=source_of(data, path), kind=kind_of_data(data))
    try:
        if keep:
            _keep_rows(record, data, path)
        _search(record, data, None if wanted.seconds is None else started + wanted.seconds)
        return _found(record, rows.classes)
    finally:
        record.storage.close()


def _keep_rows(record: StudyRecord, data: TrainingData, path: Path) -> None:
    """Put a copy of the rows beside the study's weights, for reports and exports, where that is a folder."""
    files = record.files
    if isinstance(files, FolderFiles):
        files.write(ROWS, path.read_bytes())
        kept = (files.path / ROWS).absolute()
        record.set("source", source_of(data, kept))
        record.set("spec", record.spec.model_copy(update={"data": str(kept)}).to_json())


def _specification(path: Path, options: TableOptions, wanted: Wanted) -> StudySpec:
    """What `mlpsearch new` writes for such rows, but for what was asked for; nothing is confirmed or tested."""
    rows = load_training("table", path, validation=None, split_seed=0, options=options)
    name = f"classifier-{secrets.token_hex(4)}"
    keys = {"name": name, "net": wanted.net, "dataset": "table", "data": str(path)}
    document = tomllib.loads(table_study(rows, keys, options))
    document["seed"] = wanted.seed
    document["budget"]["trials"] = wanted.trials
    if wanted.epochs is not None:
        document["budget"]["epochs"] = wanted.epochs
    if wanted.seconds is not None:
        document["budget"]["seconds"] = wanted.seconds
    for key in ("confirm", "folds"):  # five times the work; a user's cross_val_score is the better judge
        document.pop(key, None)
    return StudySpec.from_json(document, "MLPSearchClassifier")


def _search(record: StudyRecord, data: TrainingData, deadline: float | None) -> None:
    """Run the trials until all are done or, with one done, the time is up; then leave the study stopped."""
    ledger = Ledger(record)

    def time_is_up() -> bool:
        return deadline is not None and time.monotonic() > deadline and ledger.best() is not None

    try:
        Worker(record, data, time_is_up).run()
    finally:
        if not ledger.is_complete():
            record.set("stopped", True)  # no worker of the storage goes on with it


def _found(record: StudyRecord, names: list[str]) -> Found:
    winner, best = load_winner(record), Ledger(record).best()
    table = winner.data.table
    assert table is not None and best is not None  # noqa: S101, PT018 - it is a table, and has a winner
    classes = np.array([names.index(name) for name in winner.data.classes])
    net = FittedNet(prediction_arrays(winner.net, winner.preprocessing), winner.config, table, classes)
    return Found(record.name, net, dict(best.params), winner.validation_accuracy)
