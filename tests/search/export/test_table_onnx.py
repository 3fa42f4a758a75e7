"""The ONNX model of a table against the net: the same probabilities from the raw columns."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import polars as pl
import pytest

from mlpsearch.models.config import TABLE_PREPROCESSING, TrainConfig
from mlpsearch.models.errors import ExportError
from mlpsearch.search.export import onnx_check
from mlpsearch.search.export.exporting import export_winner, write_folder
from mlpsearch.search.export.onnx_model import onnx_model
from mlpsearch.search.export.prediction import load_classifier
from mlpsearch.search.results.winner import load_winner
from mlpsearch.studies.record import StudyRecord
from tests.search.export.tables import CLASSES, drawn_net, export_of, run_onnx, write
from tests.search.makers import NETS


def rows(count: int = 80, seed: int = 0) -> pl.DataFrame:
    """Columns of all kinds, two of them named as the outputs are, and one as a constant of the graph."""
    random = np.random.default_rng(seed)
    days = np.datetime64("1969-11-01") + random.integers(0, 900, count)
    frame = pl.DataFrame(
        {
            "label": random.normal(size=count),
            "probabilities": random.normal(1e9, 3, count),
            "weight.0": random.choice(["Rome", "new york", "", "é"], count),
            "2024, am Tag": days,
            "/": random.choice(["yes", "no"], count),
        }
    )
    is_third = pl.int_range(count) % 3 == 1
    empty = [
        pl.when(is_third).then(None).otherwise(pl.col(name)).alias(name) for name in ("label", "2024, am Tag")
    ]
    return frame.with_columns(empty)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("batch_normalization", [False, True])
@pytest.mark.parametrize("preprocessing", TABLE_PREPROCESSING)
def test_it_gives_the_probabilities_of_the_net_and_the_label(
    tmp_path: Path, net: str, batch_normalization: bool, preprocessing: str
) -> None:
    config = TrainConfig(
        hidden_size=8,
        depth=3,
        preprocessing=preprocessing,
        bins=5,
        batch_normalization=batch_normalization,
        activation="gelu" if net == "torch" else "relu",
    )
    schema, arrays = drawn_net(rows(), config)
    export = export_of(schema, arrays, config, net)
    classifier = load_classifier(write(tmp_path / "best", export, arrays))
    labels, shares = run_onnx(onnx_model(export, [arrays]), schema, rows(seed=1))
    assert shares.dtype == np.float32
    np.testing.assert_allclose(shares, classifier.predict_proba(rows(seed=1)), rtol=0, atol=1e-5)
    assert np.ptp(shares, axis=0).max() > 0.01
    assert labels == classifier.predict(rows(seed=1))


@pytest.fixture
def shares_of() -> Callable[..., list[list[float]]]:
    """Probabilities of rows that have one city each."""
    config = TrainConfig(hidden_size=8, depth=2, preprocessing="standardize")
    cities = ["Lima", "Oslo", "Rome", "", "Ulm", "Bonn"]
    frame = pl.DataFrame({"city": (cities[:4] * 4) + cities[4:]})
    schema, arrays = drawn_net(frame, config)
    assert schema.columns[0].together == ["Bonn", "Ulm"]
    model = onnx_model(export_of(schema, arrays, config, "numpy"), [arrays])
    return lambda *given: run_onnx(model, schema, pl.DataFrame({"city": given}))[1].tolist()


def test_a_number_too_large_to_be_one_is_empty() -> None:
    config = TrainConfig(hidden_size=8, depth=2, preprocessing="standardize")
    values = [1.0, 2.0, 4.0, None, np.finfo(np.float64).max, 9.0, np.finfo(np.float64).min, 3.0]
    frame = pl.DataFrame({"size": values * 3})
    schema, arrays = drawn_net(frame, config)
    assert np.isfinite([arrays["center"], arrays["spread"]]).all()
    stored = schema.encoded(frame, "a.csv")
    assert np.isnan(stored[[3, 4, 6], 0]).all()
    _, shares = run_onnx(onnx_model(export_of(schema, arrays, config, "numpy"), [arrays]), schema, frame)
    assert shares[3].tolist() == shares[4].tolist() == shares[6].tolist()


def test_an_unknown_category_is_none_of_them(shares_of: Callable[..., list[list[float]]]) -> None:
    lima, oslo, rome, empty, rare, other = shares_of("Lima", "Oslo", "Rome", "", "Ulm", "Mars")
    assert other not in [lima, oslo, rome, empty, rare]
    assert shares_of("Bonn", "Moon", "rome") == [rare, other, other]


def test_an_empty_category_may_be_written_as_in_a_file(shares_of: Callable[..., list[list[float]]]) -> None:
    (empty,) = shares_of("")
    assert shares_of("NA", "n/A", "NaN", "nUll", "?", "<NA>") == [empty] * 6


def test_numbers_that_float32_cannot_tell_apart_stay_apart() -> None:
    config = TrainConfig(hidden_size=8, depth=2, preprocessing="standardize")
    orders = 2.0**40 + np.array([3, 1, 2, 0, 9, 4] * 4)
    schema, arrays = drawn_net(pl.DataFrame({"order": orders}), config)
    model = onnx_model(export_of(schema, arrays, config, "numpy"), [arrays])
    _, shares = run_onnx(model, schema, pl.DataFrame({"order": orders[:6]}))
    assert len(np.unique(shares, axis=0)) == 6


def test_dates_before_1970_and_far_away_have_their_weekday_and_month(tmp_path: Path) -> None:
    config = TrainConfig(hidden_size=8, depth=2, preprocessing="quantiles")
    days = np.arange("1890-01-01", "1890-06-01", dtype="datetime64[D]")
    schema, arrays = drawn_net(pl.DataFrame({"day": days}), config)
    export = export_of(schema, arrays, config, "numpy")
    others = pl.DataFrame({"day": np.arange("1799-11-01", "2405-01-01", 13, dtype="datetime64[D]")})
    expected = load_classifier(write(tmp_path / "best", export, arrays)).predict_proba(others)
    _, shares = run_onnx(onnx_model(export, [arrays]), schema, others)
    np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-5)


def test_it_says_what_its_inputs_are_and_asks_for_what_todays_onnxruntime_has() -> None:
    config = TrainConfig(hidden_size=8, preprocessing="standardize")
    schema, arrays = drawn_net(rows(), config)
    model = onnx.load_from_string(onnx_model(export_of(schema, arrays, config, "numpy"), [arrays]))
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(about["classes"]) == CLASSES
    assert json.loads(about["columns"])[:3] == [
        {"input": "label_", "column": "label", "kind": "number"},
        {"input": "probabilities_", "column": "probabilities", "kind": "number"},
        {"input": "weight.0", "column": "weight.0", "kind": "category"},
    ]
    assert model.ir_version <= 13
    assert {one.domain: one.version for one in model.opset_import} == {"": 17, "ai.onnx.ml": 3}


def test_a_model_that_is_not_the_net_is_not_written(
    finished: Callable[..., StudyRecord], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = finished()
    winner = load_winner(record)
    run = onnx_check._run

    def wrong(content: bytes, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: found[:, ::-1] for name, found in run(content, inputs).items()}

    monkeypatch.setattr(onnx_check, "_run", wrong)
    message = r"^the ONNX model gives other probabilities than the net for [0-9]+ of 250 validation images$"
    with pytest.raises(ExportError, match=message):
        write_folder(export_winner(record, winner, tmp_path / "best"), winner, tmp_path / "best", onnx=True)
    assert not (tmp_path / "best").exists()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.setattr(onnx_check, "_run", run)
    with pytest.raises(ExportError, match="checked with the package onnxruntime: pip install"):
        write_folder(export_winner(record, winner, tmp_path / "best"), winner, tmp_path / "best", onnx=True)


def test_labels_that_are_large_numbers_are_text() -> None:
    config = TrainConfig(hidden_size=8, preprocessing="standardize")
    schema, arrays = drawn_net(rows(), config)
    export = export_of(schema, arrays, config, "numpy")
    classes = ["5000000000", "-1", "4294967301"]
    export = export.model_copy(update={"data": export.data.model_copy(update={"classes": classes})})
    labels, shares = run_onnx(onnx_model(export, [arrays]), schema, rows(seed=1))
    assert labels == [classes[best] for best in shares.argmax(axis=1)]
