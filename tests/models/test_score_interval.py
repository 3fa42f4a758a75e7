"""Intervals of scores: they cover the truth, also where few rows are wrong, and always have a width."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpsearch.models.score_interval import score_interval
from mlpsearch.models.scores import METRICS
from mlpsearch.models.statistics import wilson_interval

NAMES = [name for name in METRICS if name != "accuracy"]
Logits = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]


def answers(
    generator: np.random.Generator, labels: Labels, classes: int, skill: float, seeds: int, spread: float
) -> Logits:
    """Logits of the nets of a configuration, (seeds, rows, classes), which find the same rows difficult.

    skill: by how much the true class's logit is higher, on average.  spread: deviation of the nets' skills.
    """
    skills = skill + generator.normal(0, spread, (seeds, 1, 1))
    difficulty = generator.standard_normal((len(labels), classes))
    noise = 0.7 * generator.standard_normal((seeds, len(labels), classes))
    return np.asarray(1.5 * (skills * np.eye(classes)[labels] + difficulty + noise))


def truth(name: str, shares: Sequence[float], skill: float, spread: float) -> float:
    """The mean score over many nets, each on many rows."""
    generator, scores = np.random.default_rng(99), []
    for _ in range(60 if spread else 5):
        labels = generator.choice(len(shares), 10_000, p=shares)
        scores.append(METRICS[name].score(answers(generator, labels, len(shares), skill, 1, spread)[0], labels))
    return float(np.mean(scores))


# Rows, shares of the classes, skill, seeds, spread. With skills of 1, 3 and 6 72%, 96% and 99.97% are right.
CASES = [
    (60, (0.5, 0.5), 1.0, 1, 0.0),
    pytest.param(60, (0.85, 0.15), 3.0, 3, 0.2, marks=pytest.mark.stress),
    (60, (0.6, 0.3, 0.1), 6.0, 3, 0.2),
    pytest.param(300, (0.85, 0.15), 1.0, 1, 0.0, marks=pytest.mark.stress),
]


@pytest.mark.parametrize(("rows", "shares", "skill", "seeds", "spread"), CASES)
@pytest.mark.parametrize("name", NAMES)
def test_it_covers_the_truth(
    name: str, rows: int, shares: tuple[float, ...], skill: float, seeds: int, spread: float
) -> None:
    """The classes of the rows are drawn as well; 100 test splits."""
    generator, repetitions, hits = np.random.default_rng(5), 100, 0
    true = truth(name, shares, skill, spread)
    for _ in range(repetitions):
        labels = generator.choice(len(shares), rows, p=shares)
        labels[:2] = 0, 1  # so that each metric is defined
        low, high = score_interval(
            METRICS[name], answers(generator, labels, len(shares), skill, seeds, spread), labels
        )
        hits += low <= true <= high
    # Two standard errors of 100 repetitions below 93%.
    assert hits / repetitions >= 0.93 - 2 * math.sqrt(0.07 * 0.93 / repetitions)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_nets_that_are_alike_and_right_are_no_surer_than_the_rows_allow(name: str, seeds: int) -> None:
    labels = np.repeat([0, 1], [45, 15])
    logits = np.stack([np.eye(2)[labels] * 20] * seeds)
    low, high = score_interval(METRICS[name], logits, labels)
    if METRICS[name].lower_is_better:
        assert low == pytest.approx(0, abs=1e-8)
        assert high == pytest.approx(20 * (1 - wilson_interval(60, 60)[0]), rel=1e-6), (
            "as if 6% were sure and wrong"
        )
    else:
        rows = math.floor(4 / (1 / 45 + 1 / 15))
        assert (low, high) == pytest.approx((wilson_interval(rows, rows)[0], 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("labels", [[0, 1], [0, 0, 1], [0, 1, 2, 2]], ids=str)
def test_nets_that_say_the_same_of_all_rows_have_an_interval_with_a_width(name: str, labels: list[int]) -> None:
    for seeds in (1, 2, 5):
        low, high = score_interval(METRICS[name], np.zeros((seeds, len(labels), 3)), np.array(labels))
        center = METRICS[name].score(np.zeros((len(labels), 3)), np.array(labels))
        assert math.isfinite(low)
        assert math.isfinite(high)
        assert low <= center <= high
        assert high - low > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_the_same_nets_have_the_same_interval(name: str) -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(50) % 3
    logits = answers(generator, labels, 3, 1.0, 3, 0.2)
    assert score_interval(METRICS[name], logits, labels) == score_interval(METRICS[name], logits.copy(), labels)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_that_differ_widen_it(name: str) -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(200) % 2
    one = answers(generator, labels, 2, 1.0, 1, 0.0)
    better = one + np.eye(2)[labels] * 2
    alike = score_interval(METRICS[name], np.concatenate([one, one, one]), labels)
    spread = score_interval(METRICS[name], np.concatenate([one, better, one - (better - one) / 2]), labels)
    assert spread[1] - spread[0] > 1.5 * (alike[1] - alike[0])


def test_an_auc_never_meets_a_draw_of_one_class() -> None:
    """Of 3 rows in 60 a draw from all rows has none in 5% of cases."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], [57, 3])
    low, high = score_interval(METRICS["auc"], answers(generator, labels, 2, 1.0, 2, 0.1), labels)
    assert 0 <= low < high <= 1


def test_a_rare_and_sure_mistake_counts_in_the_upper_end_of_a_loss() -> None:
    labels = np.zeros(200, np.int64)
    logits = np.tile([3.0, 0.0], (1, 200, 1))
    logits[0, 0] = 0.0, 30.0
    low, high = score_interval(METRICS["log-loss"], logits, labels)
    usual = math.log1p(math.exp(-3))
    assert low <= usual + 1e-9
    assert high > usual + 30 * 0.02, "four such rows in 200"
