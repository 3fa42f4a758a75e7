"""The exported weights: a safetensors file with all that a prediction needs, the arrays of models.prediction."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mlpsearch.models.errors import ExportError, WeightsError
from mlpsearch.models.inputs.tables import TABLE_ARRAYS
from mlpsearch.models.prediction import prediction_shapes
from mlpsearch.models.weights import check_shapes, digest, load_arrays, save_arrays
from mlpsearch.search.export.document import Export

WEIGHTS = "weights.safetensors"  # in an exported folder


def write_parameters(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """Write the file. Raises ExportError where that cannot be done, or its name does not say what it is."""
    if path.suffix.lower() != ".safetensors":
        raise ExportError(f"{path}: must end in .safetensors", path=path)
    try:
        save_arrays(path, arrays, {})
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})", path=path) from error


def read_parameters(path: Path, export: Export) -> dict[str, NDArray[Any]]:
    """Return the arrays of the export's file. Raises WeightsError for anything but those that it speaks of."""
    arrays, _ = load_arrays(path)
    shapes = prediction_shapes(export.data.layout(), len(export.data.classes), export.train_config())
    check_shapes(path, arrays, shapes, TABLE_ARRAYS)
    if digest(arrays) != export.weights_digest:
        raise WeightsError(f"{path}: not the weights of this export (their digest is another)", path=path)
    return arrays
