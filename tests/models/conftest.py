"""Runs the tests of this folder with one thread a matrix product."""

from collections.abc import Iterator

import pytest

from mlpsearch.models.threads import threads, use_threads


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """On a busy machine the threads of such small products wait far longer for each other than they work."""
    before = threads()
    use_threads(1)
    yield
    use_threads(before)
