"""Files of tables some rows at a time, for whoever goes on after a row that is none, and holds no whole table.

What is read, and what a cell is, is that of files.py; of a text file each row is looked at by itself.
"""

import codecs
import csv
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, AnyStr, cast

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.tables.files import (
    JSON_SUFFIXES,
    TEXT_SUFFIXES,
    check_cells,
    checked,
    header,
    is_json_object,
    reading,
    refuse_other_files,
    unpacked,
)

if TYPE_CHECKING:
    import _csv

    import polars as pl

ROWS = 10_000  # of a batch, at most
_MAX_LINE = 2**24  # characters
_SURROGATE = re.compile("[\ud800-\udfff]")  # a byte that is not UTF-8


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows of a table that follow each other.

    problems: of rows that cannot be read, counted from 0: why. Their cells are empty.
    """

    frame: "pl.DataFrame"
    problems: dict[int, str] = field(default_factory=dict)


def batches(path: Path) -> Generator[Batch, None, None]:
    """Yield the rows of a file; every batch has the columns of the first. To be closed by who does not go on.

    Raises DataError for a file that is missing, no table, has no rows, or has columns of no name or of one name.
    """
    refuse_other_files(path)
    is_empty = True
    try:
        with _opened(path) as file:
            for batch in _batches(file, path):
                is_empty = False
                yield batch
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: is damaged or ends too early: is the download complete?") from error
    if is_empty:
        raise DataError(f"{path}: has no rows")


def _opened(path: Path) -> IO[bytes]:
    """Not by its name: Polars would look for patterns and URLs in it."""
    if path.name.lower().endswith(".zst"):
        return io.BytesIO(unpacked(path))
    return cast("IO[bytes]", gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def _batches(file: IO[bytes], path: Path) -> Iterator[Batch]:
    name = path.name.lower()
    if name.endswith(TEXT_SUFFIXES):
        return _of_text(file, path)
    return _of_json_lines(file, path) if name.endswith(JSON_SUFFIXES) else _of_binary(file, path)


def _of_text(file: IO[bytes], path: Path) -> Iterator[Batch]:
    import polars as pl

    first = file.readline(_MAX_LINE)
    if not first:
        raise DataError(f"{path}: is empty")
    names, separator = header(first, path)
    with io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="") as text:
        rows = _rows(csv.reader(_lines(text, path), delimiter=separator, strict=True), names)
        while some := list(itertools.islice(rows, ROWS)):
            problems = {place: row for place, row in enumerate(some) if isinstance(row, str)}
            nothing = [None] * len(names)
            columns = zip(*(nothing if isinstance(row, str) else row for row in some), strict=True)
            frame = pl.DataFrame(dict(zip(names, columns, strict=True)), dict.fromkeys(names, pl.String()))
            yield Batch(frame, problems)


def _rows(reader: "_csv.Reader", names: list[str]) -> Iterator[list[str] | str]:
    """The cells of each row; or why it is none."""
    while True:
        line = reader.line_num + 2  # of the file, whose first one are the names; a row may have several
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield f"line {line:,}: a quote is not closed, or in the wrong place"
            continue
        if not row and len(names) > 1:  # a line with nothing in it
            continue
        row = row or [""]
        if len(row) != len(names):
            yield f"line {line:,} has {len(row)} cells, the header {len(names)}"
        elif _SURROGATE.search("".join(row)):
            yield f"line {line:,} is not text in UTF-8"
        else:
            yield row


def _of_json_lines(file: IO[bytes], path: Path) -> Iterator[Batch]:
    import polars as pl

    given = itertools.chain([next(_lines(file, path), b"").removeprefix(codecs.BOM_UTF8)], _lines(file, path))
    lines = (line for line in given if line.strip())
    names: list[str] = []
    while some := list(itertools.islice(lines, ROWS)):
        problems = dict[int, str]()
        for place, line in enumerate(some):
            if not is_json_object(line):
                problems[place], some[place] = "is no JSON object", b"{}\n"
        with reading(path):
            frame = pl.read_ndjson(b"\n".join(some), infer_schema_length=None)
        names = names or frame.columns
        missing = [pl.lit(None).alias(name) for name in names if name not in frame.columns]
        yield Batch(checked(frame.with_columns(missing)[names], path), problems)


def _of_binary(file: IO[bytes], path: Path) -> Iterator[Batch]:
    import polars as pl

    is_parquet = path.suffix.lower() == ".parquet"
    scan = pl.scan_parquet if is_parquet else pl.scan_ipc
    with reading(path):
        if is_parquet:
            check_cells(file, path)
        for frame in scan(file).collect_batches(chunk_size=ROWS, maintain_order=True):
            if frame.height:
                yield Batch(checked(frame, path))


def _lines(file: IO[AnyStr], path: Path) -> Iterator[AnyStr]:
    while line := file.readline(_MAX_LINE):
        if len(line) == _MAX_LINE:
            raise DataError(f"{path}: has a line of more than {_MAX_LINE:,} characters")
        yield line
