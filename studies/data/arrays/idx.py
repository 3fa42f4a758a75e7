"""IDX files of bytes, plain or gzipped, as MNIST has them (http://yann.lecun.com/exdb/mnist/)."""

import contextlib
import gzip
import math
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.arrays.files import StoredArray
from mlpsearch.studies.data.arrays.npy import MAX_BYTES


def idx_array(path: Path, dimensions: int) -> StoredArray:
    """Return the array of a file, by its header alone. Raises DataError, as read_idx does."""
    shape = idx_shape(path, dimensions)
    return StoredArray(path, str(path), shape, np.dtype(np.uint8), lambda: read_idx(path, dimensions))


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """An IDX file of bytes, plain or gzipped (.gz), as an array.

    dimensions: how many the array must have. Raises DataError for anything else, and for damaged files.
    """
    with _opened_idx(path, dimensions) as (stream, shape):
        size = math.prod(shape)
        content = stream.read(size + 1)
    if len(content) != size:
        raise DataError(
            f"{path}: its header states {size:,} bytes, it has {'fewer' if len(content) < size else 'more'}"
        )
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def idx_shape(path: Path, dimensions: int) -> tuple[int, ...]:
    """The shape of an IDX file's array, by its header. Raises DataError, as read_idx does.

    Of a file that is not gzipped, its length must be what the header states.
    """
    with _opened_idx(path, dimensions) as (stream, shape):
        if path.suffix != ".gz" and stream.seek(0, 2) != 4 + 4 * dimensions + math.prod(shape):
            raise DataError(f"{path}: its header states {math.prod(shape):,} bytes, it has fewer or more")
        return shape


@contextlib.contextmanager
def _opened_idx(path: Path, dimensions: int) -> Iterator[tuple[IO[bytes] | gzip.GzipFile, tuple[int, ...]]]:
    """The file behind its header, and the shape that the header states."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            header = np.frombuffer(stream.read(4 + 4 * dimensions), dtype=">u4").tolist()
            if len(header) != 1 + dimensions or header[0] != 0x0800 + dimensions:
                raise DataError(f"{path}: not an IDX file of bytes in {dimensions} dimensions")
            if not 0 < math.prod(header[1:]) <= MAX_BYTES:
                raise DataError(f"{path}: shape {header[1:]}: empty, or more than {MAX_BYTES:,} bytes")
            yield stream, tuple(header[1:])
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
