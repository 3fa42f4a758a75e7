"""The nets' average, its temperature and its calibration error, against plain references and by what must hold."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from mlpsearch.models.ensemble import (
    average_log_probabilities,
    average_probabilities,
    calibration_error,
    fitted_temperature,
)
from mlpsearch.models.scores import LOG_LOSS, log_probabilities
from tests.models.cases import patiently

Array = np.ndarray[Any, np.dtype[np.float64]]
Labels = np.ndarray[Any, np.dtype[np.int64]]
sizes = st.tuples(st.integers(1, 5), st.integers(1, 60), st.integers(2, 6))  # nets, rows, classes
seeds = st.integers(0, 2**32)


def plain_softmax(logits: Array) -> Array:
    return np.array(
        [[math.exp(z - max(row)) / sum(math.exp(y - max(row)) for y in row) for z in row] for row in logits]
    )


def plain_calibration_error(shares: Array, labels: Labels, bins: int = 15) -> float:
    total = 0.0
    for place in range(bins):
        inside = [
            (max(row), float(row.argmax() == label))
            for row, label in zip(shares, labels, strict=True)
            if place / bins < max(row) <= (place + 1) / bins
        ]
        if inside:
            confidence, right = np.mean(inside, axis=0)
            total += len(inside) / len(labels) * abs(confidence - right)
    return total


@patiently
@given(sizes, seeds, st.sampled_from([0.1, 1.0, 20.0]))
def test_the_average_is_the_mean_of_probabilities(size: tuple[int, int, int], seed: int, spread: float) -> None:
    logits = np.random.default_rng(seed).normal(0, spread, size).astype(np.float32)
    found = average_log_probabilities(logits)
    assert found.dtype == np.float64
    assert np.exp(found) == pytest.approx(np.mean([plain_softmax(one.astype(float)) for one in logits], axis=0))
    assert np.exp(found).sum(axis=1) == pytest.approx(1)


@patiently
@given(sizes, seeds, st.sampled_from([0.1, 1.0, 20.0]))
def test_nets_may_weigh_more_or_less(size: tuple[int, int, int], seed: int, spread: float) -> None:
    random = np.random.default_rng(seed)
    logits, weights = random.normal(0, spread, size), random.dirichlet(np.ones(size[0])).tolist()
    shares = np.array([plain_softmax(one) for one in logits])
    expected = np.average(shares, axis=0, weights=weights)
    assert np.exp(average_log_probabilities(logits, weights)) == pytest.approx(expected)
    assert average_probabilities(shares, weights) == pytest.approx(expected, rel=1e-12)


def test_a_row_for_which_one_net_has_no_numbers_has_none() -> None:
    shares = np.array([[[0.5, 0.5], [0.25, 0.75]], [[np.nan, np.nan], [0.75, 0.25]]], np.float32)
    found = average_probabilities(shares, [0.5, 0.5])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[np.nan, np.nan], [0.5, 0.5]])


@patiently
@given(sizes, seeds)
def test_the_average_of_one_net_is_that_net(size: tuple[int, int, int], seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 5, size[1:])
    assert np.array_equal(average_log_probabilities([logits]), log_probabilities(logits))


def test_probabilities_too_small_for_a_float_stay_apart() -> None:
    found = average_log_probabilities([np.array([[0.0, 5000.0, 0.0]]), np.array([[0.0, 5000.0, 1.0]])])
    assert found[0] == pytest.approx([-5000, 0, -5000 + math.log((1 + math.e) / 2)])


def test_a_net_that_gives_no_number_says_all_classes_alike() -> None:
    found = average_log_probabilities([np.array([[np.nan, 1.0]]), np.array([[math.log(3), 0.0]])])
    assert np.exp(found) == pytest.approx(np.array([[0.625, 0.375]]))


@patiently
@given(st.integers(2, 5), st.integers(1, 8), seeds)
def test_of_calibrated_logits_the_best_temperature_is_1(classes: int, kinds: int, seed: int) -> None:
    """Rows of each kind have their classes just as often as the probabilities say."""
    counts = np.random.default_rng(seed).integers(1, 9, (kinds, classes))
    counts[0, 0] = 20  # of classes that are all alike, any temperature is as good
    logits = np.repeat(np.log(counts), counts.sum(axis=1), axis=0)
    labels = np.concatenate([np.repeat(np.arange(classes), row) for row in counts])
    assert fitted_temperature(logits, labels) == pytest.approx(1, rel=1e-9)
    assert fitted_temperature(3 * logits, labels) == pytest.approx(3, rel=1e-9)
    assert fitted_temperature(logits / 3, labels) == pytest.approx(1 / 3, rel=1e-9)


@patiently
@given(st.integers(2, 5), st.integers(3, 80), seeds, st.sampled_from([0.3, 1.0, 4.0]))
def test_no_other_temperature_has_a_smaller_loss(classes: int, rows: int, seed: int, spread: float) -> None:
    generator = np.random.default_rng(seed)
    logits, labels = generator.normal(0, spread, (rows, classes)), generator.integers(0, classes, rows)
    logits[np.arange(rows), labels] += spread
    found = fitted_temperature(logits, labels)

    def loss(log_temperature: float) -> float:
        return LOG_LOSS.score(logits / math.exp(log_temperature), labels)

    others = minimize_scalar(loss, bounds=(-6, 6), method="bounded")
    if found is None:
        knows = logits[np.arange(rows), labels]
        assert (knows == logits.max(axis=1)).all() or np.mean(knows) <= np.mean(logits)
    else:
        assert loss(math.log(found)) <= others.fun + 1e-12
        assert LOG_LOSS.score(logits / found, labels) <= LOG_LOSS.score(logits, labels) + 1e-12


def test_where_every_row_is_right_or_nothing_is_known_no_temperature_is_best() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 1.0]])
    assert fitted_temperature(logits, np.array([0, 1])) is None
    assert fitted_temperature(logits, np.array([1, 0])) is None
    assert fitted_temperature(np.zeros((2, 2)), np.array([0, 1])) is None


@patiently
@given(st.integers(2, 5), st.integers(1, 200), seeds, st.sampled_from([0.1, 1.0, 50.0]))
def test_the_calibration_error_is_what_a_loop_says(classes: int, rows: int, seed: int, spread: float) -> None:
    generator = np.random.default_rng(seed)
    logits, labels = generator.normal(0, spread, (rows, classes)), generator.integers(0, classes, rows)
    found = calibration_error(logits, labels)
    assert 0 <= found <= 1
    assert found == pytest.approx(plain_calibration_error(np.exp(log_probabilities(logits)), labels))


def test_the_calibration_error_of_what_is_sure() -> None:
    sure = np.array([[1000.0, 0.0]] * 4)
    assert calibration_error(sure, np.array([0, 0, 0, 0])) == 0
    assert calibration_error(sure, np.array([1, 1, 1, 1])) == 1
    assert calibration_error(sure, np.array([0, 0, 0, 1])) == 0.25
    assert calibration_error(np.log([[0.75, 0.25]] * 4), np.array([0, 0, 0, 1])) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("rows", "points"), [(360, 5), (10_000, 1)])
def test_of_true_probabilities_the_calibration_error_is_what_chance_makes_it(rows: int, points: int) -> None:
    """docs/confirmation.md has these figures."""
    generator = np.random.default_rng(0)
    found = []
    for _ in range(50):
        logits = generator.normal(0, 1, (rows, 10))
        labels = (np.exp(log_probabilities(logits)).cumsum(axis=1) > generator.random((rows, 1))).argmax(axis=1)
        found.append(calibration_error(logits, labels))
    assert round(100 * float(np.mean(found))) == points
