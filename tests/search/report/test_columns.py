"""What the report says of a table's net: worth of columns, calibration, ROC."""

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlpsearch.models.inputs.data import Column, Split
from mlpsearch.models.inputs.tables import TablePreprocessing
from mlpsearch.models.scores import ACCURACY, METRICS
from mlpsearch.search.report import table_figures
from mlpsearch.search.report.columns import Importance, Judgement, calibration, column_importances, judge, roc
from mlpsearch.search.results.winner import Winner
from mlpsearch.studies.data.table_columns import TableColumn, TableSchema
from mlpsearch.studies.data.training import TrainingData
from tests.search.pages import charts

ROWS = 900
LOG_LOSS = METRICS["log-loss"]


class Rule:
    """A net that says class 1 where the first number is above 0, or the category is the last of three."""

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        says = (inputs[:, 0] > 0) | (inputs[:, 3] > 0.5)
        return np.column_stack([np.zeros(len(inputs)), np.where(says, 3.0, -3.0)]).astype(np.float32)


@dataclass
class FakeWinner:
    """What is asked of a winner."""

    net: Any
    preprocessing: Any
    data: TrainingData


@pytest.fixture
def winner() -> Winner:
    generator = np.random.default_rng(0)
    stored = np.column_stack(
        [generator.normal(size=ROWS), generator.integers(0, 3, ROWS), generator.normal(size=(ROWS, 1))]
    )
    labels = ((stored[:, 0] > 0) | (stored[:, 1] == 2)).astype(np.int64)
    kinds = (Column(0, False), Column(3, False), Column(0, False))
    columns = [
        TableColumn(name="size", kind="number"),
        TableColumn(name="city", kind="category", categories=["a", "b", "c"]),
        TableColumn(name="noise", kind="number"),
    ]
    training = Split(stored, labels, np.arange(0, 300), (1, 3, 1), kinds)
    data = TrainingData(
        training=training,
        validation=replace(training, rows=np.arange(300, ROWS)),
        classes=("no", "yes"),
        shape=(1, 3, 1),
        fingerprint="",
        table=TableSchema(label="class", columns=columns),
    )
    preprocessing = TablePreprocessing(kinds, "standardize", np.zeros(3), np.ones(3))
    return cast(Winner, FakeWinner(Rule(), preprocessing, data))


def test_a_column_is_worth_the_accuracy_that_its_shuffling_costs(winner: Winner) -> None:
    found = column_importances(winner, ACCURACY)
    assert [one.column for one in found] == ["size", "city", "noise"]
    # A rule that is right for all: of rows that are no city c (2/3), half get a wrong sign.
    assert found[0].loss == pytest.approx(1 / 3, abs=0.05)
    assert 0 < found[0].deviation < 0.05
    assert (found[2].loss, found[2].deviation) == (0, 0)
    assert column_importances(winner, ACCURACY) == found, "the seed is fixed"


def test_the_worth_of_a_column_is_counted_in_the_metric_of_the_study(winner: Winner) -> None:
    found = {one.column: one for one in column_importances(winner, LOG_LOSS)}
    assert found["size"].loss > found["city"].loss > 0, "a higher log-loss is worse"
    assert found["noise"].loss == 0
    right, wrong = np.log1p(np.exp(-3)), np.log1p(np.exp(3))
    assert found["size"].loss == pytest.approx((wrong - right) / 3, abs=0.2)


def test_where_the_rows_have_no_such_score_no_column_has_a_worth(winner: Winner) -> None:
    alike = np.zeros_like(winner.data.validation.labels)
    data = replace(winner.data, validation=replace(winner.data.validation, labels=alike))
    assert (
        column_importances(cast(Winner, FakeWinner(winner.net, winner.preprocessing, data)), METRICS["auc"]) == []
    )


def test_the_rows_are_left_as_they_were(winner: Winner) -> None:
    before = winner.data.validation.images.copy()
    column_importances(winner, ACCURACY)
    np.testing.assert_array_equal(winner.data.validation.images, before)
    assert judge(winner).confusion.diagonal().sum() == len(winner.data.validation)


def test_of_a_very_wide_table_nothing_is_shuffled(winner: Winner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlpsearch.search.report.columns._MOST_COLUMNS", 2)
    assert column_importances(winner, ACCURACY) == []


def test_a_date_is_shuffled_as_one_column() -> None:
    date = TableColumn(name="day", kind="date")
    blocks = TablePreprocessing(tuple(date.stored()), "standardize", np.zeros(3), np.ones(3)).blocks()
    assert blocks == [slice(0, 1), slice(1, 8), slice(8, 20)]


def judgement(chances: np.ndarray, labels: np.ndarray) -> Judgement:
    return Judgement(labels.astype(np.int64), np.column_stack([1 - chances, chances]))


def test_calibration_of_a_net_that_is_as_sure_as_it_is_right() -> None:
    generator = np.random.default_rng(0)
    chances = generator.random(20_000)
    said, true, counts = calibration(judgement(chances, generator.random(20_000) < chances))
    assert counts.tolist() == [2_000] * 10
    np.testing.assert_allclose(said, np.linspace(0.05, 0.95, 10), atol=0.02)
    np.testing.assert_allclose(true, said, atol=0.04)


def test_few_rows_make_few_points() -> None:
    chances = np.linspace(0, 1, 45)
    assert calibration(judgement(chances, chances > 0.5))[2].tolist() == [23, 22]


def test_the_area_under_the_curve_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    chances = generator.random(5_000).round(2)
    labels = generator.random(5_000) < chances
    curve = roc(judgement(chances, labels))
    assert curve is not None
    false, true, area = curve
    assert area == pytest.approx(roc_auc_score(labels, chances))
    assert len(false) == len(true) <= 400
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert roc(judgement(chances, np.zeros(5_000))) is None


def test_names_are_text_and_only_the_first_columns_are_drawn() -> None:
    found = [Importance(f"<b>{place}</b>", 0.5 / (1 + place), 0.01) for place in range(40)]
    bars = table_figures.importances(found, ACCURACY)
    assert bars.count("<tr>") == table_figures.MOST_BARS
    assert "&lt;b&gt;0&lt;/b&gt;" in bars
    assert "50.00 ± 1.00 points" in bars
    (chart,) = charts(table_figures.roc(np.array([0.0, 1.0]), np.array([0.0, 1.0]), "<i>yes</i>"))
    assert "<i>yes</i> that is found" in chart.texts("title")
