"""Several nets in one export: wherever their average is made it is the same, and each is trained again."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest

import mlpsearch as package
from mlpsearch.models import build_net
from mlpsearch.models.config import TrainConfig
from mlpsearch.models.errors import DataError, ExportError
from mlpsearch.models.metrics import probabilities
from mlpsearch.models.prediction import statistics
from mlpsearch.models.weights import load_arrays
from mlpsearch.search.export import onnx_check
from mlpsearch.search.export.document import DOCUMENT
from mlpsearch.search.export.ensembles import Ensemble, Kind, export_ensemble, find_ensemble
from mlpsearch.search.export.exporting import ONNX
from mlpsearch.search.export.parameters import ENCODERS, WEIGHTS, arrays_together
from mlpsearch.search.export.prediction import classify
from mlpsearch.search.export.retraining import Retraining
from mlpsearch.search.results.confirmation import last_confirmation
from mlpsearch.search.results.winner import reported_nets
from mlpsearch.studies.record import StudyRecord
from tests.search.conftest import Command, document
from tests.search.documents.checking import checked
from tests.search.export.ensemble_makers import KINDS, averaged, read, write
from tests.search.export.reading import run
from tests.search.export.tables import drawn_net, run_onnx
from tests.search.makers import NETS
from tests.search.shop import shop
from tests.studies.image_makers import encode, grey_pixels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("net", NETS)
def test_images_have_the_same_probabilities_in_memory_in_a_folder_in_a_file_and_in_onnx(
    study: Callable[..., StudyRecord], tmp_path: Path, mlpsearch: Command, net: str, kind: Kind
) -> None:
    ensemble = write(study(net), tmp_path / "best", kind, onnx=True)
    assert {path.name for path in (tmp_path / "best").iterdir()} == {DOCUMENT, WEIGHTS, ONNX}
    split, expected = ensemble.nets[0].data.validation, averaged(ensemble)
    images = split.images[split.rows].reshape(-1, 8, 8, 1)
    classifier = package.load(tmp_path / "best")
    found = classifier.predict_proba(images)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert classifier.predict(images) == [classifier.classes[best] for best in expected.argmax(axis=1)]
    np.testing.assert_allclose(run((tmp_path / "best" / ONNX).read_bytes(), images), expected, rtol=0, atol=1e-5)
    np.save("images.npy", images)
    answer = mlpsearch("predict", "best", "images.npy", "-o", "answers.csv")
    assert answer.code == 0
    answers = pl.read_csv("answers.csv").select(pl.selectors.starts_with("probability")).to_numpy()
    np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-6)
    Path("one.png").write_bytes(encode(grey_pixels(0, 8, 8)))
    (one,) = classify(tmp_path / "best", [Path("one.png")], 1, list[DataError]().append)
    pixels = grey_pixels(0, 8, 8).reshape(1, 8, 8, 1)
    assert one.classes[0].name == classifier.predict(pixels)[0]


@pytest.mark.parametrize("net", NETS)
def test_rows_have_the_same_probabilities_in_memory_in_files_and_in_onnx(
    shop_study: Callable[..., StudyRecord], tmp_path: Path, mlpsearch: Command, net: str
) -> None:
    record, folder = shop_study(net), tmp_path / "best"
    for kind in KINDS:
        ensemble = write(record, folder, kind, onnx=True)
        table = ensemble.nets[0].data.table
        assert table is not None
        split, classifier = ensemble.nets[0].data.validation, package.load(folder)
        stored = classifier.probabilities(split.images[split.rows])
        np.testing.assert_allclose(stored, averaged(ensemble), rtol=0, atol=1e-6)
        rows = shop(seed=3).drop("bought")
        expected = classifier.predict_proba(rows)
        rows.write_csv("rows.csv")
        rows.write_parquet("rows.parquet")
        for name in ("rows.csv", "rows.parquet"):
            assert mlpsearch("predict", "best", name, "-o", "answers.csv").code == 0
            answers = pl.read_csv("answers.csv")
            assert answers["class"].to_list() == classifier.predict(rows)
            shares = answers.select(pl.selectors.starts_with("probability")).to_numpy()
            np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-6)
        days = rows.with_columns(pl.col("day").str.to_date())
        labels, shares = run_onnx((folder / ONNX).read_bytes(), table, days)
        np.testing.assert_allclose(shares, expected, rtol=0, atol=1e-5)
        assert labels == classifier.predict(rows)
        assert np.ptp(shares, axis=0).max() > 0.1


def test_a_row_that_cannot_be_used_is_named_and_the_others_are_classified(
    shop_study: Callable[..., StudyRecord], tmp_path: Path, mlpsearch: Command
) -> None:
    write(shop_study("numpy"), tmp_path / "best")
    rows = shop(seed=3).drop("bought").with_columns(spent=pl.col("spent").cast(pl.String))
    rows = rows.with_columns(spent=pl.when(pl.int_range(pl.len()) == 4).then(pl.lit("much")).otherwise("spent"))
    rows.write_csv("rows.csv")
    answer = mlpsearch("predict", "best", "rows.csv", "-o", "answers.csv")
    assert (answer.code, "row 5: spent = 'much' is no number; it has no answer" in answer.err) == (1, True)
    assert pl.read_csv("answers.csv")["class"].null_count() == 1


def test_what_makes_inputs_is_kept_once_and_made_once(study: Callable[..., StudyRecord], tmp_path: Path) -> None:
    write(study(), tmp_path / "best", onnx=True)
    arrays, _ = load_arrays(tmp_path / "best" / WEIGHTS)
    assert {name for name in arrays if not name[0].isdigit()} == {"offset", "scale"}
    assert {name.split(".", 1)[0] for name in arrays if name[0].isdigit()} == {"0", "1", "2"}
    nodes = onnx.load(tmp_path / "best" / ONNX).graph.node
    assert [node.op_type for node in nodes].count("Cast") == 1
    assert [node.op_type for node in nodes].count("Softmax") == 3
    assert len({id(one.preprocessing) for one in package.load(tmp_path / "best").members}) == 1


def test_nets_that_see_rows_otherwise_are_averaged_in_onnx_too(
    study: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    """Candidates may differ in their preprocessing, and in which poses they see images."""
    record = study()
    ensemble = find_ensemble(record, "winner")
    options: list[dict[str, Any]] = [
        {"shift_averaging": 1},
        {"flip_averaging": True},
        {"preprocessing": "whiten", "components": 9},
    ]
    nets = []
    for one, changes in zip(ensemble.nets, options, strict=True):
        nets.append(_with_other_inputs(one, changes))
    other = Ensemble("winner", ensemble.confirmation, nets, [0.5, 0.3, 0.2])
    export_ensemble(record, other, tmp_path / "best", onnx=True)
    split, expected = nets[0].data.validation, averaged(other)
    images = split.images[split.rows].reshape(-1, 8, 8, 1)
    np.testing.assert_allclose(package.load(tmp_path / "best").predict_proba(images), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(run((tmp_path / "best" / ONNX).read_bytes(), images), expected, rtol=0, atol=1e-5)
    nodes = onnx.load(tmp_path / "best" / ONNX).graph.node
    assert [node.op_type for node in nodes].count("Flatten") == 3
    assert len({id(one.preprocessing) for one in package.load(tmp_path / "best").members}) == 3


def _with_other_inputs(one: Any, changes: dict[str, Any]) -> Any:

    config = TrainConfig(**{**asdict(one.config), **changes})
    preprocessing = statistics(one.data.training).preprocessing(config)
    net = build_net("numpy", inputs=preprocessing.inputs, classes=10, config=config, compiled=False)
    return replace(one, config=config, net=net, preprocessing=preprocessing)


def test_a_model_that_is_not_the_average_is_not_written(
    study: Callable[..., StudyRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = onnx_check._run

    def wrong(content: bytes, inputs: dict[str, Any]) -> dict[str, Any]:
        return {name: found[:, ::-1] for name, found in made(content, inputs).items()}

    monkeypatch.setattr(onnx_check, "_run", wrong)
    message = r"^the ONNX model gives other probabilities than the average of the nets for [0-9]+ of 250 valid"
    with pytest.raises(ExportError, match=message):
        write(study(), tmp_path / "best", onnx=True)
    assert not (tmp_path / "best").exists()


def test_arrays_are_shared_only_where_all_nets_that_have_them_have_the_same() -> None:
    frame = shop().rename({"bought": "class"})
    _, one = drawn_net(frame, TrainConfig(hidden_size=4, preprocessing="quantiles"), seed=0)
    _, other = drawn_net(frame, TrainConfig(hidden_size=5, preprocessing="piecewise", bins=3), seed=1)
    together = arrays_together([one, other])
    own = {name for name in together if name.partition(".")[0] in ("0", "1")}
    assert {*together} - own == {"center", "spread", "scores"}
    assert {"0.knots", "1.knots"} <= own
    assert own - {"0.knots", "1.knots"} == {
        f"{place}.{name}" for place, net in enumerate((one, other)) for name in net.keys() - ENCODERS
    }


# ---- each net is trained again ----


@pytest.mark.parametrize("net", NETS)
def test_each_net_is_trained_again_bit_by_bit(
    study: Callable[..., StudyRecord], tmp_path: Path, mlpsearch: Command, net: str
) -> None:
    record = study(net)
    write(record, tmp_path / "best", "greedy")
    export = read(tmp_path / "best")
    answer = mlpsearch("train", "best", "--json")
    assert answer.code == 0
    said = checked(answer, "Training")
    assert (said["same"], said["same_weights"], said["differences"]) == (True, True, [])
    assert [(one["trial"], one["run"]) for one in said["members"]] == [
        (one.trial, one.run) for one in export.members
    ]
    assert all(one["same"] and one["same_weights"] for one in said["members"])
    lines = mlpsearch("train", "best").out.splitlines()
    assert len(lines) == len(export.members)
    for place, (line, member) in enumerate(zip(lines, export.members, strict=True)):
        name = "" if len(lines) == 1 else f"net {place}, trial {member.trial}: "
        assert line.startswith(
            f"{name}validation accuracy {member.validation:.2%}, the same as exported; the same"
        )


def test_a_document_alone_is_trained_again(study: Callable[..., StudyRecord], tmp_path: Path) -> None:
    record = study()
    write(record, tmp_path / "best.json")
    assert [path.name for path in tmp_path.glob("best*")] == ["best.json"]
    export = read(tmp_path / "best.json")
    retraining = Retraining(export.nets()[1], None)
    assert [result.epoch for result in retraining.epochs()] == [1, 2]
    assert retraining.comparison().same_weights


# ---- with folds ----


def test_in_folds_each_net_leaves_its_own_out(
    shop_study: Callable[..., StudyRecord], tmp_path: Path, mlpsearch: Command
) -> None:
    shop_study("numpy", "folds = 2")
    for kind in KINDS:
        assert mlpsearch("export", "shop", "-o", "best", "--onnx", "--ensemble", kind).code == 0
        export = read(tmp_path / "best")
        assert export.average.validation is None
        assert (export.data.folds, {one.fold for one in export.members}) == (2, {0, 1})
        assert [one.data.fold for one in export.nets()] == [one.fold for one in export.members]
        assert document(mlpsearch("train", "best", "--json"))["same_weights"]
        arrays, _ = load_arrays(tmp_path / "best" / WEIGHTS)
        assert "0.knots" in arrays, "statistics of other rows"
        rows = shop(seed=3).drop("bought")
        shares = package.load(tmp_path / "best").predict_proba(rows)
        np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)


def test_in_folds_what_is_chosen_is_judged_by_rows_it_has_not_learnt(
    shop_study: Callable[..., StudyRecord], tmp_path: Path
) -> None:
    """With two seeds for three folds, candidates have no net that leaves the last out: its rows do not choose."""
    record = shop_study("numpy", "folds = 3")
    write(record, tmp_path / "best", "greedy")
    export, confirmation = read(tmp_path / "best"), last_confirmation(record)
    assert confirmation is not None
    selection = export.selection
    assert selection is not None
    assert selection.nets == 6, "two seeds of two candidates, and the two reported nets"
    right = total = 0
    for one in reported_nets(record, confirmation):
        split = one.data.validation
        found = probabilities(one.net, split, one.preprocessing).argmax(axis=1)
        right += int((found == split.labels[split.rows]).sum())
        total += len(split)
    assert (selection.rows, selection.winner) == (total, right / total)
    assert 128 * 2 // 3 <= total < 128
