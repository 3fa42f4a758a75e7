"""Standard streams as a command may find them: closed, on a full disk, or of an encoding that lacks a character.

What was done before the output failed stays done: a failure to print is an OutputError, and no more than that.
"""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlpsearch.models.errors import OutputError

_INPUT, _OUTPUT, _MESSAGES = 0, 1, 2


class _Output(io.TextIOWrapper):
    """Standard output: raises OutputError where it takes nothing more, so that no other file is blamed for it."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise _failure(error) from error

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise _failure(error) from error


class _Messages(io.TextIOWrapper):
    """Standard error: what it does not take is lost, for there is nowhere else to say so."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError:
            _discard(_MESSAGES)


@contextmanager
def standard_streams() -> Iterator[None]:
    """While the body runs, let printing end in nothing but an OutputError or a BrokenPipeError.

    A closed stream is opened on /dev/null, so that no database or image gets its descriptor: standard output for
    reading alone, so that printing fails.
    """
    _open_closed()
    kept = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = sys.stdin or open(_INPUT, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor
    sys.stdout = _wrapped(_Output, sys.stdout, _OUTPUT, "replace")
    sys.stderr = _wrapped(_Messages, sys.stderr, _MESSAGES, "backslashreplace")
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept


def discard_output() -> None:
    """Send what standard output still holds, and all that follows, to /dev/null."""
    if isinstance(sys.stdout, _Output):
        _discard(_OUTPUT)


def _discard(descriptor: int) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def _open_closed() -> None:
    for descriptor, mode in ((_INPUT, os.O_RDONLY), (_OUTPUT, os.O_RDONLY), (_MESSAGES, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, mode)  # the lowest that is free: this one
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)


def _wrapped(kind: type[io.TextIOWrapper], stream: Any, descriptor: int, errors: str) -> Any:
    """The stream, of another kind; one that is no standard stream of the process, as in a test, stays as it is."""
    if stream is not None and stream is not {_OUTPUT: sys.__stdout__, _MESSAGES: sys.__stderr__}[descriptor]:
        return stream
    if stream is not None:
        stream.flush()
    encoding = "utf-8" if stream is None else stream.encoding
    raw = open(descriptor, "wb", closefd=False)  # noqa: SIM115 - a descriptor
    return kind(raw, encoding=encoding, errors=errors, line_buffering=True)


def _failure(error: OSError) -> OSError | OutputError:
    if isinstance(error, BrokenPipeError):  # who reads has seen enough, and nothing is wrong
        return error
    return OutputError(f"standard output: cannot be written ({error.strerror})")
