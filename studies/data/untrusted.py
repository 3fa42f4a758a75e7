"""For files from anywhere: one error for all that a parser runs into, and bounds for a zip's table of contents."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlpsearch.models.errors import DataError

_ENTRY = b"PK\x01\x02"  # begins an entry of a zip's table of contents


@contextmanager
def as_data_error(what: str) -> Iterator[None]:
    """Make a DataError of whatever goes wrong in the body, `what: why` in one line, and let one pass as it is.

    Parsers meet bytes from anywhere and raise whatever their code runs into (struct.error, zlib.error, EOFError,
    ValueError, NotImplementedError, …): for the user each of them means that the file is broken.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        why = (error.strerror if isinstance(error, OSError) else None) or " ".join(str(error).split())
        raise DataError(f"{what}: {why or type(error).__name__}") from error


class BoundedZip(io.FileIO):
    """A file for zipfile, which would make an object of every entry in a table of contents of any size.

    members, size: how many entries and bytes that table may have. Raises zipfile.BadZipFile for more.
    """

    def __init__(self, path: Path, *, members: int, size: int):
        super().__init__(path)
        self._members = members
        self._size = size

    def read(self, size: int | None = -1) -> bytes:
        """Read as any file does, but no more at once than the table of contents may have."""
        wanted = self._size + 1 if size is None or size < 0 else size
        content = super().read(min(wanted, self._size + 1))
        if len(content) > self._size or content.count(_ENTRY) > self._members:
            raise zipfile.BadZipFile(
                f"more than {self._members:,} members, or a table of contents too large for them"
            )
        return content
