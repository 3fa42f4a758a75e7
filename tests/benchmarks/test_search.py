"""What a search is worth in random trials, and that the benchmark runs the product's own searches."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pytest

from benchmarks import points_alone
from benchmarks.points_alone import worth_of_points
from benchmarks.search import Reference, Row, Spending, expected_best, incumbents, learnt, measure, speed_ups
from benchmarks.search_problems import Curve, Point, Problem, draw, values_of
from mlpsearch.models.config import TrainConfig
from mlpsearch.studies.spec.dimensions import Range

SPACE = {"learning_rate": Range(low=1e-4, high=1.0, log=True), "hidden_size": Range(low=16, high=256)}
EPOCHS = 8


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


def curve(config: TrainConfig) -> Curve:
    """Of a net that learns best at a learning rate of 0.01, and takes as long as it is wide."""
    epochs = np.arange(1.0, EPOCHS + 1)
    off = abs(math.log10(config.learning_rate) + 2) / 4
    return Curve((1 - off) * epochs / EPOCHS, epochs * config.hidden_size)


def config_of(point: Point) -> TrainConfig:
    return TrainConfig(
        hidden_size=int(point["hidden_size"]),
        learning_rate=float(point["learning_rate"]),
        regularization=0.0,
        depth=2,
        batch_size=10,
        epochs=EPOCHS,
    )


def problem(name: str) -> Problem:
    points = draw(SPACE, 60, seed=1)
    ends = [curve(config_of(point)) for point in points]
    scores, seconds = (np.array([values[-1] for values in column]) for column in zip(*ends, strict=True))
    return Problem(name, EPOCHS, SPACE, {}, points, scores, seconds, curve)


def test_the_best_of_one_is_the_mean_and_of_many_the_maximum() -> None:
    ascending = np.array([0.1, 0.2, 0.6])
    assert expected_best(ascending, 1) == pytest.approx(0.3)
    assert expected_best(ascending, 2) == pytest.approx((0.1 + 3 * 0.2 + 5 * 0.6) / 9)
    assert expected_best(ascending, 1_000) == pytest.approx(0.6)


def test_a_score_is_worth_the_trials_that_find_it() -> None:
    scores = np.random.default_rng(0).random(1_000)
    for trials in (1, 7, 90):
        found = expected_best(np.sort(scores), trials)
        assert math.exp(Reference(scores).log_trials(found)) == pytest.approx(trials, rel=0.02)
    assert math.exp(Reference(scores).log_trials(scores.max())) == pytest.approx(1_000)


def test_equal_seeds_have_no_error() -> None:
    one = problem("one")
    best = np.full((1, 4, 1), one.scores.max())
    assert [(round(speed.value, 6), speed.error) for speed in speed_ups([one], best, (10,))] == [(6.0, 1.0)]


@pytest.mark.parametrize("pruner", ["median", "hyperband", "none"])
def test_a_longer_search_finds_at_least_as_much_and_only_what_there_is(pruner: str) -> None:
    spending = Spending("epochs", (1, 3, 6))
    found = incumbents(problem("one"), Row(pruner=pruner), [], 0, spending)
    assert found == sorted(found)
    assert found == incumbents(problem("one"), Row(pruner=pruner), [], 0, spending)
    assert found[-1] <= 1


def test_no_trial_counts_that_ends_after_the_budget() -> None:
    one = problem("one")
    best = one.points[int(one.scores.argmax())]
    # A full training costs more than the mean of two: after none the worst score stands.
    dear = replace(one, seconds=one.seconds / 1_000)
    assert incumbents(dear, Row(), [best], 0, Spending("seconds", (1,))) == [one.scores.min()]
    assert incumbents(one, Row(), [best], 0, Spending("trials", (1,)))[0] >= one.scores.max()


def test_points_and_ranges_are_those_of_the_other_problems() -> None:
    one, other = problem("one"), problem("other")
    narrow, points = learnt([replace(one, scores=-one.scores), other], 0, Row(points=1, ranges=True), "epochs")
    assert points == [other.points[int(other.scores.argmax())]]
    rates = narrow.space["learning_rate"]
    assert 1e-4 < rates.low <= float(points[0]["learning_rate"]) <= rates.high < 1.0


def test_points_alone_are_worth_the_random_trials_that_find_as_much() -> None:
    one = problem("one")
    trials, costs = worth_of_points([one, problem("other")], lambda scores, _: scores)
    # The same net in both: the other's best configuration is the best, and no more can be told than there are.
    assert np.exp(trials) == pytest.approx(len(one.scores), rel=0.01)
    assert costs.shape == (2,)


def test_a_row_has_a_speed_up_for_each_budget() -> None:
    problems = [problem("one"), problem("other")]
    results = measure(problems, Row(points=2), 2, Spending("epochs", (2, 4)))
    assert [result.value > 0 and result.error >= 1 for result in results] == [True, True]


def test_the_searched_values_come_in_the_order_of_the_space() -> None:
    config = config_of({"hidden_size": 20, "learning_rate": 0.5})
    assert list(values_of(config, SPACE).items()) == [("learning_rate", 0.5), ("hidden_size", 20)]


def test_points_alone_of_lcbench_need_no_other_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lcbench(folder: Path, *, pool: int) -> list[Problem]:
        return [problem(f"{folder.name}-{pool}-{number}") for number in range(3)]

    def hpobench() -> list[Problem]:
        raise SystemExit("needs a package")

    monkeypatch.setattr(points_alone, "lcbench", lcbench)
    monkeypatch.setattr(points_alone, "hpobench", hpobench)
    monkeypatch.setattr("sys.argv", ["points_alone", "--lcbench", "folder", "--pools", "0,1"])
    points_alone.main()
    assert len(capsys.readouterr().out.splitlines()) == 2 + len(points_alone.RULES)
