"""The exported weights: a safetensors file with all that predictions need, the arrays of models.prediction.

Those of several nets have the number of their net before their names: 0.weight.0, 0.bias.0, …, 1.weight.0. What
turns pixels or columns into inputs (ENCODERS) has no number where it is the same for all nets that have it.
"""

import stat
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import ExportError, WeightsError
from mlpsearch.models.inputs.poses import Pose, poses_of
from mlpsearch.models.inputs.tables import TABLE_ARRAYS
from mlpsearch.models.prediction import prediction_shapes
from mlpsearch.models.weights import check_shapes, digest, load_arrays, save_arrays
from mlpsearch.search.export.document import AnyExport, Export

WEIGHTS = "weights.safetensors"  # in an exported folder
ENCODERS = frozenset({"offset", "scale", "projection", *TABLE_ARRAYS})
_MOST_HEADER = 10_000_000  # bytes, of the names and shapes in a file

Arrays = dict[str, NDArray[Any]]
InputsKey = tuple[str, tuple[Pose, ...], str]


def write_parameters(arrays: Arrays, path: Path) -> None:
    """Write the file. Raises ExportError where that cannot be done, or its name does not say what it is."""
    if path.suffix.lower() != ".safetensors":
        raise ExportError(f"{path}: must end in .safetensors", path=path)
    try:
        save_arrays(path, arrays, {})
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})", path=path) from error


def arrays_together(nets: Sequence[Arrays]) -> Arrays:
    """Return the arrays of several nets by the names that they have in one file."""
    shared = {name: arrays[name] for arrays in nets for name in arrays.keys() & ENCODERS}
    for name, array in [*shared.items()]:
        if any(digest({name: arrays[name]}) != digest({name: array}) for arrays in nets if name in arrays):
            del shared[name]
    return shared | {
        f"{place}.{name}": array
        for place, arrays in enumerate(nets)
        for name, array in arrays.items()
        if name not in shared
    }


def inputs_key(config: TrainConfig, arrays: Arrays) -> InputsKey:
    """Return what is equal for nets that get the same of each image or row."""
    encoders = {name: array for name, array in arrays.items() if name in ENCODERS}
    return config.preprocessing, poses_of(config), digest(encoders)


def read_parameters(path: Path, export: AnyExport) -> list[Arrays]:
    """Return the arrays of each net of the export's file.

    Raises WeightsError for anything but those that the export speaks of; a file that is too large for them is not
    read.
    """
    nets = export.nets()
    shapes = [prediction_shapes(net.data.layout(), len(net.data.classes), net.train_config()) for net in nets]
    _refuse_large(path, sum(8 * prod(shape) for of_net in shapes for shape in of_net.values()))
    arrays, _ = load_arrays(path)
    expected, names = dict[str, tuple[int, ...]](), list[dict[str, str]]()
    for place, of_net in enumerate(shapes):
        names.append({})
        for name, shape in of_net.items():
            is_shared = name in ENCODERS and name in arrays and expected.get(name, shape) == shape
            in_file = name if is_shared or isinstance(export, Export) else f"{place}.{name}"
            names[place][name], expected[in_file] = in_file, shape
    check_shapes(path, arrays, expected, {name for name in expected if name.split(".")[-1] in TABLE_ARRAYS})
    found = [{name: arrays[in_file] for name, in_file in of_net.items()} for of_net in names]
    for place, (net, own) in enumerate(zip(nets, found, strict=True)):
        if digest(own) != net.weights_digest:
            which = "" if isinstance(export, Export) else f" of net {place}"
            raise WeightsError(
                f"{path}: not the weights of this export (their digest{which} is another)", path=path
            )
    return found


def _refuse_large(path: Path, most: int) -> None:
    try:
        status = path.stat()
    except OSError:
        return  # whoever opens it says why it cannot be read
    if not stat.S_ISREG(status.st_mode):
        raise WeightsError(f"{path}: is no file", path=path)
    if status.st_size > most + _MOST_HEADER:
        raise WeightsError(
            f"{path}: has {status.st_size:,} bytes, and the weights of this export at most {most:,}", path=path
        )
