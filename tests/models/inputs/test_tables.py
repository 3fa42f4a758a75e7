"""Tables as numbers: encodings by their definitions, from training rows alone, without surprises at the ends."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from mlpsearch.models import NETS, build_net
from mlpsearch.models.config import TABLE_PREPROCESSING, TrainConfig
from mlpsearch.models.inputs.batches import Batches
from mlpsearch.models.inputs.data import Column, Split
from mlpsearch.models.inputs.tables import TablePreprocessing, TableStatistics, table_inputs, table_shapes
from mlpsearch.models.prediction import Layout, prediction_arrays, prediction_shapes, trained_net
from mlpsearch.models.training import train

NUMBER, GAPPED = Column(0, False), Column(0, True)
every_kind = pytest.mark.parametrize("kind", TABLE_PREPROCESSING)


def table(*columns: Any, kinds: tuple[Column, ...], rows: Any = None) -> Split:
    stored = np.column_stack([np.asarray(column, np.float64) for column in columns])
    taken = np.arange(len(stored)) if rows is None else np.asarray(rows)
    return Split(stored, np.zeros(len(stored), np.int64), taken, (1, len(kinds), 1), kinds)


def encoded(split: Split, kind: str, training: Split | None = None, **changes: Any) -> np.ndarray:
    preprocessing = preprocessing_of(training or split, kind, **changes)
    return preprocessing.batch(split, split.rows).copy()


def preprocessing_of(training: Split, kind: str, **changes: Any) -> TablePreprocessing:
    return TableStatistics(training).preprocessing(TrainConfig(preprocessing=kind, **changes))


def test_standardized_numbers_have_mean_0_and_deviation_1() -> None:
    values = np.random.default_rng(0).lognormal(size=500)
    result = encoded(table(values, kinds=(NUMBER,)), "standardize")[:, 0]
    np.testing.assert_allclose(result, (values - values.mean()) / values.std(), rtol=1e-5)


def test_robust_scaling_is_that_of_the_paper_and_stays_within_3() -> None:
    values = np.append(np.random.default_rng(0).normal(size=99), 1e12)
    lower, middle, upper = np.quantile(values, (0.25, 0.5, 0.75))
    scaled = (values - middle) / (upper - lower)
    result = encoded(table(values, kinds=(NUMBER,)), "robust")[:, 0]
    np.testing.assert_allclose(result, scaled / np.sqrt(1 + (scaled / 3) ** 2), rtol=1e-5)
    assert result[-1] == pytest.approx(3)


def test_quantiles_give_normal_scores_whatever_the_distribution() -> None:
    values = np.random.default_rng(0).lognormal(sigma=3, size=20_000)
    result = encoded(table(values, kinds=(NUMBER,)), "quantiles")[:, 0]
    order = np.argsort(values)
    expected = norm.ppf((np.arange(len(values)) + 0.5) / len(values))
    middle = slice(200, -200)
    np.testing.assert_allclose(result[order][middle], expected[middle], atol=0.02)
    assert np.abs(result).max() < 3.5


def test_equal_values_share_the_mean_of_their_normal_scores() -> None:
    result = encoded(table([0.0] * 50 + [1.0] * 50, kinds=(NUMBER,)), "quantiles")[:, 0]
    assert result[0] == -result[-1]
    assert result[0] == pytest.approx(-norm.expect(abs), abs=0.05)  # the mean of the lower half


def test_piecewise_says_how_far_a_value_is_through_each_bin() -> None:
    split = table([0, 1, 2, 3, 4], kinds=(NUMBER,))
    expected = np.array([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [1.0, 0.5], [1.0, 1.0]])
    np.testing.assert_allclose(encoded(split, "piecewise", bins=2), expected)


def test_beyond_the_outer_bins_piecewise_goes_no_further() -> None:
    """A reading 2% over the range of a saturated sensor is no 460."""
    training = table([*np.linspace(0, 1, 100), *[1023.0] * 300], kinds=(NUMBER,))
    beyond = table([1043.0, 1e300, -1e300], kinds=(NUMBER,))
    result = encoded(beyond, "piecewise", training, bins=8)
    assert result.min() >= 0
    assert result.max() <= 1


@every_kind
@given(
    values=st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=30), others=st.lists(st.floats(), max_size=9)
)
def test_whatever_the_numbers_a_net_gets_finite_ones(kind: str, values: list[float], others: list[float]) -> None:
    finite = [value if np.isfinite(value) else np.nan for value in others]
    training = table(values, kinds=(GAPPED,))
    with np.errstate(over="ignore", invalid="ignore"):
        for split in (training, *([table(finite, kinds=(GAPPED,))] if finite else [])):
            result = encoded(split, kind, training, bins=4)
            if kind in ("piecewise", "quantiles"):
                assert np.isfinite(result).all()
            assert not np.isnan(result).all() or not len(result)


@every_kind
def test_dates_and_order_numbers_stay_apart(kind: str) -> None:
    """In float32, seconds since 1970 are two minutes apart; 28 days would be 15."""
    moments = 1.7e9 + 60.0 * np.arange(28)
    result = encoded(table(moments, kinds=(NUMBER,)), kind, bins=28)
    assert len(np.unique(result, axis=0)) == 28


@every_kind
def test_a_missing_number_is_the_middle_and_says_so(kind: str) -> None:
    split = table([1.0, 2.0, 3.0, np.nan], kinds=(GAPPED,))
    result = encoded(split, kind, bins=2)
    assert result[:, -1].tolist() == [0, 0, 0, 1]
    np.testing.assert_array_equal(result[3, :-1], result[1, :-1])


@every_kind
def test_a_number_missing_where_training_lacks_none_is_the_middle(kind: str) -> None:
    training = table([1.0, 2.0, 3.0], kinds=(NUMBER,))
    missing = table([np.nan, 2.0], kinds=(NUMBER,))
    result = encoded(missing, kind, training, bins=2)
    np.testing.assert_array_equal(result[0], result[1])


@every_kind
def test_a_category_of_no_training_row_is_none_of_them(kind: str) -> None:
    split = table([0, 1, 2, -1], kinds=(Column(3, False),))
    np.testing.assert_array_equal(encoded(split, kind), np.vstack([np.eye(3), np.zeros(3)]))


@every_kind
def test_other_rows_do_not_count(kind: str) -> None:
    values = np.random.default_rng(0).normal(size=(40, 3))
    kinds, rows = (NUMBER, GAPPED, NUMBER), np.arange(0, 40, 2)
    split = Split(values, np.zeros(40, np.int64), rows, (1, 3, 1), kinds)
    changed = replace(split, images=np.where(np.isin(np.arange(40), rows)[:, None], values, 1e6))
    for one, other in zip(
        *(preprocessing_of(each, kind).arrays().values() for each in (split, changed)), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@every_kind
def test_columns_stand_in_order_and_shapes_are_as_foretold(kind: str) -> None:
    kinds = (NUMBER, Column(3, False), GAPPED, Column(2, False))
    generator = np.random.default_rng(1)
    split = table(generator.normal(size=9), [0, 1, 2] * 3, [np.nan, *range(8)], [0, 1, 1] * 3, kinds=kinds)
    config = TrainConfig(preprocessing=kind, bins=5)
    preprocessing = TableStatistics(split).preprocessing(config)
    each = 5 if kind == "piecewise" else 1
    assert preprocessing.inputs == table_inputs(kinds, config) == each + 3 + each + 1 + 2
    assert {name: array.shape for name, array in preprocessing.arrays().items()} == table_shapes(kinds, config)
    result = preprocessing.batch(split, split.rows)
    np.testing.assert_array_equal(result[:, each : each + 3], np.eye(3)[[0, 1, 2] * 3])
    np.testing.assert_array_equal(result[:, each + 3 + each], [1] + [0] * 8)
    assert all(array.dtype == np.float64 for array in preprocessing.arrays().values())


@every_kind
def test_a_row_is_the_same_alone_in_a_batch_and_in_a_view(kind: str) -> None:
    values = np.random.default_rng(0).normal(size=(2_500, 2))
    split = Split(values, np.zeros(2_500, np.int64), np.arange(0, 2_500, 2), (1, 2, 1), (NUMBER, GAPPED))
    preprocessing = preprocessing_of(split, kind)
    (view,) = preprocessing.views(split)
    whole = np.concatenate([chunk.copy() for chunk in view])
    np.testing.assert_array_equal(whole, preprocessing.batch(split, split.rows))
    np.testing.assert_array_equal(whole[7:8], preprocessing.batch(split, split.rows[7:8]))


def test_what_would_take_too_much_memory_is_made_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(60, 2))
    split = Split(values, np.arange(60) % 2, np.arange(60), (1, 2, 1), (NUMBER, NUMBER))
    config = TrainConfig(preprocessing="piecewise", bins=40, batch_size=7)
    preprocessing = TableStatistics(split).preprocessing(config)
    kept = [images.copy() for images, _ in Batches(split, config, preprocessing).epoch(1)]
    monkeypatch.setattr("mlpsearch.models.inputs.tables._MOST_KEPT_BYTES", 0)
    assert not preprocessing.is_kept(split)
    made_anew = [images.copy() for images, _ in Batches(split, config, preprocessing).epoch(1)]
    for one, other in zip(kept, made_anew, strict=True):
        np.testing.assert_array_equal(one, other)


@every_kind
@pytest.mark.parametrize("net_name", NETS)
def test_both_nets_learn_a_table_and_come_back_from_arrays(net_name: str, kind: str) -> None:
    generator = np.random.default_rng(0)
    numbers, categories = generator.normal(size=300), generator.integers(0, 3, 300)
    labels = ((numbers > 0) ^ (categories == 1)).astype(np.int64)
    kinds = (NUMBER, Column(3, False))
    stored = np.column_stack([numbers, categories])
    training = Split(stored, labels, np.arange(200), (1, 2, 1), kinds)
    validation = replace(training, rows=np.arange(200, 300))
    config = TrainConfig(
        hidden_size=16, epochs=30, batch_size=20, optimizer="adam", learning_rate=0.02, preprocessing=kind, bins=8
    )
    preprocessing = TableStatistics(training).preprocessing(config)
    net = build_net(net_name, config=config, inputs=preprocessing.inputs, classes=2)
    (*_, last) = train(net, training, validation, config, preprocessing)
    assert last.validation_accuracy >= 0.9
    arrays = prediction_arrays(net, preprocessing)
    shapes = prediction_shapes(Layout.of(training), 2, config)
    assert {name: array.shape for name, array in arrays.items()} == shapes
    again, same = trained_net(net_name, arrays, config, kinds)
    inputs = same.batch(validation, validation.rows)
    np.testing.assert_array_equal(inputs, preprocessing.batch(validation, validation.rows))
    np.testing.assert_array_equal(again.logits(inputs), net.logits(inputs))
