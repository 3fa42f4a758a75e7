"""Text that is packed with Zstandard (RFC 8878): measured, and then unpacked by Polars, which knows no limit.

A block of a frame never unpacks to more than 128 KiB, and its header says how long it is packed. Going from header
to header gives a bound of the whole that nothing in the file can get around, without unpacking a byte. Python has
Zstandard from 3.14 on; before, this needs no further package.
"""

from pathlib import Path

from mlpsearch.models.errors import DataError

_FRAME, _SKIPPED = 0xFD2FB528, range(0x184D2A50, 0x184D2A60)
_BLOCK_BYTES = 128 * 2**10  # the most that a block unpacks to
_LEAST_BYTES = 2**10  # that a block counts for: very many without content take long to go through
_RAW, _REPEATED, _PACKED = range(3)


def unpacked_text(packed: bytes, most: int, path: Path) -> bytes:
    """Return what a .zst file of text holds, its lines ended by a line feed alone.

    packed: the file.  most: bytes that it may unpack to.  path: for messages.
    Raises DataError for more, for files that are no Zstandard or damaged, and for text that is not UTF-8.
    """
    import polars as pl

    start = _checked(packed, most, path)
    if start == len(packed):
        return b""
    try:
        # Each line is one cell: there is no character of this name in a text.
        lines = pl.read_csv(
            packed[start:], has_header=False, separator="\x00", quote_char=None, schema={"line": pl.String()}
        )
    except OSError as error:
        raise DataError(f"{path}: cannot be unpacked ({error})") from error
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: is not text in UTF-8") from error
    return "\n".join(lines["line"].fill_null("")).encode()


def _checked(packed: bytes, most: int, path: Path) -> int:
    """Where the first frame begins, after all have been gone through."""
    place, total, first = 0, 0, len(packed)
    while place < len(packed):
        magic = _number(packed, place, 4, path)
        if magic in _SKIPPED:
            place += 8 + _number(packed, place + 4, 4, path)
            continue
        if magic != _FRAME:
            raise DataError(f"{path}: is not packed with Zstandard")
        first = min(first, place)
        place, total = _through_frame(packed, place + 4, total, most, path)
    if place > len(packed):
        raise DataError(f"{path}: ends too early: is the download complete?")
    return first


def _through_frame(packed: bytes, place: int, total: int, most: int, path: Path) -> tuple[int, int]:
    """The place behind a frame, and the bytes in all that the file may unpack to so far."""
    descriptor = _number(packed, place, 1, path)
    is_single = bool(descriptor & 0x20)
    content_size = (1 if is_single else 0, 2, 4, 8)[descriptor >> 6]
    dictionary = (0, 1, 2, 4)[descriptor & 0x03]
    place += 1 + (not is_single) + dictionary + content_size
    is_last = False
    while not is_last:
        header = _number(packed, place, 3, path)
        is_last, kind, size = bool(header & 1), header >> 1 & 0x03, header >> 3
        if kind not in (_RAW, _REPEATED, _PACKED):
            raise DataError(f"{path}: is not packed with Zstandard, or damaged")
        place += 3 + (1 if kind == _REPEATED else size)
        total += _BLOCK_BYTES if kind == _PACKED else max(size, _LEAST_BYTES)
        if total > most + _BLOCK_BYTES:
            raise DataError(f"{path}: may unpack to more than {most:,} bytes, which are allowed")
    return place + (4 if descriptor & 0x04 else 0), total


def _number(packed: bytes, place: int, size: int, path: Path) -> int:
    content = packed[place : place + size]
    if len(content) < size:
        raise DataError(f"{path}: ends too early: is the download complete?")
    return int.from_bytes(content, "little")
