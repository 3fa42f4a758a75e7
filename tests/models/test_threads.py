"""How many threads a net has use for."""

import os
import subprocess
import sys
from typing import Any

import pytest

from models.config import TrainConfig
from models.threads import fitting_threads


@pytest.mark.parametrize(
    ("inputs", "options", "expected"),
    [
        (3072, {"hidden_size": 50, "batch_size": 100}, 2),
        (3072, {"hidden_size": 50, "batch_size": 50}, 1),
        (64, {"hidden_size": 50, "batch_size": 100}, 1),
        (64, {"hidden_size": 1024, "batch_size": 100}, 2),
        (3072, {"hidden_size": 50, "batch_size": 100, "preprocessing": "whiten", "components": 100}, 1),
        (3072, {"hidden_size": 50, "batch_size": 100, "preprocessing": "whiten", "components": 4000}, 2),
    ],
)
def test_only_large_products_are_shared_among_threads(inputs: int, options: dict[str, Any], expected: int) -> None:
    assert fitting_threads(inputs, TrainConfig(**options), available=2) == expected


@pytest.mark.parametrize(("given", "expected"), [({}, "12"), ({"OPENBLAS_THREAD_TIMEOUT": "20"}, "20")])
def test_numpys_idle_threads_are_told_to_make_room_before_numpy_is_loaded(
    given: dict[str, str], expected: str
) -> None:
    code = "import os, sys, search.cli; print('numpy' in sys.modules, os.environ['OPENBLAS_THREAD_TIMEOUT'])"
    others = {name: value for name, value in os.environ.items() if name != "OPENBLAS_THREAD_TIMEOUT"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=others | given, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["False", expected]
