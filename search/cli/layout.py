"""Lines that fit a terminal: wrapped between words, never cut, never padded; a pipe gets them whole."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TextIO

import click

_LABEL = 13  # columns of a label, and of what goes on below it


def width(stream: TextIO | None = None) -> int | None:
    """Return how many columns the terminal of a stream has, of stdout by default; None where it is no terminal."""
    return shutil.get_terminal_size().columns if (stream or sys.stdout).isatty() else None


def wrapped(line: str, columns: int | None, indent: str = "  ") -> list[str]:
    """Return a line in as many as it needs; all but the first are indented."""
    if columns is None or len(line) <= columns:
        return [line]
    # Backticks hold commands, which people copy: a hyphen in one is no place to break.
    return textwrap.wrap(
        line, columns, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [line]


def labelled(label: str, text: str, columns: int | None) -> list[str]:
    """Return a label and its text beside it, which goes on below itself."""
    return wrapped(f"  {label:<{_LABEL - 2}}{text}".rstrip(), columns, " " * _LABEL)


def listed(label: str, parts: Iterable[str], columns: int | None) -> list[str]:
    """Return a label and parts beside it, separated by commas; no part is broken."""
    lines, line = [], f"  {label:<{_LABEL - 2}}"
    parts = [*parts]
    for number, part in enumerate(parts):
        text = f"{part}," if number < len(parts) - 1 else part
        starts = len(line) == _LABEL
        if columns is not None and not starts and len(line) + 1 + len(text) > columns:
            lines.append(line)
            line, starts = " " * _LABEL, True
        line += text if starts else f" {text}"
    return [*lines, line]


def bar(done: int, total: int, columns: int, encoding: str | None) -> str:
    """Return a bar of so many columns. encoding: of where it is shown."""
    full, empty = ("█", "░") if (encoding or "").lower().startswith("utf") else ("#", ".")
    share = min(done, total) * columns // max(total, 1)
    return full * share + empty * (columns - share)


def show_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout, wrapped where it is a terminal."""
    columns = width()
    for line in lines:
        for part in wrapped(line, columns):
            click.echo(part)


def in_columns(rows: list[list[str]], columns: int | None) -> Iterator[str]:
    """Yield a table whose first column holds names and all others numbers, below each other where it is too wide.

    rows: the first is the head. Each part begins with the names.
    """
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for part in _parts(widths, columns):
        for row in rows:
            cells = (row[place].rjust(widths[place]) for place in part)
            yield "  ".join([row[0].ljust(widths[0]), *cells]).rstrip()


def _parts(widths: list[int], columns: int | None) -> Iterator[list[int]]:
    """Yield which columns go beside the first, at least one each time."""
    part, used = list[int](), widths[0]
    for place in range(1, len(widths)):
        if columns is not None and part and used + 2 + widths[place] > columns:
            yield part
            part, used = [], widths[0]
        part.append(place)
        used += 2 + widths[place]
    yield part
