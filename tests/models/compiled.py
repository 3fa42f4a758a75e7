"""What the tests of compiled steps have in common, those of the NumPy net and of the net in PyTorch."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st
from numpy.typing import NDArray

from mlpsearch.models.config import TrainConfig
from mlpsearch.models.inputs.data import Split
from mlpsearch.models.inputs.preprocessing import Preprocessing
from mlpsearch.models.net import Net
from mlpsearch.models.numpy_net import compiled_step
from mlpsearch.models.training import EpochResult, train

REQUIRE = "MLPSEARCH_REQUIRE_COMPILED_STEPS"  # set where the tests shall fail rather than skip without them
needs_compiled_steps = pytest.mark.skipif(
    compiled_step.functions() is None, reason="no C compiler, or a NumPy without its own OpenBLAS"
)


def bits(arrays: dict[str, NDArray[Any]]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in arrays.items()}


def assert_same_states(one: Net, other: Net) -> None:
    """Bit by bit; but one NaN is as good as another."""
    mine, theirs = one.state(), other.state()
    assert mine.keys() == theirs.keys()
    for name, array in theirs.items():
        np.testing.assert_array_equal(np.isnan(mine[name]), np.isnan(array), err_msg=name)
        np.testing.assert_array_equal(mine[name], array, err_msg=name)
        assert np.isnan(array).any() or mine[name].tobytes() == array.tobytes(), name


def results(
    net: Net, training: Split, validation: Split, config: TrainConfig, preprocessing: Preprocessing, done: int = 0
) -> list[EpochResult]:
    runs = train(net, training, validation, config, preprocessing, epochs_done=done)
    return [replace(result, seconds=0.0) for result in runs]


shares = st.sampled_from([0.0, 0.3])
configurations = st.builds(
    TrainConfig,
    hidden_size=st.integers(2, 70),
    depth=st.integers(2, 4),
    learning_rate=st.sampled_from([1e-3, 0.1, 30.0]),  # the last one diverges
    regularization=st.sampled_from([0.0, 1e-3]),
    optimizer=st.sampled_from(["sgd", "adam", "adamw"]),
    momentum=st.sampled_from([0.0, 0.9]),
    nesterov=st.booleans(),
    weight_decay=st.sampled_from([0.0, 0.1]),
    initialization=st.sampled_from(["he", "small"]),
    batch_normalization=st.booleans(),
    dropout=shares,
    input_dropout=shares,
    label_smoothing=st.sampled_from([0.0, 0.1]),
    averaging=st.sampled_from([0.0, 0.99]),
    seed=st.integers(0, 99),
)
