"""Files of tables as Polars data frames: untrusted, so bounded in size, and nothing in them is executed.

CSV and TSV come as text, cell by cell, for nobody but the columns' own rules (columns.py) to say what is a number.
Text may be packed; Polars, which unpacks without a limit, is given nothing that is packed and not measured.
"""

import codecs
import csv
import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NoReturn

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.tables.zst import unpacked_text

if TYPE_CHECKING:
    import polars as pl

_PACKED = ("", ".gz", ".zst")
TEXT_SUFFIXES = tuple(f".{name}{packed}" for name in ("csv", "tsv") for packed in _PACKED)
JSON_SUFFIXES = tuple(f".{name}{packed}" for name in ("jsonl", "ndjson") for packed in _PACKED)
SUFFIXES = (*TEXT_SUFFIXES, ".parquet", ".feather", ".arrow", *JSON_SUFFIXES)
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")
_MAX_BYTES = 4 * 2**30  # of a file, once it is unpacked
_MAX_CELLS = 2**31
_MAX_COLUMNS = 20_000
_SEPARATORS = ",;\t|"


def is_table(path: Path) -> bool:
    """Whether the name is that of a file of a table."""
    return path.name.lower().endswith(SUFFIXES)


def refuse_other_files(path: Path) -> None:
    """Raise DataError where the name is that of no file of a table."""
    if path.name.lower().endswith(_PICKLES):
        raise DataError(f"{path}: a pickle can run any program, so it is not read: save a CSV or Parquet file")
    if path.name.lower().endswith((".npz", ".npy")):
        raise DataError(f"{path}: holds arrays, which dataset = 'arrays' reads")
    if not is_table(path):
        raise DataError(f"{path}: must be a table ({', '.join(SUFFIXES)}): save it as one")


def read_table(path: Path) -> "pl.DataFrame":
    """Return the rows of a file, with the names of its columns stripped of spaces around them.

    Raises DataError for a file that is missing, too large, not a table, or whose columns have no names or one name
    twice.
    """
    refuse_other_files(path)
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise DataError(f"{path}: has {size:,} bytes: at most {_MAX_BYTES:,} are allowed")
        is_text = path.name.lower().endswith(TEXT_SUFFIXES)
        frame = _read_text(path) if is_text else _read_binary(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if frame.height == 0:
        raise DataError(f"{path}: has no rows")
    return frame


def _read_text(path: Path) -> "pl.DataFrame":
    content = unpacked(path)
    names, separator = header(content, path)
    import polars as pl

    # Polars takes a text that begins with "x^" for one that is packed with zlib, and unpacks it.
    text = codecs.BOM_UTF8 + content if content.startswith(b"x") else content
    try:
        # Without types: "1e3", "NA" and "007" are what the columns' rules say, the same in every file.
        schema = dict.fromkeys(names, pl.String())
        frame = pl.read_csv(text, separator=separator, has_header=False, skip_rows=1, schema=schema)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        broken = _where_it_breaks(content, separator, len(names), path)
        if broken or not isinstance(error, pl.exceptions.PolarsError):
            raise DataError(broken or _one_line(path, error)) from error
        return _as_python_reads(content, separator, names)
    if frame[names[-1]].null_count():  # Polars fills short rows up
        broken = _where_it_breaks(content, separator, len(names), path)
        if broken:
            raise DataError(broken)
    return frame


def unpacked(path: Path) -> bytes:
    """Return the text of a file that may be packed. Raises DataError where it is too large, empty or damaged."""
    name = path.name.lower()
    with gzip.open(path, "rb") if name.endswith(".gz") else path.open("rb") as file:
        try:
            content = file.read(_MAX_BYTES + 1)
        except EOFError as error:
            raise DataError(f"{path}: ends too early: is the download complete?") from error
    if name.endswith(".zst"):
        content = unpacked_text(content, _MAX_BYTES, path)
    if len(content) > _MAX_BYTES:
        raise DataError(f"{path}: is more than {_MAX_BYTES:,} bytes once it is unpacked")
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise DataError(f"{path}: is empty")
    if b"\x00" in content[:4096]:
        raise DataError(f"{path}: is not text in UTF-8")
    return content


def header(content: bytes, path: Path) -> tuple[list[str], str]:
    """Return the names of the columns, and what separates them: of the usual characters the one that splits most.

    content: of a text file, its first line or more. Raises DataError for what cannot be the names of columns.
    """
    end = content.find(b"\n")
    try:
        line = content[: end if end >= 0 else len(content)].decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: is not text in UTF-8 (line 1, byte {error.start + 1}): save it as UTF-8"
        ) from error
    if not line.strip():
        raise DataError(f"{path}: its first line is empty, and the names of the columns must be there")
    if "\r" in line:
        raise DataError(f"{path}: its lines end with carriage returns alone: save it with other line ends")
    split = {one: _cells(line, one) for one in _SEPARATORS}
    separator = max(_SEPARATORS, key=lambda one: len(split[one]))
    names = [name.strip() for name in split[separator]]
    if not names:
        raise DataError(f"{path}: line 1: a quote is not closed, or in the wrong place")
    check_names(names, path)
    return names, separator


def _cells(line: str, separator: str) -> list[str]:
    """The cells of a line; none where it cannot be split so."""
    try:
        return next(csv.reader([line], delimiter=separator, strict=True))
    except csv.Error:
        return []


def check_names(names: list[str], path: Path) -> None:
    """Raise DataError for what cannot be the names of a table's columns."""
    if len(names) > _MAX_COLUMNS:
        raise DataError(f"{path}: has {len(names):,} columns: at most {_MAX_COLUMNS:,} are allowed")
    if len(names) > 1 and all(is_number(name) for name in names):
        raise DataError(f"{path}: its first row, {', '.join(names[:3])}, …, are numbers: add a row with names")
    seen = set[str]()
    for number, name in enumerate(names, 1):
        if not name:
            index = " (pandas writes its index so, but for to_csv(…, index=False))" if number == 1 else ""
            raise DataError(f"{path}: column {number} has no name: give it one{index}")
        if not name.isprintable():
            raise DataError(f"{path}: the name of column {number}, {name!r}, must be printable")
        if name in seen:
            raise DataError(f"{path}: has two columns {name!r}: give each a name of its own")
        seen.add(name)


def is_number(text: str) -> bool:
    """Whether it is a number, as Python writes one."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _where_it_breaks(content: bytes, separator: str, columns: int, path: Path) -> str:
    """The first row that is no row of the table, in words; empty where Python's reader finds none."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return (
            f"{path}: is not text in UTF-8 (line {line}, {content[error.start : error.end]!r}): save it as UTF-8"
        )
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    first = 1  # line of the row that is read: a quote that is never closed takes in all that follow
    try:
        for row in reader:
            if row and len(row) != columns:
                return f"{path}: line {first} has {len(row)} cells, the header {columns}"
            first = reader.line_num + 1
    except csv.Error:
        return f"{path}: line {first}: a quote is not closed, or in the wrong place"
    return ""


def _as_python_reads(content: bytes, separator: str, names: list[str]) -> "pl.DataFrame":
    """The rows of a text in which Polars finds a quote inside a cell, like 5" pipe, or an empty line on top."""
    import polars as pl

    reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=separator, strict=True)
    next(reader)
    rows = [row for row in reader if row or len(names) == 1]
    return pl.DataFrame(
        [row or [""] for row in rows], dict.fromkeys(names, pl.String()), orient="row", strict=False
    )


def _read_binary(path: Path) -> "pl.DataFrame":
    import polars as pl

    with reading(path):
        if path.name.lower().endswith(JSON_SUFFIXES):
            return _read_json(path)
        with path.open("rb") as file:  # by its name Polars would look for patterns and URLs in it
            if path.suffix.lower() == ".parquet":
                check_cells(file, path)
                frame = pl.read_parquet(file)
            else:
                frame = pl.read_ipc(file)
    return checked(frame, path)


def _read_json(path: Path) -> "pl.DataFrame":
    import polars as pl

    content = _json_lines(path)
    try:
        frame = pl.read_ndjson(content, infer_schema_length=None)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        for number, line in enumerate(content.split(b"\n"), 1):
            if line.strip() and not is_json_object(line):
                raise DataError(f"{path}: line {number:,} is no JSON object") from error
        raise
    return checked(frame, path)


def is_json_object(line: bytes) -> bool:
    """Whether a line is a JSON object; NaN and Infinity, which Python writes, are no JSON."""
    try:
        return isinstance(json.loads(line, parse_constant=_refuse_constant), dict)
    except (ValueError, RecursionError):
        return False


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _json_lines(path: Path) -> bytes:
    """The lines, which are no archive by another name: Polars would unpack one of any size."""
    content = unpacked(path).removeprefix(codecs.BOM_UTF8).lstrip()
    if not content.startswith(b"{"):
        raise DataError(f"{path}: is not JSON lines: each line must be an object, in braces")
    return content


def checked(frame: "pl.DataFrame", path: Path) -> "pl.DataFrame":
    """Return it with the names of its columns stripped of spaces around them. Raises DataError for bad names."""
    names = [name.strip() for name in frame.columns]
    check_names(names, path)
    return frame.rename(dict(zip(frame.columns, names, strict=True))) if names else frame


def check_cells(file: IO[bytes], path: Path) -> None:
    """Raise DataError where a Parquet file says that it has more cells than are read; the file is at its start."""
    import polars as pl

    rows = pl.scan_parquet(file).select(pl.len()).collect().item()
    if rows * len(pl.read_parquet_schema(file)) > _MAX_CELLS:
        raise DataError(f"{path}: has more than {_MAX_CELLS:,} cells")
    file.seek(0)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Make a DataError of what Polars says of a file that it cannot read. Its PanicException is no Exception."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError) as error:
        raise DataError(_one_line(path, error)) from error


def _one_line(path: Path, error: BaseException) -> str:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f"{path}: cannot be read as a table ({first})"
