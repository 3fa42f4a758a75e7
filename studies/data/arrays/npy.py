"""The header of a .npy file (numpy.lib.format): what it states is checked before anything is made of it.

NumPy's own reader is not used: it reads a header of any length before it refuses it, and makes an array of the
size that a header states before the bytes are there.
"""

import ast
import re
from dataclasses import dataclass
from math import prod
from typing import IO, Any

import numpy as np

from mlpsearch.models.errors import DataError

MAX_BYTES = 4 * 2**30  # of an array
SAVE = "save it with numpy.savez(path, X=…, y=…)"
_MAGIC = b"\x93NUMPY"
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}  # of the header's length, by version
_MAX_HEADER = 1_024  # NumPy writes 118 bytes, or a little more
_MAX_DIMENSIONS = 4
# Truth values, numbers and text of a fixed width.
_TYPES = re.compile(r"[<>|=]?(?:b1|\?|[iu][1248]|f[248]|[SU][1-9]\d{0,5})")
_OBJECTS = re.compile(r"\|?O")


@dataclass(frozen=True, slots=True)
class Form:
    """How an array lies in its file.

    columns_first: whether the first index moves fastest (Fortran's order).  start: bytes in front of the numbers.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    columns_first: bool
    start: int

    @property
    def bytes(self) -> int:
        """How many the numbers take."""
        return prod(self.shape) * self.dtype.itemsize


def read_form(stream: IO[bytes], where: str) -> Form:
    """Read the header of an array; the numbers come next in the stream.

    where: the file, for messages.
    Raises DataError for other headers, objects, and arrays that are empty or too large.
    """
    start = stream.read(8)
    if len(start) < 8 or not start.startswith(_MAGIC) or start[6] not in _LENGTH_BYTES:
        raise DataError(f"{where}: is no array as numpy.save writes it")
    count = _LENGTH_BYTES[start[6]]
    length = int.from_bytes(stream.read(count), "little")
    if length > _MAX_HEADER:
        raise DataError(f"{where}: has a header of {length:,} bytes: at most {_MAX_HEADER:,} are allowed")
    header = stream.read(length)
    if len(header) < length:
        raise DataError(f"{where}: ends in its header: cut off or damaged")
    descr, columns_first, shape = _fields(header, where)
    form = Form(shape, _dtype(descr, where), columns_first, 8 + count + length)
    if form.bytes > MAX_BYTES:
        raise DataError(f"{where}: has {form.bytes:,} bytes: at most {MAX_BYTES:,} are allowed")
    return form


def _fields(header: bytes, where: str) -> tuple[object, bool, tuple[int, ...]]:
    try:
        fields = ast.literal_eval(header.decode("latin-1").strip())
        descr, columns_first, shape = (fields.pop(name) for name in ("descr", "fortran_order", "shape"))
    # A text from anywhere may be any Python: too deep for the parser, or no dictionary with these keys.
    except (SyntaxError, ValueError, TypeError, AttributeError, KeyError, MemoryError, RecursionError) as error:
        raise DataError(f"{where}: its header is not one that numpy.save writes") from error
    sound = isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)
    if fields or not sound or not isinstance(columns_first, bool):
        raise DataError(f"{where}: its header is not one that numpy.save writes")
    if not 1 <= len(shape) <= _MAX_DIMENSIONS:
        raise DataError(f"{where}: has {len(shape)} dimensions: 1 to {_MAX_DIMENSIONS} are allowed")
    if 0 in shape:
        raise DataError(f"{where}: is empty, its shape is {shape}")
    return descr, columns_first, shape


def _dtype(descr: object, where: str) -> np.dtype[Any]:
    if isinstance(descr, str) and _OBJECTS.fullmatch(descr):
        raise DataError(
            f"{where}: holds Python objects, which only unpickling could read, and a pickle can run any program: "
            f"give the array another dtype, and {SAVE}"
        )
    if not isinstance(descr, str) or not _TYPES.fullmatch(descr):
        shown = repr(descr)[:60]
        raise DataError(f"{where}: holds {shown}: numbers, truth values and text are allowed")
    return np.dtype(descr)
