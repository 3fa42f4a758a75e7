"""Axes name values in full, at least two, and hold what they are made for."""

import math
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlpsearch.models.scores import ACCURACY, METRICS
from mlpsearch.search.report.axes import linear, logarithmic, number, numbers, scores, usual

POSITIVE = st.floats(1e-9, 1e9)
PATIENT = settings(deadline=timedelta(seconds=30))


@PATIENT
@given(POSITIVE, POSITIVE)
def test_a_logarithmic_axis_names_two_values_or_more_and_each_in_full(one: float, other: float) -> None:
    axis = logarithmic("rate", min(one, other), max(one, other))
    assert 2 <= len(axis.ticks) <= 14
    for place, text in axis.ticks:
        assert axis.place(float(text.replace(",", ""))) == pytest.approx(place, abs=1e-6)
        assert 0 <= place <= 1
    assert 0 <= axis.place(one) <= 1


def test_what_plotly_wrote_as_bare_digits_is_written_in_full() -> None:
    assert [text for _, text in logarithmic("rate", 0.02, 0.5).ticks] == ["0.02", "0.05", "0.1", "0.2", "0.5"]
    assert [text for _, text in logarithmic("rate", 1e-6, 0.1).ticks] == [
        "1e-6",
        "1e-5",
        "0.0001",
        "0.001",
        "0.01",
        "0.1",
    ]


@PATIENT
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
@example(0.0, 5e-324)
@example(2e-320, 5e-320)
@example(0.0, 1e-299)
def test_a_linear_axis_names_what_it_marks(one: float, other: float) -> None:
    axis = linear("it", min(one, other), max(one, other), number)
    assert 0 <= axis.place(one) <= 1
    assert all(0 <= place <= 1 for place, _ in axis.ticks)
    assert len({text for _, text in axis.ticks}) == len(axis.ticks)


def test_epochs_and_layers_are_whole() -> None:
    assert [text for _, text in linear("epoch", 1, 3, number, whole=True).ticks] == ["1", "2", "3"]
    assert [text for _, text in numbers("depth", [2, 2], is_log=False).ticks] == ["2"]


def test_shares_have_as_many_digits_as_they_need_and_end_at_all_of_them() -> None:
    assert [text for _, text in scores(ACCURACY, [0.96, 0.98]).ticks] == [
        "96.0%",
        "96.5%",
        "97.0%",
        "97.5%",
        "98.0%",
    ]
    texts = [text for _, text in scores(ACCURACY, [1.0, 1.0]).ticks]
    assert texts[-1] == "100%"
    assert len({*texts}) == len(texts) > 1


def test_an_axis_of_the_usual_scores_leaves_the_very_bad_ones_out() -> None:
    many = [0.9 + 0.001 * place for place in range(20)]
    assert usual(ACCURACY, many) is None
    end = usual(ACCURACY, [*many, 0.1])
    assert end is not None
    assert 0.8 < end < 0.9
    assert usual(METRICS["log-loss"], [*many, 50.0]) is not None
    assert usual(ACCURACY, [0.9, 0.1]) is None, "a few are all shown"
    assert not math.isnan(scores(ACCURACY, []).place(0.5))
