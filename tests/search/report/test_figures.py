"""Figures and pictures of the report, each from what it shows."""

import io
import itertools

import numpy as np
import pytest
from markupsafe import Markup
from optuna.trial import FrozenTrial, TrialState, create_trial
from PIL import Image

from mlpsearch.models.scores import ACCURACY, METRICS
from mlpsearch.search.report import figures
from mlpsearch.search.report.pictures import first_layer_picture, image_picture
from tests.search.pages import TEST, Chart, charts


def trial(number: int, *curve: float, state: TrialState = TrialState.COMPLETE, seconds: float = 1) -> FrozenTrial:
    made = create_trial(
        state=state,
        value=curve[-1],
        intermediate_values=dict(enumerate(curve, 1)),
        user_attrs={"seconds": seconds},
    )
    made.number = number
    return made


def drawn(markup: Markup) -> Chart:
    (chart,) = charts(markup)
    return chart


def height(chart: Chart) -> float:
    return float(next(one for one in chart.root.iter("svg") if one.get("role")).get("height", ""))


def test_learning_curves_are_a_line_a_trial_the_best_above_the_others() -> None:
    trials = [trial(0, 0.1, 0.2), trial(1, 0.3, 0.4), trial(2, 0.1, state=TrialState.PRUNED), trial(3, 0.2, 0.3)]
    chart = drawn(figures.learning_curves(trials, ACCURACY))
    assert [one.split(":")[0] for one in chart.tips("path")] == ["trial 2", "trial 0", "trial 3", "trial 1"]
    assert chart.tips("path", "best") == ["trial 1: 40.00%, finished after epoch 2"]
    assert chart.tips("path", "pruned") == ["trial 2: 10.00%, pruned after epoch 1"]
    assert chart.texts("of-trial") == ["1", "3", "0"]
    assert drawn(figures.learning_curves([], ACCURACY)).drawn("path") == []


def test_the_ten_best_learning_curves_can_be_told_apart() -> None:
    trials = [trial(number, 0.1, 0.9, 0.97 + 0.001 * number) for number in range(10)]
    trials += [trial(number, 0.1, 0.1, 0.2) for number in range(10, 20)]
    begin = figures.curves_begin(trials, ACCURACY)
    assert begin is not None
    assert 0.25 * (0.979 - begin) - 1e-9 <= 0.979 - 0.97
    chart = drawn(figures.learning_curves(trials, ACCURACY))
    ends = [
        float(one.get("d", "").rsplit(" ", 1)[1]) for look in ("good", "best") for one in chart.drawn("path", look)
    ]
    assert max(ends) - min(ends) > 200, "of 1,000 from the lower end of the axis to the upper one"
    places = [float(one.get("y", "")) for one in chart.drawn("text", "of-trial")]
    assert len(places) == 10
    assert all(lower - upper >= 12 for upper, lower in itertools.pairwise(places))
    assert 0 <= places[0] < places[-1] <= height(chart)


def test_where_all_learning_curves_fit_none_is_cut() -> None:
    assert figures.curves_begin([trial(number, 0.5, 0.5 + 0.1 * number) for number in range(4)], ACCURACY) is None
    losses = [trial(number, 9.0, 0.5 + 0.01 * number) for number in range(10)]
    begin = figures.curves_begin(losses, METRICS["log-loss"])
    assert begin == pytest.approx(0.5 + 4 * 0.09)


def test_the_front_is_of_trials_that_no_quicker_one_beats() -> None:
    times = [(0.5, 10), (0.4, 5), (0.3, 7), (0.6, 20), (0.55, 20), (0.6, 30)]
    trials = [trial(number, value, seconds=seconds) for number, (value, seconds) in enumerate(times)]
    assert [one.number for one in figures.front(trials, ACCURACY)] == [1, 0, 3]
    chart = drawn(figures.time_against_score(trials, ACCURACY))
    assert len(chart.drawn("circle", "good")) == 6
    assert chart.drawn("circle", "pruned") == []


def test_of_losses_the_lowest_is_the_best_and_the_front_goes_down() -> None:
    values = [(0.5, 10), (0.4, 5), (0.3, 7), (0.6, 20)]
    trials = [trial(number, 1, value, seconds=seconds) for number, (value, seconds) in enumerate(values)]
    curves = drawn(figures.learning_curves(trials, METRICS["log-loss"]))
    assert curves.tips("path", "best") == ["trial 2: 0.3000, finished after epoch 2"]
    assert [one.number for one in figures.front(trials, METRICS["log-loss"])] == [1, 2]


def test_a_few_very_bad_trials_do_not_press_the_others_into_a_line() -> None:
    trials = [trial(number, 0.95 + 0.001 * number) for number in range(20)] + [trial(20, 0.1)]
    chart = drawn(figures.history(trials, ACCURACY))
    rings = chart.drawn("circle", "beyond")
    assert [ring.findtext("title") for ring in rings] == ["trial 20: 10.00%"]
    places = [float(one.get("cy", "")) for one in chart.drawn("circle") if one not in rings]
    assert max(places) - min(places) > height(chart) / 3
    assert "worse than" in figures.history(trials, ACCURACY)


def test_long_names_of_classes_are_cut() -> None:
    chart = drawn(figures.confusion(TEST | {"classes": ["x" * 24, "y" * 25]}))
    assert chart.texts("xtick") == ["x" * 24, "y" * 23 + "…"]


def test_the_confusion_matrix_shows_counts_and_shares() -> None:
    chart = drawn(figures.confusion(TEST | {"classes": ["<b>cat</b>", "dog"]}))
    assert [text for text in chart.texts("inside") or chart.texts() if text.isdigit()] == ["15", "5", "9", "11"]
    assert chart.tips("rect")[1] == "5 (25.0%) of true <b>cat</b> are taken for dog"
    assert chart.texts("ytick") == ["dog", "<b>cat</b>"]


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
