"""How many threads matrix products use. The number is part of a result: other splits of a sum round otherwise."""

import os

from threadpoolctl import threadpool_limits

_VARIABLE = "OMP_NUM_THREADS"


def use_threads(count: int) -> None:
    """Give matrix products `count` threads from now on. torch reads its number once, when it is imported."""
    os.environ[_VARIABLE] = str(count)
    threadpool_limits(count)


def threads() -> int:
    """Return how many threads matrix products use."""
    return int(os.environ.get(_VARIABLE) or os.cpu_count() or 1)
