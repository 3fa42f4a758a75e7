"""What an exported folder holds, where it is of one net, and what its ONNX model answers."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mlpsearch.search.export import document, parameters
from mlpsearch.search.export.document import Export


def read_export(path: Path) -> Export:
    """The document."""
    export = document.read_export(path)
    assert isinstance(export, Export)
    return export


def read_parameters(path: Path, export: Export) -> dict[str, NDArray[Any]]:
    """The arrays of the net."""
    (arrays,) = parameters.read_parameters(path, export)
    return arrays


def run(model: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The probabilities that onnxruntime gives images."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": images})
    assert isinstance(found, np.ndarray)
    return found
