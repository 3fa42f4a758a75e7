"""Arrays in safetensors files: written atomically, and never unpickled."""

import hashlib
import json
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from mlpsearch.models.errors import WeightsError
from mlpsearch.models.paths import write_atomically


def save_arrays(path: Path, arrays: dict[str, NDArray[Any]], metadata: dict[str, str]) -> None:
    """Write the arrays, by name, and the metadata into one file."""
    write_atomically(path, pack_arrays(arrays, metadata))


def pack_arrays(arrays: dict[str, NDArray[Any]], metadata: dict[str, str]) -> bytes:
    """Return the content of a file with the arrays, by name, and the metadata."""
    # Not np.ascontiguousarray: that gives an array of no dimensions, Adam's count of steps, one of them.
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content: bytes = save(contiguous, metadata)
    return content


def load_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays and the metadata.

    Raises WeightsError for a file that is missing, truncated, or no safetensors file.
    """
    with _readable(path), safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        return arrays, file.metadata() or {}


def unpack_arrays(content: bytes, where: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays and the metadata of a file's content; where: its name, for the WeightsError."""
    with _readable(where):
        arrays = load(content)  # which checks that the header is sound
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        return arrays, header.get("__metadata__") or {}


@contextmanager
def _readable(where: Path | str) -> Iterator[None]:
    try:
        yield
    # AttributeError, KeyError: of a dtype that NumPy has no name for, such as the 8-bit floats.
    except (OSError, SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(
            f"{where}: not a readable safetensors file ({_first_line(error)})", path=where
        ) from error


def check_shapes(
    where: Path | str,
    arrays: dict[str, NDArray[Any]],
    expected: dict[str, tuple[int, ...]],
    float64: Set[str] = frozenset(),
) -> None:
    """Raise WeightsError unless the arrays have the expected names and shapes, and are float32 and finite.

    where: the name of their file.  float64: the names of those that must be float64.
    """
    found = {name: array.shape for name, array in arrays.items()}
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            given, wanted = found.get(name, "nothing"), expected.get(name, "nothing")
            shown = name if name.isprintable() else ascii(name)
            raise WeightsError(f"{where}: {shown} is {given}, must be {wanted}", path=where)
        dtype = "float64" if name in float64 else "float32"
        if arrays[name].dtype != dtype:
            raise WeightsError(f"{where}: {name} is of type {arrays[name].dtype}, must be {dtype}", path=where)
        if not np.isfinite(arrays[name]).all():
            raise WeightsError(f"{where}: {name} has values that are not finite", path=where)


def digest(arrays: dict[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of the arrays' names, types, shapes and values, in hexadecimal digits."""
    content = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        content.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        content.update(array.tobytes())
    return content.hexdigest()


def _first_line(error: Exception) -> str:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return "".join(letter if letter.isprintable() else " " for letter in first)  # it may quote the file
