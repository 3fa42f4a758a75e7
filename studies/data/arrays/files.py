"""Arrays in .npy files and in .npz archives: untrusted, so bounded in size, and nothing is unpickled or unpacked.

Of an archive, only members of plain names are looked at, and none is written anywhere. What an archive states of
its members is compared with the arrays' own headers before memory is taken, and with what comes.
"""

import io
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.arrays.npy import SAVE, Form, read_form
from mlpsearch.studies.data.untrusted import BoundedZip, as_data_error

if TYPE_CHECKING:
    import polars as pl

_MAX_MEMBERS = 1_000
_MAX_DIRECTORY_BYTES = 2**20  # of an archive's table of contents
_CHUNK = 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of numpy.savez and numpy.savez_compressed
_ENCRYPTED = 0x1
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")
_OTHERS = (".mat", ".h5", ".hdf5", ".npk", ".zarr", ".tfrecord")
X = "x"  # the array of rows, in any case of letters


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array in a file, of which nothing but the header is read yet.

    path: the file.  where: the array, for messages.
    read: gives it, of that shape and dtype; memory-mapped where that can be. Raises DataError for damaged files.
    """

    path: Path
    where: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], NDArray[Any]]


def read_array(path: Path, name: str = X) -> NDArray[Any]:
    """Return the array of a .npy file, or the one of this name in a .npz archive, in any case of letters.

    An archive with a single array may call it anything. Raises DataError for what is missing, damaged, too large,
    or is no such file.
    """
    refuse_other_forms(path)
    if path.suffix.lower() == ".npy":
        return npy_array(path).read()
    if path.suffix.lower() != ".npz":
        raise DataError(f"{path}: must be a .npy or .npz file")
    arrays = npz_arrays(path)
    if name not in arrays and len(arrays) == 1:
        return next(iter(arrays.values())).read()
    if name not in arrays:
        raise DataError(f"{path}: has no array {name!r} (it has {listed(arrays)})")
    return arrays[name].read()


def array_frame(rows: NDArray[Any]) -> "pl.DataFrame":
    """Return rows of numbers, (N, columns), as a table whose columns are x0, x1, … of float64."""
    import polars as pl

    columns = np.ascontiguousarray(rows.T, np.float64)
    return pl.DataFrame({f"x{number}": column for number, column in enumerate(columns)})


def refuse_other_forms(path: Path) -> None:
    """Raise DataError for the name of a pickle, or of a file of arrays that is not read."""
    suffix = path.suffix.lower()
    if suffix in _PICKLES:
        raise DataError(f"{path}: a pickle can run any program, so it is not read: {SAVE}")
    if suffix in _OTHERS:
        raise DataError(f"{path}: {suffix} files are not read: {SAVE}")


def listed(names: "dict[str, Any]") -> str:
    """Return some of the names, for messages."""
    return ", ".join(map(repr, [*names][:8])) + (", …" if len(names) > 8 else "") if names else "none"


def npy_array(path: Path) -> StoredArray:
    """Return the array of a .npy file, whose numbers are memory-mapped when they are read."""
    with reading(path), path.open("rb") as file:
        form = read_form(file, str(path))
        found = file.seek(0, io.SEEK_END) - form.start
    if found != form.bytes:
        raise DataError(f"{path}: its header states {form.bytes:,} bytes, it has {found:,}")

    def read() -> NDArray[Any]:
        order = "F" if form.columns_first else "C"
        with reading(path):  # shorter than a moment ago: no memory is mapped behind its end
            return np.memmap(path, form.dtype, "r", form.start, form.shape, order)  # type: ignore[call-overload,no-any-return]

    return StoredArray(path, str(path), form.shape, form.dtype, read)


def npz_arrays(path: Path) -> dict[str, StoredArray]:
    """Return the arrays of a .npz archive by their names in small letters.

    Raises DataError for a file that is no sound archive, and for two arrays of one name.
    """
    arrays = dict[str, StoredArray]()
    with _opened(path) as archive:
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if "/" in name or "\\" in name or name == member.filename:
                continue
            if name.lower() in arrays:
                raise DataError(f"{path}: has two arrays {name.lower()!r}, in the same or other letters")
            arrays[name.lower()] = _member(
                path, archive, member, f"{path}: {name if name.isprintable() else ascii(name)}"
            )
    return arrays


def _member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str) -> StoredArray:
    if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
        raise DataError(f"{where}: is encrypted, or packed in another way than numpy.savez does: {SAVE}")
    with archive.open(member) as stream:
        form = read_form(stream, where)
    if form.start + form.bytes != member.file_size:
        stated = member.file_size - form.start
        raise DataError(f"{where}: its header states {form.bytes:,} bytes, the archive {stated:,}")

    def read() -> NDArray[Any]:
        with _opened(path) as again, again.open(member) as stream:
            if read_form(stream, where) != form:
                raise DataError(f"{where}: changed while it was read")
            content = _exactly(stream, form, where)
        return content.view(form.dtype).reshape(form.shape, order="F" if form.columns_first else "C")

    return StoredArray(path, where, form.shape, form.dtype, read)


def _exactly(stream: IO[bytes], form: Form, where: str) -> NDArray[np.uint8]:
    """The bytes of the numbers; their memory is taken page by page, as they come."""
    content = np.empty(form.bytes, np.uint8)
    place = 0
    while chunk := stream.read(_CHUNK):
        if place + len(chunk) > form.bytes:
            raise DataError(f"{where}: unpacks to more than it states")
        content[place : place + len(chunk)] = np.frombuffer(chunk, np.uint8)
        place += len(chunk)
    if place < form.bytes:
        raise DataError(f"{where}: ends too early: is the download complete?")
    return content


def reading(path: Path) -> AbstractContextManager[None]:
    """Make a DataError of whatever goes wrong with a file or folder of arrays."""
    return as_data_error(f"{path}: cannot be read as arrays")


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    bounds = {"members": _MAX_MEMBERS, "size": _MAX_DIRECTORY_BYTES}
    with reading(path), BoundedZip(path, **bounds) as file, zipfile.ZipFile(file) as archive:
        yield archive
