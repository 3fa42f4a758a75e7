"""Metrics other than accuracy, against scikit-learn's, and where scikit-learn has nothing to say."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from mlpsearch.models.scores import ACCURACY, METRICS, losses
from tests.models.cases import patiently
from tests.models.oracles import ORACLES, probabilities


@pytest.mark.parametrize("name", METRICS)
@patiently
@given(st.integers(2, 5), st.integers(2, 40), st.integers(0, 2**32), st.booleans())
def test_each_is_scikit_learns(name: str, classes: int, rows: int, seed: int, has_ties: bool) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, rows)  # of few rows some classes are absent
    logits = generator.normal(0, 2, (rows, classes))
    if has_ties:
        logits = logits[generator.integers(0, max(1, rows // 3), rows)]
    if not METRICS[name].is_defined(labels):
        assert np.isnan(METRICS[name].score(logits, labels))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of classes that are absent
        expected = ORACLES[name](logits, labels)
    assert METRICS[name].score(logits, labels) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_auc_of_three_classes_is_scikit_learns_mean_of_one_against_the_rest() -> None:
    generator = np.random.default_rng(0)
    labels, logits = generator.integers(0, 3, 60), generator.normal(size=(60, 3))
    expected = sklearn_metrics.roc_auc_score(labels, probabilities(logits), multi_class="ovr", average="macro")
    assert METRICS["auc"].score(logits, labels) == pytest.approx(expected)


@pytest.mark.parametrize("name", METRICS)
def test_a_row_that_counts_twice_is_like_two_rows(name: str) -> None:
    generator = np.random.default_rng(1)
    labels, logits = generator.integers(0, 3, 30), np.round(generator.normal(size=(30, 3)), 1)
    counts = generator.integers(0, 4, (5, 30))
    found = METRICS[name].of_rows(logits, labels)(counts.astype(np.float64))
    for drawn, score in zip(counts, found, strict=True):
        rows = np.repeat(np.arange(30), drawn)
        assert score == pytest.approx(METRICS[name].score(logits[rows], labels[rows]))


def test_the_log_loss_of_a_sure_mistake_is_not_clipped() -> None:
    """scikit-learn's clips at the precision of the probabilities, so float32 and float64 rank nets differently."""
    logits, labels = np.array([[0.0, 300.0], [0.0, 1.0]], np.float32), np.array([0, 1])
    worse = np.array([[0.0, 600.0], [0.0, 1.0]], np.float32)
    assert METRICS["log-loss"].score(logits, labels) == pytest.approx((300 + np.log1p(np.exp(-1))) / 2)
    assert METRICS["log-loss"].score(worse, labels) > 299
    clipped = [
        sklearn_metrics.log_loss(labels, probabilities(one.astype(kind)), labels=[0, 1])
        for kind in (np.float32, np.float64)
        for one in (logits, worse)
    ]
    assert clipped[0] == clipped[1] != clipped[2] == clipped[3], "it cannot tell the two nets apart"


def test_the_log_loss_of_a_sure_and_right_answer_is_nothing_and_has_no_sign() -> None:
    found = METRICS["log-loss"].score(np.array([[1000.0, 0.0]]), np.array([0]))
    assert str(found) == "0.0"


def test_the_order_of_saturated_answers_still_counts_in_the_auc() -> None:
    """As probabilities in float32 all of these are 1."""
    logits = np.array([[0, 100], [0, 101], [0, 102], [0, 103]], np.float32)
    assert METRICS["auc"].score(logits, np.array([0, 0, 1, 1])) == 1
    assert METRICS["auc"].score(logits, np.array([0, 1, 0, 1])) == 0.75


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", METRICS)
def test_a_net_whose_answers_are_no_numbers_is_as_good_as_one_that_says_nothing(name: str, value: float) -> None:
    labels = np.array([0, 1, 1, 2])
    found = METRICS[name].score(np.full((4, 3), value), labels)
    assert found == METRICS[name].score(np.zeros((4, 3)), labels)
    assert np.isfinite(found)


def test_the_largest_logits_of_float32_give_finite_scores() -> None:
    top = float(np.finfo(np.float32).max)
    logits, labels = np.array([[top, -top, 0], [-top, top, 0], [0, 0, top]]), np.array([1, 0, 0])
    for name, metric in METRICS.items():
        assert np.isfinite(metric.score(logits, labels)), name
    assert losses(logits, labels).max() == 2 * top


@pytest.mark.parametrize("name", METRICS)
def test_the_better_net_has_the_better_score_and_comes_first(name: str) -> None:
    metric, labels = METRICS[name], np.array([0, 1, 2, 0, 1, 2])
    good = np.eye(3)[labels] * 3
    bad = good[::-1] * 0.5
    right, wrong = metric.score(good, labels), metric.score(bad, labels)
    assert metric.better(right, wrong)
    assert not metric.better(wrong, right)
    assert not metric.better(right, right)
    assert metric.gain(right, wrong) > 0 > metric.gain(wrong, right)
    assert sorted([wrong, right], key=metric.rank) == [right, wrong]
    assert metric.best([wrong, right, wrong]) == right


def test_only_the_loss_is_better_when_it_is_lower() -> None:
    assert [name for name, metric in METRICS.items() if metric.lower_is_better] == ["log-loss"]
    assert METRICS["accuracy"] is ACCURACY
