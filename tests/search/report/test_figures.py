"""Figures and pictures of the report, each from what it shows."""

import io

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial
from PIL import Image

from mlpsearch.models.scores import ACCURACY, METRICS
from mlpsearch.search.report import figures
from mlpsearch.search.report.pictures import first_layer_picture, image_picture
from tests.search.pages import TEST


def trial(number: int, *curve: float, state: TrialState = TrialState.COMPLETE, seconds: float = 1) -> FrozenTrial:
    made = create_trial(
        state=state,
        value=curve[-1],
        intermediate_values=dict(enumerate(curve, 1)),
        user_attrs={"seconds": seconds},
    )
    made.number = number
    return made


def test_learning_curves_are_three_traces_with_gaps() -> None:
    trials = [trial(0, 0.1, 0.2), trial(1, 0.3, 0.4), trial(2, 0.1, state=TrialState.PRUNED), trial(3, 0.2, 0.3)]
    pruned, finished, best = figures.learning_curves(trials, ACCURACY).data
    assert (pruned.x, pruned.y) == ((1, None), (0.1, None))
    assert finished.y == (0.1, 0.2, None, 0.2, 0.3, None)
    assert (best.name, best.y) == ("best: trial 1", (0.3, 0.4, None))
    assert figures.learning_curves([], ACCURACY).data[0].x == ()


def test_the_front_is_of_trials_that_no_quicker_one_beats() -> None:
    times = [(0.5, 10), (0.4, 5), (0.3, 7), (0.6, 20), (0.55, 20), (0.6, 30)]
    trials = [trial(number, value, seconds=seconds) for number, (value, seconds) in enumerate(times)]
    front, pruned, finished = figures.time_against_score(trials, ACCURACY).data
    assert (front.x, front.y) == ((5, 10, 20), (0.4, 0.5, 0.6))
    assert (len(pruned.x), len(finished.x)) == (0, 6)


def test_of_losses_the_lowest_is_the_best_and_the_front_goes_down() -> None:
    values = [(0.5, 10), (0.4, 5), (0.3, 7), (0.6, 20)]
    trials = [trial(number, 1, value, seconds=seconds) for number, (value, seconds) in enumerate(values)]
    assert figures.learning_curves(trials, METRICS["log-loss"]).data[-1].name == "best: trial 2"
    front, *_ = figures.time_against_score(trials, METRICS["log-loss"]).data
    assert (front.x, front.y) == ((5, 7), (0.4, 0.3))


def test_long_names_of_classes_are_cut() -> None:
    figure = figures.confusion(TEST | {"classes": ["x" * 24, "y" * 25]})
    assert figure.layout.xaxis.ticktext == ("x" * 24, "y" * 23 + "…")


def test_the_confusion_matrix_shows_counts_and_shares() -> None:
    figure = figures.confusion(TEST | {"classes": ["<b>cat</b>", "dog"]})
    (matrix,) = figure.data
    assert [*matrix.z] == [[0.75, 0.25], [0.45, 0.55]]
    assert [*matrix.text] == [[15, 5], [9, 11]]
    assert figure.layout.xaxis.ticktext == ("&lt;b&gt;cat&lt;/b&gt;", "dog")


@pytest.mark.parametrize(("channels", "mode"), [(1, "LA"), (3, "RGBA")])
def test_first_layer_picture(channels: int, mode: str) -> None:
    weights = np.random.default_rng(0).normal(size=(6 * 8 * channels, 5))
    weights[:, 3] *= 10
    weights[:, 4] = 0  # has neither a smallest nor a largest weight
    picture = Image.open(io.BytesIO(first_layer_picture(weights, (6, 8, channels))))
    assert (picture.size, picture.mode) == ((3 * 68 - 4, 2 * 52 - 4), mode)
    first = np.asarray(picture)[:48:8, :64:8, :channels].reshape(-1)
    strongest = weights[:, 3]
    expected = 255 * (strongest - strongest.min()) / np.ptp(strongest)
    assert np.abs(first - expected).max() <= 0.5


def test_many_units_are_shown_in_part() -> None:
    weights = np.random.default_rng(0).normal(size=(64 * 64, 150)).astype(np.float32)
    assert Image.open(io.BytesIO(first_layer_picture(weights, (64, 64, 1)))).size == (10 * 68 - 4,) * 2


def test_a_picture_is_the_image() -> None:
    pixels = np.arange(24, dtype=np.uint8)
    picture = Image.open(io.BytesIO(image_picture(pixels, (2, 4, 3))))
    assert np.array_equal(np.asarray(picture).reshape(-1), pixels)
