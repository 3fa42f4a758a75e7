"""A worker's foretold memory is that of the values that take most, and foretold time that of what recurs."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpsearch.models import build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.pixels import BatchBuffer, PixelPreprocessing
from mlpsearch.models.prediction import statistics
from mlpsearch.search import measuring
from mlpsearch.search.measuring import measure
from mlpsearch.studies.data.training import TrainingData
from tests.studies.stores import spec

_IMAGES = np.random.default_rng(0).integers(0, 256, (20_000, 100), np.uint8)
_LABELS = np.arange(20_000) % 2


def _split(first: int, last: int) -> Split:
    return Split(_IMAGES, _LABELS, np.arange(first, last), (10, 10, 1))


DATA = TrainingData(_split(0, 19_000), _split(19_000, 20_000), ("a", "b"), (10, 10, 1), "f" * 64)


def _worker_bytes(search: dict[str, Any] | None = None, folds: int | None = None, **fixed: Any) -> int:
    searched = {"learning_rate": {"low": 0.001, "high": 0.01}, **(search or {})}
    wanted = spec(search=searched, fixed={"hidden_size": 3, **fixed}, folds=folds)
    return measure(wanted, DATA, before=0).worker_bytes


def test_with_folds_a_worker_has_a_net_of_each_at_a_time() -> None:
    shared = _IMAGES.nbytes
    one, five = _worker_bytes() - shared, _worker_bytes(folds=5) - shared
    assert five == 5 * one


_FEW = {"preprocessing": "whiten", "components": 25}


@pytest.mark.parametrize(
    ("search", "taken"),
    [
        ({"components": {"low": 1, "high": 100}}, {"preprocessing": "whiten", "components": 21}),
        ({"components": {"choices": [25, 100]}}, _FEW),
        ({"shift_averaging": {"choices": [0, 3]}}, _FEW),
        ({"shift_averaging": {"low": 0, "high": 3}, "flip_averaging": {"choices": [False, True]}}, _FEW),
        ({"preprocessing": {"choices": ["center", "whiten"]}}, _FEW),
    ],
)
def test_memory_is_that_of_the_values_that_take_most(search: dict[str, Any], taken: dict[str, Any]) -> None:
    """What a net gets of all rows is kept where that takes little: with few components, and in few poses."""
    fixed = {name: value for name, value in taken.items() if name not in search}
    assert _worker_bytes(search, **fixed) >= _worker_bytes(**taken)


def test_the_eigenvectors_of_whitening_count() -> None:
    wide = np.zeros((4, 3_000), np.uint8)
    few = Split(wide, np.arange(4) % 2, np.arange(4), (30, 100, 1))
    data = TrainingData(few, few, ("a", "b"), (30, 100, 1), "f" * 64)
    wanted = spec(
        search={"learning_rate": {"low": 0.001, "high": 0.01}},
        fixed={"hidden_size": 3, "preprocessing": "whiten", "components": 2},
    )
    assert measuring._own_bytes(wanted, data) >= 5 * 8 * 3_000**2


@pytest.mark.parametrize(("components", "is_kept"), [(1, True), (25, False)])
def test_of_validation_the_time_counts_that_each_epoch_takes(
    components: int, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is seen in many poses is made once where it is kept, and of few rows, for that is foretold."""
    poses: dict[str, Any] = {"shift_averaging": 3, "flip_averaging": True}
    config = TrainConfig(preprocessing="whiten", components=components, **poses)
    preprocessing = statistics(DATA.training).preprocessing(config)
    assert preprocessing.keeps_views(DATA.validation) == is_kept
    net = build_net("numpy", inputs=preprocessing.inputs, classes=2, config=config)
    made, apply = list[int](), PixelPreprocessing.apply

    def counted(self: PixelPreprocessing, pixels: NDArray[np.uint8], buffer: BatchBuffer) -> NDArray[np.float32]:
        made.append(len(pixels))
        return apply(self, pixels, buffer)

    monkeypatch.setattr(PixelPreprocessing, "apply", counted)
    monkeypatch.setattr("mlpsearch.search.measuring.time.perf_counter", lambda: float(sum(made)))
    assert measuring._validation_seconds(net, DATA.validation, preprocessing) == (0 if is_kept else 98 * 1_000)
    assert sum(made) <= 20_000
