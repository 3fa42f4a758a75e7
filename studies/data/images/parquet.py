"""Images in Parquet files, as Hugging Face writes them, with their classes.

    train-*.parquet, test-*.parquet     in a folder, or in one inside it; validation-*.parquet where there is one
    any.parquet                         a data set in one piece

A column holds the image files: structs of `bytes` and `path`, of which the path is not looked at. The column
`label` holds their classes: texts, or numbers whose names are in the file's notes. Images are read some groups of
rows at a time.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlpsearch.models.errors import DataError
from mlpsearch.studies.data.decoded import SplitName, digest_of_files
from mlpsearch.studies.data.images.archives import MAX_FILE_BYTES, MAX_MEMBERS, MAX_TOTAL_BYTES
from mlpsearch.studies.data.images.parquet_sizes import ParquetSizes, read_sizes
from mlpsearch.studies.data.images.split_names import find_splits, is_ignored, split_of

if TYPE_CHECKING:
    import polars as pl

SUFFIX = ".parquet"
MAX_GROUP_BYTES = 2 * 2**30  # of one column in one group of rows, which are unpacked together
_BATCH_BYTES = 128 * 2**20  # of images that are read at once, if no single group has more
_LABEL = "label"
_LONGEST_NAME = 1_000  # bytes of a class's name


def find_parquet(path: Path) -> "ParquetImages | None":
    """The Parquet files of a data set; None where its images are other files. Raises DataError."""
    if path.is_file():
        return ParquetImages(path, {"train": [path]}, {"train": ""}) if _is_parquet(path) else None
    try:
        files, folders = _entries(path)
        inside = [] if any(split_of(folder.name) for folder in folders) else [_entries(one)[0] for one in folders]
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
    for found in (files, *inside):
        splits = find_splits(path, {_first_word(file) for file in found})
        if "train" in splits:
            named = {
                split: [file for file in found if _first_word(file) == word] for split, word in splits.items()
            }
            return ParquetImages(path, named, splits)
    if files and not folders:
        raise DataError(f"{path}: no train-*{SUFFIX}: files in a folder are named after their splits")
    return None


def _entries(folder: Path) -> tuple[list[Path], list[Path]]:
    """The Parquet files in a folder, and its folders; both sorted."""
    entries = [entry for entry in sorted(folder.iterdir()) if not is_ignored(entry.name)]
    return [entry for entry in entries if _is_parquet(entry)], [entry for entry in entries if entry.is_dir()]


def _first_word(file: Path) -> str:
    return file.name[: -len(SUFFIX)].partition("-")[0]


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIX) and path.is_file()


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns of a file matter. names: of the classes, where the labels are their numbers."""

    image: str
    label: str
    names: tuple[str, ...] | None


class ParquetImages:
    """The images of Parquet files (splits.LabelledImages). Their paths are names of files and numbers of rows."""

    def __init__(self, path: Path, files: dict[SplitName, list[Path]], folders: dict[SplitName, str]) -> None:
        self.path = path
        self._files = files
        self._folders = folders
        self._known: dict[Path, ParquetSizes] = {}
        self._read_labels: dict[Path, list[str]] = {}

    @property
    def folders(self) -> Mapping[SplitName, str]:
        """Split → the first word of its files' names; of a single file train alone, as ""."""
        return self._folders

    def fingerprint(self, files: Iterable[str]) -> str:  # noqa: ARG002 - a file is read as a whole
        """From the bytes of all files."""
        every = (file for split in sorted(self._files) for file in self._files[split])
        return f"{sorted(self._folders.items())} {digest_of_files(*every)}"

    def class_names(self) -> tuple[str, ...]:
        """Those of the training images: in the order of their numbers, or of their names."""
        found = {name for file in self._files["train"] for name in self._labels(file)}
        names = self._columns(self._files["train"][0]).names
        if len(found) < 2:
            raise DataError(f"{self.path}: the training images have {len(found)} classes: at least 2 are needed")
        for name in sorted(found):  # they are shown in terminals and in reports
            if not name.isprintable():
                raise DataError(f"{self.path}: class {name!r}: the name must be printable")
        if names is not None:
            return tuple(name for name in names if name in found)
        if all(name.isdecimal() for name in found):
            return tuple(sorted(found, key=int))
        return tuple(sorted(found))

    def labels(self, split: SplitName, classes: Sequence[str]) -> dict[str, int]:
        """The images of a split as path → class number, by class, file and row."""
        numbers = {name: number for number, name in enumerate(classes)}
        found = list[tuple[int, str]]()
        for file in self._files[split]:
            for row, name in enumerate(self._labels(file)):
                if name not in numbers:
                    raise DataError(f"{file}: row {row + 1} has a class {name!r} that no training image has")
                found.append((numbers[name], self._row_name(file, row)))
        if not found:
            raise DataError(f"{self._files[split][0]}: has no images")
        found.sort(key=lambda one: one[0])  # stable: files and rows stay in their order
        return {path: number for number, path in found}

    def read(self, files: Set[str]) -> Iterator[tuple[str, bytes]]:
        """File by file, row by row."""
        for file in (file for split in self._files.values() for file in split):
            if any(path in files for path in self._paths(file)):
                yield from self._read(file, files)

    def _read(self, file: Path, wanted: Set[str]) -> Iterator[tuple[str, bytes]]:
        import polars.selectors as cs

        column, first = self._columns(file).image, 0
        images = cs.by_name(column).as_expr().struct.field("bytes")  # to pl.col() a name may be a pattern
        for rows in _batches(self._sizes(file), f"{column}.bytes"):
            with _as_data_error(file):
                taken = self._scan(file).slice(first, rows).select(images).collect()["bytes"]
            for row in range(taken.len()):
                path = self._row_name(file, first + row)
                if path in wanted:
                    yield path, self._content(taken[row], file, first + row)
            first += rows

    def _content(self, content: bytes | None, file: Path, row: int) -> bytes:
        if content is None:
            raise DataError(f"{file}: row {row + 1} holds no image: its bytes are not in the file")
        if len(content) > MAX_FILE_BYTES:
            raise DataError(f"{file}: row {row + 1} has more than {MAX_FILE_BYTES:,} bytes")
        return content

    def _paths(self, file: Path) -> Iterator[str]:
        rows = sum(group.rows for group in self._sizes(file).groups)
        return (self._row_name(file, row) for row in range(rows))

    def _row_name(self, file: Path, row: int) -> str:
        return f"row {row + 1}" if file == self.path else f"{file.name}, row {row + 1}"

    def _labels(self, file: Path) -> list[str]:
        """The class of each row."""
        if file not in self._read_labels:
            self._read_labels[file] = self._read_column(file)
        return self._read_labels[file]

    def _read_column(self, file: Path) -> list[str]:
        import polars as pl

        columns = self._columns(file)
        with _as_data_error(file):
            labels = self._scan(file).select(columns.label).collect()[columns.label]
            if not labels.dtype.is_integer():  # one long text may stand for many rows
                longest = labels.cast(pl.String).str.len_bytes().max()
                if isinstance(longest, int) and longest > _LONGEST_NAME:
                    raise DataError(
                        f"{file}: {columns.label!r} has texts of {longest:,} bytes: too long for a class"
                    )
            values = labels.to_list()
        names, found = columns.names, list[str]()
        for row, value in enumerate(values):
            if value is None or (isinstance(value, int) and value < 0):
                raise DataError(f"{file}: row {row + 1} has no {columns.label} ({value})")
            if names is not None and value >= len(names):
                raise DataError(f"{file}: row {row + 1}: {columns.label} = {value}: there are {len(names)} names")
            found.append(str(value) if names is None else names[value])
        return found

    def _columns(self, file: Path) -> _Columns:
        import polars as pl

        with _as_data_error(file):
            schema = self._scan(file).collect_schema()
        images = [name for name, kind in schema.items() if _holds_images(kind)]
        if len(images) != 1:
            has = f"{len(images)} columns of images" if images else f"no column of images among {[*schema]}"
            raise DataError(f"{file}: has {has}: one must be a struct with `bytes`, as Hugging Face writes it")
        if _LABEL not in schema:
            raise DataError(f"{file}: has no column {_LABEL!r} (it has {', '.join(map(repr, schema))})")
        kind = schema[_LABEL]
        if not (kind.is_integer() or kind in (pl.String, pl.Categorical)):
            raise DataError(f"{file}: {_LABEL!r} holds {kind}: it must hold whole numbers or texts")
        return _Columns(images[0], _LABEL, _names(self._sizes(file)) if kind.is_integer() else None)

    def _scan(self, file: Path) -> "pl.LazyFrame":
        import polars as pl

        self._sizes(file)  # before anything is unpacked
        return pl.scan_parquet(file.absolute(), glob=False, hive_partitioning=False)

    def _sizes(self, file: Path) -> ParquetSizes:
        if file not in self._known:
            self._known[file] = _bounded(file)
        return self._known[file]


@contextmanager
def _as_data_error(file: Path) -> Iterator[None]:
    import polars as pl

    try:
        yield
    except DataError:
        raise
    # A damaged file makes Polars panic, too, which is no Exception.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"{file}: cannot be read as Parquet ({first})") from error


def _batches(sizes: ParquetSizes, column: str) -> Iterator[int]:
    """How many rows to read at once, one time after the other: whole groups, several where they are small."""
    rows = total = 0
    for group in sizes.groups:
        size = group.sizes.get(column, 0)
        if rows and total + size > _BATCH_BYTES:
            yield rows
            rows = total = 0
        rows, total = rows + group.rows, total + size
    yield rows


def _bounded(file: Path) -> ParquetSizes:
    """What the file will take. Raises DataError where that is too much."""
    sizes = read_sizes(file)
    rows = sum(group.rows for group in sizes.groups)
    if rows > MAX_MEMBERS or min((group.rows for group in sizes.groups), default=0) < 0:
        raise DataError(f"{file}: has {rows:,} rows: at most {MAX_MEMBERS:,} are allowed")
    total = sum(sum(group.sizes.values()) for group in sizes.groups)
    if total > MAX_TOTAL_BYTES:
        raise DataError(f"{file}: unpacks to {total:,} bytes: at most {MAX_TOTAL_BYTES:,} are allowed")
    for group in sizes.groups:
        column = max(group.sizes, key=lambda name: group.sizes[name])
        if group.sizes[column] > MAX_GROUP_BYTES:
            raise DataError(
                f"{file}: {column!r} unpacks to {group.sizes[column]:,} bytes in a group of {group.rows:,} rows: "
                f"at most {MAX_GROUP_BYTES:,} are allowed"
            )
    return sizes


def _holds_images(kind: "pl.DataType") -> bool:
    import polars as pl

    return isinstance(kind, pl.Struct) and any(
        field.name == "bytes" and field.dtype == pl.Binary for field in kind.fields
    )


def _names(sizes: ParquetSizes) -> tuple[str, ...] | None:
    """The names of the classes in the notes of Hugging Face's library; None where it has left none."""
    try:
        features: Any = json.loads(sizes.notes["huggingface"])["info"]["features"]
        names = features[_LABEL]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    is_sound = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if is_sound and len(set(names)) == len(names) else None
