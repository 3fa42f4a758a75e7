"""Arrays some rows at a time, for whoever predicts them."""

from collections.abc import Generator
from pathlib import Path

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.arrays.files import array_frame, read_array
from mlpsearch.studies.data.tables.batches import ROWS, Batch

SUFFIXES = (".npy", ".npz")


def array_batches(path: Path) -> Generator[Batch, None, None]:
    """Yield the rows of a .npy file, or of the array x of a .npz archive, as tables of the columns x0, x1, …

    Raises DataError for what read_array refuses, and for other arrays than rows of numbers.
    """
    rows = read_array(path)
    if rows.ndim != 2 or rows.dtype.kind not in "biuf":
        raise DataError(f"{path}: must be rows of numbers, (N, columns); it has {rows.dtype} {rows.shape}")
    if not rows.size:
        raise DataError(f"{path}: has no rows")
    for start in range(0, len(rows), ROWS):
        yield Batch(array_frame(rows[start : start + ROWS]))
