"""How many threads a net has use for."""

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
