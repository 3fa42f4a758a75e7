"""What a person sets in the environment, and what stands in its place while something runs."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

CACHE = "MLPSEARCH_CACHE"  # the folder of decoded data sets

# Of this thread alone, unlike the environment.
_INSTEAD: ContextVar[Mapping[str, str] | None] = ContextVar("instead", default=None)


def setting(name: str) -> str:
    """Return a variable of the environment, or what stands in its place; empty where there is none."""
    instead = _INSTEAD.get() or {}
    return instead[name] if name in instead else os.environ.get(name, "")


@contextmanager
def settings_instead(values: Mapping[str, str]) -> Iterator[None]:
    """Let these values stand in the place of the environment's while the body runs, in this thread."""
    token = _INSTEAD.set(values)
    try:
        yield
    finally:
        _INSTEAD.reset(token)
