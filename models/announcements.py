"""What a long piece of work says of itself: to whoever listens in its thread, else to nobody.

Work that takes long lies deep below the doors that show it. A context variable spares every function between them
an argument that it would only hand on.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LISTENER: ContextVar[Callable[[str], None] | None] = ContextVar("listener", default=None)


def announce(message: str) -> None:
    """Say what begins or has ended now, in a few words for people."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(message)


@contextmanager
def announcing_to(listener: Callable[[str], None]) -> Iterator[None]:
    """Let this listener hear what the body announces, in this thread."""
    before = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(before)
