"""Greedy selection beside what looks at every choice, and that its own rows flatter it."""

from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mlpsearch.models import greedy_selection
from mlpsearch.models.greedy_selection import ROUNDS, greedy_counts, halves, select
from mlpsearch.models.scores import METRICS, Metric, log_probabilities

Nets = tuple[NDArray[np.float64], NDArray[np.int64]]


def drawn(seed: int, nets: int = 4, rows: int = 30, classes: int = 3, hint: float = 1.0) -> Nets:
    """Log probabilities of nets that know something, (nets, rows, classes), and the classes of the rows."""
    random = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    logits = random.normal(size=(nets, rows, classes))
    logits[:, np.arange(rows), labels] += hint * random.uniform(0, 1, (nets, 1))
    return np.stack([log_probabilities(one) for one in logits]), labels


def reached(nets: Nets, chosen: Any, metric: Metric) -> tuple[float, float]:
    """Score and log loss of the average of these nets, in plain probabilities; less is better."""
    shares, labels = np.exp(nets[0])[list(chosen)].mean(axis=0), nets[1]
    loss = -np.log(shares[np.arange(len(labels)), labels]).mean()
    return round(metric.rank(metric.score(np.log(shares), labels)), 12), round(loss, 12)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("seed", range(5))
def test_each_round_takes_the_net_that_makes_the_average_best(name: str, seed: int) -> None:
    nets, metric = drawn(seed), METRICS[name]
    chosen, rounds = list[int](), list[tuple[tuple[float, float], list[int]]]()
    for _ in range(ROUNDS):
        chosen = min(([*chosen, one] for one in range(4)), key=lambda one: reached(nets, one, metric))
        rounds.append((reached(nets, chosen, metric), chosen))
    _, best = min(rounds, key=lambda one: one[0])
    np.testing.assert_array_equal(greedy_counts(*nets, metric), np.bincount(best, minlength=4))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("seed", range(5))
def test_of_two_joins_no_pair_is_better_that_has_the_best_net(
    name: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greedy_selection, "ROUNDS", 2)
    nets, metric = drawn(seed), METRICS[name]
    counts = greedy_counts(*nets, metric)
    best = min(range(4), key=lambda one: reached(nets, [one], metric))
    pairs = [pair for pair in combinations_with_replacement(range(4), 2) if best in pair]
    expected = min(reached(nets, chosen, metric) for chosen in [[best], *pairs])
    assert reached(nets, np.repeat(np.arange(4), counts), metric) == expected


@pytest.mark.parametrize("name", METRICS)
def test_a_choice_is_never_worse_on_its_rows_than_a_net_alone(name: str) -> None:
    metric = METRICS[name]
    for seed in range(20):
        nets = drawn(seed, nets=6)
        found = select(*nets, metric)
        alone = metric.best(metric.score(one, nets[1]) for one in nets[0])
        assert metric.gain(found.score, alone) >= -1e-12
        assert 1 <= found.counts.sum() <= ROUNDS
        shares = np.tensordot(found.counts / found.counts.sum(), np.exp(nets[0]), axes=1)
        assert found.score == pytest.approx(metric.score(np.log(shares), nets[1]), abs=1e-12)


@pytest.mark.parametrize("name", ["accuracy", "log-loss"])
def test_rows_that_choose_flatter_and_the_other_half_does_not(name: str) -> None:
    """Of nets that know nothing, a choice by some rows looks better there than chance, and nowhere else."""
    metric, gains, biases = METRICS[name], list[float](), list[float]()
    chance = {"accuracy": 1 / 3, "log-loss": np.log(3)}[name]
    for seed in range(40):
        log_p, labels = drawn(seed, nets=12, rows=60, hint=0)
        found = select(0.3 * log_p - np.log(np.exp(0.3 * log_p).sum(axis=2, keepdims=True)), labels, metric)
        assert found.unseen is not None
        gains.append(metric.gain(found.score, chance))
        biases.append(metric.gain(found.unseen, chance))
    assert min(gains) > 0
    assert np.mean(biases) < 0.25 * np.mean(gains)


def test_halves_have_each_class_half() -> None:
    labels = np.array([0] * 7 + [2] * 4 + [1] * 2 + [0] * 3)
    one, other = halves(labels)
    assert sorted([*one, *other]) == list(range(16))
    assert abs(np.bincount(labels[one], minlength=3) - np.bincount(labels[other], minlength=3)).max() <= 1


def test_where_a_half_has_no_such_score_it_is_not_said() -> None:
    (log_p, _), labels = drawn(0, rows=3, classes=2), np.array([0, 0, 1])
    assert select(log_p, labels, METRICS["auc"]).unseen is None
    assert select(log_p, labels, METRICS["accuracy"]).unseen is not None
    assert select(log_p[:, :1], labels[:1], METRICS["accuracy"]).unseen is None


def test_probabilities_that_underflow_are_compared_all_the_same() -> None:
    """The surest net is wrong on one row by far; e to that power is 0 in float64."""
    sure = log_probabilities(np.array([[2000.0, 0.0], [2000.0, 0.0]]))
    surer = log_probabilities(np.array([[3000.0, 0.0], [3000.0, 0.0]]))
    found = select(np.stack([surer, sure]), np.array([0, 1]), METRICS["log-loss"])
    assert found.counts.tolist() == [0, 1]
    assert found.score == 1000
