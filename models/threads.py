"""How many threads matrix products use. The number is part of a result: other splits of a sum round otherwise."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from threadpoolctl import ThreadpoolController, threadpool_limits

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.cores import available_cores, whole_number

MOST_THREADS = 1024  # what comes from elsewhere shall not ask for millions
_VARIABLE = "OMP_NUM_THREADS"

# Below this many multiplications in a step's largest product, threads wait for each other longer than they work,
# and much longer where other processes want the cores too (benchmarks/threads.py).
_WORTH_SHARING = 10_000_000


def use_threads(count: int) -> None:
    """Give matrix products `count` threads from now on, NumPy's and torch's."""
    os.environ[_VARIABLE] = str(count)
    _libraries(len(sys.modules)).limit(limits=count)
    torch = sys.modules.get("torch")
    if torch is not None:  # else its first net asks for the number
        torch.set_num_threads(count)


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:  # noqa: ARG001 - with further modules further ones are loaded
    """Return the libraries that compute with threads: to look for them takes a millisecond."""
    return ThreadpoolController()


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Use `count` threads while the body runs, and as many as before after it."""
    before = threads()
    use_threads(count)
    try:
        yield
    finally:
        use_threads(before)


@contextmanager
def threads_as_before() -> Iterator[None]:
    """Leave everything that says how many threads are used as it was, whatever the body does."""
    given, torch = os.environ.get(_VARIABLE), sys.modules.get("torch")
    of_torch = None if torch is None else torch.get_num_threads()
    try:
        with threadpool_limits():
            yield
    finally:
        os.environ.pop(_VARIABLE, None)
        if given is not None:
            os.environ[_VARIABLE] = given
        if torch is not None:
            torch.set_num_threads(of_torch)


def threads() -> int:
    """Return how many threads matrix products use: OMP_NUM_THREADS, else one for each core to be had.

    The variable may list numbers, for regions inside of each other: `4,2`. The first one counts.
    """
    given = whole_number(os.environ.get(_VARIABLE, "").partition(",")[0])
    return given if given is not None and given <= MOST_THREADS else available_cores()


def fitting_threads(inputs: int, config: TrainConfig, available: int) -> int:
    """Return how many of the available threads a net of this configuration has use for.

    inputs: pixels of an image.
    """
    if config.preprocessing == "whiten":
        inputs = min(inputs, config.components)
    products = config.batch_size * config.hidden_size * max(inputs, config.hidden_size)
    return available if products >= _WORTH_SHARING else 1
