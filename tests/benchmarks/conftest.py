"""Runs the tests of this folder with one thread a matrix product."""

from collections.abc import Iterator

import pytest

from mlpsearch.models.threads import limited_threads


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads of such small products wait far longer for each other than they work."""
    with limited_threads(1):
        yield
