"""The gradients are right, and the checks that say so can fail."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlpsearch.models import gradient_check
from mlpsearch.models.arrays import Floats, Labels
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.gradient_check import (
    GradientCheck,
    check_all,
    check_autograd,
    check_numeric,
    check_steps,
    relative_error,
)
from mlpsearch.models.numpy_net.numpy_mlp import NumpyNet
from tests.models.cases import patiently
from tests.models.planted import (
    MISSING_FACTOR,
    MISSING_MASK,
    MISSING_MEAN,
    MISSING_PENALTY,
    NO_ERROR,
    SWAPPED_CASES,
    WRONG_PENALTY,
    WRONG_SIGN,
    planted,
)

WEIGHTS = {"weight.0", "weight.1", "weight.2"}
BIASES = {"bias.0", "bias.1", "bias.2"}
LAST_LAYER = {"weight.2", "bias.2"}

# At depth 3 with L2: the planted error, and the parameters whose gradients it spoils.
ERRORS = [
    (SWAPPED_CASES, WEIGHTS | BIASES),
    (MISSING_MEAN, WEIGHTS | BIASES),
    (MISSING_PENALTY, WEIGHTS),
    (WRONG_SIGN, BIASES),
    (MISSING_MASK, (WEIGHTS | BIASES) - LAST_LAYER),
    (NO_ERROR, set()),  # the textbook code itself is right
]


@pytest.fixture(scope="module")
def checks() -> list[GradientCheck]:
    return check_all()


def test_all_comparisons_pass(checks: list[GradientCheck]) -> None:
    assert [check for check in checks if not check.passed] == []


def test_all_comparisons_are_made(checks: list[GradientCheck]) -> None:
    made = {(c.against, c.depth, c.regularization > 0, c.parameter, c.tolerance) for c in checks if not c.option}
    expected = set()
    for depth, penalised in product((2, 3, 4, 5), (False, True)):
        names = [f"{kind}.{layer}" for kind in ("weight", "bias") for layer in range(depth)]
        expected |= {("central differences", depth, penalised, name, 1e-7) for name in names}
        expected |= {("autograd", depth, penalised, name, 1e-10) for name in names}
        expected.add(("torch's losses", depth, penalised, "J", 1e-10))
    assert made == expected
    assert gradient_check.STEPS == 100


def test_each_option_is_checked_alone_and_with_all_others(checks: list[GradientCheck]) -> None:
    assert {c.option for c in checks} - {""} == set(gradient_check.OPTIONS)
    for option, changes in gradient_check.OPTIONS.items():
        names = [f"{kind}.{layer}" for kind in ("weight", "bias") for layer in range(3)]
        names += ["gamma.0", "gamma.1"] if "batch_normalization" in changes else []
        made = {(c.against, c.parameter) for c in checks if c.option == option}
        expected = {(against, name) for against in ("central differences", "autograd") for name in names}
        assert made == expected | {("torch's losses", "J")}
    assert len(gradient_check.OPTIONS["all"]) > 6


@pytest.mark.parametrize(("error", "spoiled"), ERRORS)
def test_planted_errors_are_caught(error: str, spoiled: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_check, "NumpyNet", planted(error))
    for check in (check_numeric, check_autograd):
        assert {result.parameter for result in check(3, 0.1) if not result.passed} == spoiled
    assert check_steps(3, 0.1).passed == (not spoiled)


def test_a_missing_penalty_shows_only_with_l2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_check, "NumpyNet", planted(MISSING_PENALTY))
    assert all(check.passed for check in check_numeric(3, 0.0))


@pytest.mark.parametrize("slip", [MISSING_FACTOR, WRONG_PENALTY])
def test_these_slips_do_not_fit_the_shape_where_all_sizes_differ(
    slip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_check, "NumpyNet", planted(slip))
    with pytest.raises(ValueError, match="broadcast"):
        check_numeric(2, 0.1)


def test_a_missing_factor_is_caught_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_check, "_IMAGES", gradient_check._INPUTS)
    monkeypatch.setattr(gradient_check, "NumpyNet", planted(MISSING_FACTOR))
    for check, regularization in product((check_numeric, check_autograd), (0.0, 0.1)):
        assert [r.parameter for r in check(2, regularization) if not r.passed] == ["weight.0"]


def test_a_wrong_penalty_is_caught_where_it_fits_and_only_with_l2(monkeypatch: pytest.MonkeyPatch) -> None:
    for size in ("_INPUTS", "_HIDDEN", "_CLASSES"):
        monkeypatch.setattr(gradient_check, size, 5)
    monkeypatch.setattr(gradient_check, "NumpyNet", planted(WRONG_PENALTY))
    for check in (check_numeric, check_autograd):
        assert [r.parameter for r in check(2, 0.1) if not r.passed] == ["weight.0"]
        assert all(r.passed for r in check(2, 0.0))


def test_an_error_that_is_not_a_number_does_not_pass() -> None:
    zeros = np.zeros(3)
    assert relative_error(zeros, zeros) == 0
    with np.errstate(invalid="ignore"):
        error = relative_error(np.full(3, np.nan), zeros)
    assert not GradientCheck("autograd", 2, 0.0, "bias.0", error, 1e-7).passed


def test_relative_error_is_free_of_scale() -> None:
    ours, theirs = np.array([1.0, 0.0, 3.0]), np.array([1.0, 0.5, 3.0])
    assert relative_error(ours, theirs) == 0.5 / 6
    assert relative_error(1e-6 * ours, 1e-6 * theirs) == pytest.approx(0.5 / 6)


# ---- one random direction proves a whole gradient (the check of HIPS autograd) -----------------------------


@st.composite
def nets_and_batches(draw: st.DrawFn) -> tuple[NumpyNet, Floats, Labels]:
    inputs, hidden, images = (draw(st.integers(1, 6)) for _ in range(3))
    classes, depth = draw(st.integers(2, 5)), draw(st.integers(2, 5))
    regularization = draw(st.sampled_from([0.0, 0.01, 0.5, 2.0]))
    return _net_and_batch(
        NumpyNet, inputs, hidden, classes, depth, images, regularization, draw(st.integers(0, 999))
    )


def _net_and_batch(
    kind: type[NumpyNet],
    inputs: int,
    hidden: int,
    classes: int,
    depth: int,
    images: int,
    regularization: float,
    seed: int,
) -> tuple[NumpyNet, Floats, Labels]:
    random = np.random.default_rng(seed)
    config = TrainConfig(hidden_size=hidden, depth=depth, regularization=regularization, seed=seed)
    net = kind(inputs=inputs, classes=classes, config=config, dtype=np.float64)
    net.biases = [random.normal(0, 0.5, bias.shape) for bias in net.biases]
    return net, random.standard_normal((images, inputs)), random.integers(0, classes, images)


def _slopes(net: NumpyNet, images: Floats, labels: Labels) -> tuple[float, float, bool]:
    """The slope of J along one direction: by differences, by the gradient, and whether J is smooth there."""
    _, gradients = net.loss_and_gradients(images, labels)
    gradient, start = [*gradients.values()], [array.copy() for array in (*net.weights, *net.biases)]
    random = np.random.default_rng(1)
    direction = [random.standard_normal(array.shape) for array in start]
    length = np.sqrt(sum(np.vdot(part, part) for part in direction))
    losses, active, h = [], [], 1e-5
    for sign in (1, -1):
        moved = [array + sign * h / length * part for array, part in zip(start, direction, strict=True)]
        net.weights, net.biases = moved[: len(net.weights)], moved[len(net.weights) :]
        losses.append(net.loss_and_gradients(images, labels)[0])
        active.append(_active_units(net, images))
    numeric = (losses[0] - losses[1]) / (2 * h)
    analytic = sum(float(np.vdot(g, d)) for g, d in zip(gradient, direction, strict=True)) / length
    return numeric, float(analytic), active[0] == active[1]


def _active_units(net: NumpyNet, images: Floats) -> list[bytes]:
    pattern = []
    for weight, bias in zip(net.weights[:-1], net.biases, strict=False):
        images = np.maximum(images @ weight + bias, 0)
        pattern.append((images > 0).tobytes())
    return pattern


@patiently
@given(nets_and_batches())
def test_the_gradient_gives_the_slope_along_any_direction(case: tuple[NumpyNet, Floats, Labels]) -> None:
    numeric, analytic, smooth = _slopes(*case)
    assume(smooth)  # between the two points no unit crosses the corner of its ReLU
    assert numeric == pytest.approx(analytic, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("error", [error for error, _ in ERRORS if error != NO_ERROR])
def test_one_direction_is_enough_to_catch_an_error(error: str) -> None:
    numeric, analytic, smooth = _slopes(*_net_and_batch(planted(error), 6, 7, 4, 3, 8, 0.1, seed=0))
    assert smooth
    assert numeric != pytest.approx(analytic, rel=1e-3)
