"""One thread a matrix product, and compiled steps that are looked for anew."""

from collections.abc import Iterator

import pytest

from mlpsearch.models.numpy_net import compiled_net, compiled_step, compiler, numpy_functions
from mlpsearch.models.threads import limited_threads
from mlpsearch.models.torch_net import compiled_net as compiled_torch_net


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """On a busy machine the threads of such small products wait far longer for each other than they work."""
    with limited_threads(1):
        yield


@pytest.fixture
def found_anew() -> Iterator[None]:
    """Finds out anew which compiled steps this machine can have, in the test and after it."""
    here = (compiler.library, compiled_step.functions, numpy_functions.blas)
    found_once = (*here, compiled_net.agree, compiled_torch_net.agree)
    for function in found_once:
        function.cache_clear()
    yield
    for function in found_once:
        function.cache_clear()
