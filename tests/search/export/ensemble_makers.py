"""Ensembles of studies, exported."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.metrics import probabilities
from mlpsearch.search.export.document import EnsembleExport, read_export
from mlpsearch.search.export.ensembles import Ensemble, Kind, export_ensemble, find_ensemble
from mlpsearch.studies.record import StudyRecord

KINDS: tuple[Kind, ...] = ("winner", "greedy")


def write(record: StudyRecord, folder: Path, kind: Kind = "winner", *, onnx: bool = False) -> Ensemble:
    ensemble = find_ensemble(record, kind)
    export_ensemble(record, ensemble, folder, onnx=onnx)
    return ensemble


def read(folder: Path) -> EnsembleExport:
    export = read_export(folder)
    assert isinstance(export, EnsembleExport)
    return export


def averaged(ensemble: Ensemble) -> NDArray[np.float64]:
    """The probabilities of the nets in memory on the validation rows, weighted."""
    shares = [probabilities(one.net, one.data.validation, one.preprocessing) for one in ensemble.nets]
    return np.asarray(np.average(np.asarray(shares, np.float64), axis=0, weights=ensemble.weights))
