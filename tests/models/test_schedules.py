"""The learning rate of each step is a function of the configuration and the step."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpsearch.models.config import ALLOWED, TrainConfig
from mlpsearch.models.schedules import learning_rate
from tests.models.cases import patiently

STEPS = 40


def rates(schedule: str, **changes: Any) -> list[float]:
    config = TrainConfig(learning_rate=2.0, epochs=4, schedule=schedule, **changes)
    return [learning_rate(config, step, STEPS) for step in range(STEPS)]


def test_the_step_schedule_decays_after_each_epoch() -> None:
    assert rates("step") == [2.0] * STEPS
    assert rates("step", learning_rate_decay=0.5) == [2.0] * 10 + [1.0] * 10 + [0.5] * 10 + [0.25] * 10


def test_the_cosine_falls_along_half_a_cosine() -> None:
    expected = [1 + math.cos(math.pi * step / STEPS) for step in range(STEPS)]
    assert rates("cosine") == pytest.approx(expected, rel=1e-12)
    assert rates("cosine")[0] == 2.0


def test_one_cycle_rises_and_falls_in_straight_lines() -> None:
    found = rates("one-cycle", warmup=0.25)
    assert found[:10] == pytest.approx([2 * (step + 1) / 11 for step in range(10)], rel=1e-12)
    assert found[10] == 2.0
    assert np.diff(found[10:]) == pytest.approx([-2 / 30] * 29, rel=1e-9)


@pytest.mark.parametrize("schedule", ALLOWED["schedule"])
def test_warm_up_rises_to_where_the_schedule_begins(schedule: str) -> None:
    found = rates(schedule, warmup=0.25, learning_rate_decay=0.5)
    if schedule != "step":
        assert rates(schedule, warmup=0.25) == found  # the decay is of the schedule "step"
        assert found[:11] == pytest.approx(np.linspace(0, 2, 12)[1:], rel=1e-12)
        assert found[10:] == pytest.approx(
            [learning_rate(TrainConfig(learning_rate=2.0, schedule=schedule), step, 30) for step in range(30)]
        )
    else:
        assert found[:9] == pytest.approx(np.linspace(0, 2, 12)[1:10], rel=1e-12)
        assert found[10:] == [1.0] * 10 + [0.5] * 10 + [0.25] * 10


@patiently
@given(
    st.sampled_from(ALLOWED["schedule"]),
    st.floats(0, 0.9),
    st.integers(1, 20),
    st.integers(1, 20),
    st.floats(0.01, 1),
)
def test_it_is_never_0_nor_above_the_one_of_the_configuration(
    schedule: str, warmup: float, epochs: int, batches: int, decay: float
) -> None:
    config = TrainConfig(schedule=schedule, warmup=warmup, epochs=epochs, learning_rate_decay=decay)
    found = [learning_rate(config, step, epochs * batches) for step in range(epochs * batches)]
    assert min(found) > 0
    assert max(found) <= config.learning_rate
