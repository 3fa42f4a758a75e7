"""What a Parquet file will take in memory, by its own tables: read before anybody unpacks it.

The format is that of https://parquet.apache.org/docs/file-format/. Its tables are in Thrift's compact protocol, of
which this reads all there is, into dictionaries by field number. The footer is not taken at its word: what is
counted are the sizes in front of the pages, which a reader makes room for.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlpsearch.models.errors import DataError

_MAGIC = b"PAR1"
_MAX_FOOTER_BYTES = 64 * 2**20
_DEEPEST = 16
# Field numbers of parquet.thrift.
_FILE_ROW_GROUPS, _FILE_NOTES = 4, 5
_GROUP_COLUMNS, _GROUP_ROWS = 1, 3
_COLUMN_FILE, _COLUMN_META = 1, 3
_META_PATH, _META_PACKED, _META_DATA_PAGE, _META_DICTIONARY_PAGE = 3, 7, 9, 11
_PAGE_UNPACKED, _PAGE_PACKED = 2, 3


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows that are stored together. rows: how many.  sizes: column → bytes of its pages, unpacked."""

    rows: int
    sizes: dict[str, int]


@dataclass(frozen=True, slots=True)
class ParquetSizes:
    """What stands in a file. notes: texts that the program which wrote it has left, by their keys."""

    groups: list[RowGroup]
    notes: dict[str, bytes]


def read_sizes(path: Path) -> ParquetSizes:
    """Read the tables of a Parquet file, and no value. Raises DataError for what is none, or is damaged."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _sizes(content, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (IndexError, KeyError, TypeError, ValueError, AttributeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable Parquet file") from error


def _sizes(content: mmap.mmap, path: Path) -> ParquetSizes:
    size = int.from_bytes(content[-8:-4], "little")
    if len(content) < 12 or content[:4] != _MAGIC or content[-4:] != _MAGIC or size > len(content) - 12:
        raise ValueError("no Parquet file")
    if size > _MAX_FOOTER_BYTES:
        raise DataError(f"{path}: its table of contents has more than {_MAX_FOOTER_BYTES:,} bytes")
    footer = _Thrift(content[-8 - size : -8]).struct()
    notes = {note[1].decode(): note[2] for note in footer.get(_FILE_NOTES, []) if 2 in note}
    return ParquetSizes([_group(content, group, path) for group in footer[_FILE_ROW_GROUPS]], notes)


def _group(content: mmap.mmap, group: dict[int, Any], path: Path) -> RowGroup:
    sizes = {}
    for column in group[_GROUP_COLUMNS]:
        if _COLUMN_FILE in column:
            raise DataError(f"{path}: has columns in another file, which is not looked for")
        meta = column[_COLUMN_META]
        name = ".".join(part.decode() for part in meta[_META_PATH])
        sizes[name] = sum(_pages(content, meta))
    return RowGroup(group[_GROUP_ROWS], sizes)


def _pages(content: mmap.mmap, meta: dict[int, Any]) -> Iterator[int]:
    """The unpacked size of each page of a column."""
    offsets = meta[_META_DATA_PAGE], meta.get(_META_DICTIONARY_PAGE, 0)
    at = min(offset for offset in offsets if offset > 0)
    end = at + meta[_META_PACKED]
    if end > len(content):
        raise ValueError("pages behind the end")
    while at < end:
        reader = _Thrift(content, at)
        page = reader.struct()
        if page[_PAGE_PACKED] < 0 or page[_PAGE_UNPACKED] < 0:
            raise ValueError("a page of negative size")
        at = reader.at + page[_PAGE_PACKED]
        yield page[_PAGE_UNPACKED]


class _Thrift:
    """Reads Thrift's compact protocol; what is cut off raises IndexError or ValueError."""

    def __init__(self, content: bytes | mmap.mmap, at: int = 0) -> None:
        self._content = content
        self.at = at

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Field number → value."""
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        fields, number = dict[int, Any](), 0
        while (head := self._byte()) & 15:
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 8:
            return self._bytes(self._unsigned())
        if kind in (9, 10):
            return self._list(depth)
        if kind == 12:
            return self.struct(depth + 1)
        if kind in (1, 2, 3):  # in a list, truth values have a byte each
            return self._byte()
        if kind == 7:
            return self._bytes(8)
        raise ValueError(f"type {kind}")  # maps, which no table of Parquet has

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._unsigned()
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
        return [self._value(head & 15, depth + 1) for _ in range(count)]

    def _byte(self) -> int:
        self.at += 1
        return self._content[self.at - 1]

    def _bytes(self, count: int) -> bytes:
        found = self._content[self.at : self.at + count]
        if len(found) != count:
            raise ValueError("cut off")
        self.at += count
        return found

    def _signed(self) -> int:
        zigzag = self._unsigned()
        return (zigzag >> 1) ^ -(zigzag & 1)

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("a number of too many digits")
