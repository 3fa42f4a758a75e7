"""Statistics over seeds and images, against values worked out by hand, published ones, and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binom, binomtest, t

from mlpsearch.models.statistics import (
    accuracy_interval,
    chance_of_lead,
    deviation,
    difference_interval,
    expected_maximum,
    margin_of_seeds,
    mean,
    wilson_interval,
)
from tests.models.cases import patiently

# Newcombe's examples (1998, table I, method 4,
# https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E).
NEWCOMBE = [
    (81, 263, 0.2535, 0.3682),
    (15, 148, 0.0598, 0.1644),
    (0, 20, 0.0, 0.2005),
    (1, 29, 0.0018, 0.1963),
]


def test_mean_and_deviation() -> None:
    assert mean([0.5, 0.25, 0.75]) == 0.5
    assert deviation([1.0, 2.0, 3.0, 4.0]) == pytest.approx(math.sqrt(5 / 3))
    assert deviation([0.5]) is None


# ---- how sure the best mean is ----


def test_of_two_candidates_it_is_the_p_value_of_the_tables() -> None:
    """Differences 1, 2, 3: t = 2 / (1 / √3) = 3.4641 with two degrees of freedom."""
    t = 2 * math.sqrt(3)
    exact = 1 - t / math.sqrt(2 + t * t)  # the distribution of t with two degrees of freedom, in closed form
    assert chance_of_lead([[11.0, 22.0, 33.0], [10.0, 20.0, 30.0]]) == pytest.approx(exact)
    assert chance_of_lead([[10.0, 20.0, 30.0], [11.0, 22.0, 33.0]]) == pytest.approx(exact)


def test_the_least_sure_of_all_comparisons_counts() -> None:
    """The third candidate has a lower mean than the second, but it varies so much that it may be the best."""
    leader, close, wild = [0.60, 0.61, 0.62, 0.61], [0.58, 0.592, 0.598, 0.592], [0.45, 0.70, 0.50, 0.65]
    both = chance_of_lead([leader, close, wild])
    assert both == chance_of_lead([leader, wild])
    assert both is not None
    assert both > 0.2
    alone = chance_of_lead([leader, close])
    assert alone is not None
    assert alone < 0.001


def test_pairs_tell_what_samples_could_not() -> None:
    """The seeds differ far more than the configurations, but alike in both."""
    seeds = np.linspace(0.4, 0.6, 5)
    chance = chance_of_lead([[*np.add(seeds, [0.010, 0.011, 0.009, 0.010, 0.012])], [*seeds]])
    assert chance is not None
    assert chance < 0.001


@pytest.mark.parametrize("accuracies", [[[0.5, 0.75], [0.25, 0.5]], [[0.5], [0.6]], [[0.5, 0.6, 0.7]]])
def test_two_seeds_are_too_few_to_say_and_one_candidate_leads_nobody(accuracies: list[list[float]]) -> None:
    assert chance_of_lead(accuracies) is None


@pytest.mark.parametrize(
    ("first", "second", "chance"),
    [
        ([0.5, 0.6, 0.7], [0.5, 0.6, 0.7], 1.0),
        ([0.5, 0.75, 0.25], [0.25, 0.5, 0.0], 0.25),
        ([0.6, 0.7, 0.8, 0.9], [0.5, 0.6, 0.7, 0.8], 0.125),  # as floats the differences are not quite the same
    ],
)
def test_the_same_difference_in_all_seeds_is_never_certain(
    first: list[float], second: list[float], chance: float
) -> None:
    assert chance_of_lead([first, second]) == chance


# Two equal candidates far ahead of all others are the hardest case; those that are all equal the usual one.
EQUALS = [(candidates, seeds, 2) for candidates in (2, 5, 10) for seeds in (3, 5, 10)]
EQUALS += [(candidates, seeds, candidates) for candidates in (5, 10) for seeds in (3, 5, 10)]


@pytest.mark.parametrize(("candidates", "seeds", "equal"), EQUALS)
def test_equal_candidates_are_told_apart_in_no_more_than_5_percent_of_cases(
    candidates: int, seeds: int, equal: int
) -> None:
    """Accuracies of 1,000 validation images, nets of deviation 0.7 points; 600 confirmations."""
    generator, repetitions = np.random.default_rng([candidates, seeds, equal]), 600
    means = np.where(np.arange(candidates) < equal, 0.58, 0.40)[:, None]
    told = 0
    for _ in range(repetitions):
        shares = means + generator.normal(0, 0.007, (candidates, seeds)) + generator.normal(0, 0.003, seeds)
        chance = chance_of_lead([[*row] for row in np.round(shares, 3)])
        assert chance is not None
        told += chance < 0.05
    assert told / repetitions <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repetitions)


def test_a_candidate_that_is_three_deviations_better_is_found_by_five_seeds() -> None:
    generator, repetitions, found = np.random.default_rng(0), 300, 0
    for _ in range(repetitions):
        shares = generator.normal(0.5, 0.01, (5, 5))
        shares[3] += 0.03
        chance = chance_of_lead([[*row] for row in shares])
        found += chance is not None and chance < 0.05
    assert found / repetitions > 0.7


# ---- one net ----


@pytest.mark.parametrize(("correct", "total", "low", "high"), NEWCOMBE)
def test_known_wilson_intervals(correct: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=6e-5)


def test_the_interval_is_scipys_bit_by_bit() -> None:
    for total in (1, 2, 7, 50, 360, 10_000):
        for correct in range(0, total + 1, max(1, total // 20)):
            ends = binomtest(correct, total, correct / total).proportion_ci(0.95, method="wilsoncc")
            assert wilson_interval(correct, total) == (ends.low, ends.high)


def test_the_chance_of_a_lead_is_scipys_p_value_bit_by_bit() -> None:
    random = np.random.default_rng(1)
    for seeds in (3, 5, 20):
        leader, other = random.normal(0.5, 0.1, (2, seeds))
        differences = leader + 1 - other
        error = differences.std(ddof=1) / math.sqrt(seeds)
        expected = 2 * t.sf(differences.mean() / error, seeds - 1)
        assert chance_of_lead([[*(leader + 1)], [*other]]) == expected


def test_the_margin_of_seeds_is_by_scipys_distribution() -> None:
    random = np.random.default_rng(1)
    for seeds in (2, 5, 20):
        group = random.normal(0.5, 0.1, seeds)
        expected = t.ppf(0.975, seeds - 1) * math.sqrt(group.var(ddof=1) / seeds)
        assert margin_of_seeds(0.95, group) == pytest.approx(expected, rel=1e-12)


@patiently
@given(st.integers(1, 10_000), st.data())
def test_the_interval_is_never_narrower_than_wilsons_without_correction(total: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, total))
    low, high = wilson_interval(correct, total)
    plain = binomtest(correct, total, correct / total).proportion_ci(method="wilson")
    assert 0 <= low <= plain.low <= correct / total <= plain.high <= high <= 1


@pytest.mark.parametrize("images", [20, 60, 200, 1000])
def test_the_interval_of_one_net_covers_any_accuracy(images: int) -> None:
    """Not simulated: each number of right answers counts by its binomial probability."""
    counts = np.arange(images + 1)
    low, high = np.array([wilson_interval(int(count), images) for count in counts]).T
    for accuracy in np.append(np.linspace(0.5, 0.99, 99), np.linspace(0.99, 0.9999, 100)):
        covered = (low <= accuracy) & (accuracy <= high)
        assert binom.pmf(counts, images, accuracy)[covered].sum() >= 0.94, accuracy


# ---- several nets ----


def answers(
    generator: np.random.Generator, accuracy: float, seeds: int, difficulty: NDArray[np.float64], spread: float
) -> NDArray[np.bool_]:
    """Right or wrong of the nets of a configuration, (seeds, images).

    accuracy: in truth, over all images and seeds.  difficulty: of each image, standard normal, for all nets alike.
    spread: deviation of the nets' accuracies, in units of the deviation that an image's difficulty has.
    """
    skill = generator.normal(0, spread, (seeds, 1))
    noise = generator.normal(0, 0.7, (seeds, len(difficulty)))
    # The sum of all is normal, so the threshold for a given accuracy is known.
    right: NDArray[np.bool_] = skill + noise + difficulty < ndtri(accuracy) * math.sqrt(1 + 0.7**2 + spread**2)
    return right


@pytest.mark.parametrize("images", [20, 60, 1000])
@pytest.mark.parametrize("accuracy", [0.5, 0.9, 0.98, 0.999])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_of_several_nets_covers_any_accuracy(images: int, accuracy: float, seeds: int) -> None:
    generator, repetitions, hits = np.random.default_rng([images, int(1000 * accuracy), seeds]), 100, 0
    for _ in range(repetitions):
        correct = answers(generator, accuracy, seeds, generator.standard_normal(images), spread=0.05)
        low, high = accuracy_interval(correct)
        hits += low <= accuracy <= high
    assert hits / repetitions >= 0.93


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_covers_the_accuracy_where_seeds_matter_most(seeds: int) -> None:
    """The nets' accuracies have a deviation of 9 points, 1,000 images an error of 1.6."""
    generator, repetitions, hits = np.random.default_rng(seeds), 300, 0
    for _ in range(repetitions):
        correct = answers(generator, 0.6, seeds, generator.standard_normal(1000), spread=0.3)
        low, high = accuracy_interval(correct)
        hits += low <= 0.6 <= high
    assert hits / repetitions >= 0.93


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_nets_that_are_all_right_are_as_sure_as_the_images_allow(seeds: int) -> None:
    correct = np.ones((seeds, 50), bool)
    assert accuracy_interval(correct) == wilson_interval(50, 50)
    correct[0, 0] = False
    low, high = accuracy_interval(correct)
    assert 0 <= low < wilson_interval(49, 50)[0] + 1e-12
    assert 0.99 < high <= 1


@patiently
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 2**32), st.floats(0, 1))
def test_several_nets_are_never_surer_than_one_of_their_mean(
    seeds: int, images: int, seed: int, accuracy: float
) -> None:
    correct = np.random.default_rng(seed).random((seeds, images)) < accuracy
    low, high = accuracy_interval(correct)
    share, z = correct.mean(), 1.959963984540054  # Wilson's formula, for a share that is no whole number of images
    center = (share + z**2 / (2 * images)) / (1 + z**2 / images)
    margin = z / (1 + z**2 / images) * math.sqrt(share * (1 - share) / images + z**2 / (4 * images**2))
    assert 0 <= low <= max(0, center - margin) + 1e-9
    assert min(1, center + margin) - 1e-9 <= high <= 1


# ---- two configurations on the same images ----


def test_a_known_interval_of_a_difference() -> None:
    """The example of ci.prop.ps in the R package statpsych, which is Bonett and Price's interval."""
    counts = {(False, False): 12, (False, True): 4, (True, False): 26, (True, True): 6}
    pairs = np.array([pair for pair, count in counts.items() for _ in range(count)])
    assert difference_interval(pairs[:, :1].T, pairs[:, 1:].T) == pytest.approx((0.2548067, 0.6251933), abs=1e-6)


def test_the_same_images_tell_what_other_images_could_not() -> None:
    """30 of 1,000 images decide: the two are right about the same images but those."""
    first = np.arange(1000)[None] < 550
    second = first & (np.arange(1000)[None] >= 30)
    low, high = difference_interval(first, second)
    assert 0 < low < 0.03 < high < 0.05
    assert wilson_interval(550, 1000)[0] < wilson_interval(520, 1000)[1], "the intervals overlap"
    assert difference_interval(second, first) == pytest.approx((-high, -low))


def test_a_difference_has_a_width_where_the_nets_agree_everywhere() -> None:
    low, high = difference_interval(np.ones((2, 50), bool), np.ones((3, 50), bool))
    assert -0.1 < low < -0.01
    assert 0.01 < high < 0.1


def test_a_difference_that_must_hold_more_often_has_a_wider_interval() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.random((3, 100)) < 0.7, generator.random((3, 100)) < 0.6
    usual, wider = difference_interval(first, second), difference_interval(first, second, level=0.99)
    assert -1 <= wider[0] < usual[0] < usual[1] < wider[1] <= 1


@pytest.mark.parametrize("images", [20, 500])
@pytest.mark.parametrize(("first", "second"), [(0.56, 0.56), (0.6, 0.55), (0.98, 0.98), (0.98, 0.9)])
@pytest.mark.parametrize(("nets", "others"), [(1, 1), (2, 2), (3, 3), (5, 5), (2, 5)])
def test_the_interval_of_a_difference_covers_it(
    images: int, first: float, second: float, nets: int, others: int
) -> None:
    """Configurations find partly the same images difficult; their seeds vary where there are several to tell."""
    generator = np.random.default_rng([images, int(100 * first), int(100 * second), nets, others])
    repetitions, hits, spread = 100, 0, 0.0 if nets == 1 else 0.2
    for _ in range(repetitions):
        shared, own = generator.standard_normal(images), generator.standard_normal((2, images))
        difficulty = math.sqrt(0.7) * shared + math.sqrt(0.3) * own
        low, high = difference_interval(
            answers(generator, first, nets, difficulty[0], spread),
            answers(generator, second, others, difficulty[1], spread),
        )
        hits += low <= first - second <= high
    # Three standard errors of 100 repetitions below 93%.
    assert hits / repetitions >= 0.93 - 3 * math.sqrt(0.07 * 0.93 / repetitions)


# ---- the highest of several ----


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 0.0), (2, 1 / math.sqrt(math.pi)), (3, 1.5 / math.sqrt(math.pi))]
)
def test_the_highest_of_several_draws_is_above_their_mean_by_so_much(count: int, expected: float) -> None:
    assert expected_maximum(count) == pytest.approx(expected, abs=1e-9)


def test_the_highest_of_many_draws_is_what_drawing_them_gives() -> None:
    drawn = np.random.default_rng(0).normal(size=(20_000, 50)).max(axis=1)
    assert expected_maximum(50) == pytest.approx(drawn.mean(), abs=0.02)
